"""Description: what `data describe` finds, frozen; describe.py computes it and render.py draws it."""

from collections.abc import Mapping
from dataclasses import dataclass

from hinet_search.records import CellCount, LeakSuspect


@dataclass(frozen=True)
class CategoricalFacts:
    """One categorical feature: distinct values, rows without a value, and shares of rows without an id."""

    name: str
    num_values: int
    missing: int
    unseen_valid: float
    unseen_test: float


@dataclass(frozen=True)
class NumericFacts:
    """One numeric feature: rows without a value, NaN and infinity among them, and the range of the others."""

    name: str
    missing: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ListFacts:
    """One list: entries a row, the share of rows without any, and the share of entries that no training row has as item."""

    name: str
    mean_length: float
    empty: float
    unseen: float


@dataclass(frozen=True)
class Overlap:
    """`share[row][column]` of the row scenario's users (or items) are seen in the column scenario too."""

    what: str
    count: int
    share: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class FunnelBreak:
    """Rows of a scenario that have the later task without the earlier one, though nearly all others have both."""

    scenario: str
    earlier: str
    later: str
    rows: int
    first_rows: tuple[int, ...]  # row numbers in the source, from 0


@dataclass(frozen=True)
class Description:
    """The data in numbers; `time` is the range of the time column as text."""

    source: str
    split: str
    rows: tuple[int, int, int]
    cells: tuple[CellCount, ...]
    categorical: tuple[CategoricalFacts, ...]
    numeric: tuple[NumericFacts, ...]
    lists: tuple[ListFacts, ...]
    groups: Mapping[str, int]  # inputs of every group that a search can leave out
    overlaps: tuple[Overlap, ...]
    funnel_breaks: tuple[FunnelBreak, ...]
    leaks: tuple[LeakSuspect, ...]
    time: tuple[str, str] | None
    warnings: tuple[str, ...]
