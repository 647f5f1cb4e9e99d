"""Data record: what the rows of a study are, as a study stores it: its cells, notes and hashes.

Also the values of `features.groups`, which say what groups of inputs a model has.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from hinet_search.common.amounts import percent
from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, LEFT_OUT_IF_NONE

GROUPS = "features.groups"  # the name of the setting
ALL = "all"
NONE = "none"
AND = "+"


def chosen_groups(groups: str, known: Collection[str]) -> frozenset[str]:
    """Return the groups that a valid `features.groups` selects."""
    if groups in (ALL, NONE):
        return frozenset(known if groups == ALL else ())
    return frozenset(groups.split(AND))


def groups_without(left_out: Collection[str], known: Sequence[str]) -> str:
    """Return the value of `features.groups` that leaves these groups out of the known ones."""
    if not left_out:
        return ALL
    return AND.join(group for group in known if group not in left_out) or NONE


@dataclass(frozen=True)
class CellCount:
    """Rows and positives of one cell in train, valid and test, in this order.

    Rows with an amount above 0 count as positives.
    """

    scenario: str
    task: str
    rows: tuple[int, int, int]
    positives: tuple[int, int, int]
    reachable_auc: float | None = None  # on test, known for synthetic data only
    # Mean amounts of train, valid and test, in the unit of the column; None of 0/1.
    means: tuple[float, float, float] | None = None

    @property
    def name(self) -> tuple[str, str]:
        """(scenario, task)."""
        return self.scenario, self.task

    @property
    def needed_for_auc(self) -> str:
        """What the labels of a split need to have for an AUC."""
        return "both classes" if self.means is None else "an amount above 0"

    def can_have_auc(self, rows: int, positives: int) -> bool:
        """Whether so many rows and positives have what an AUC needs."""
        return positives > 0 and (positives < rows or self.means is not None)


@dataclass(frozen=True)
class GroupCount:
    """The groups that a ranking orders in the test rows of a task, each scenario for itself.

    `differing` have labels that differ, and hold that `share` of the task's rows.
    """

    task: str
    groups: int
    differing: int
    share: float

    @property
    def in_words(self) -> str:
        """`click: 12,345 of 20,000 groups have both labels: they hold 61 % of the rows`."""
        return (
            f"{self.task}: {self.differing:,} of {self.groups:,} groups have both labels: "
            f"they hold {percent(self.share)} of the rows"
        )


@dataclass(frozen=True)
class LeakSuspect:
    """An input whose AUC for a task on training rows is above 0.95 or below 0.05 on its own."""

    feature: str
    task: str
    auc: float


@dataclass(frozen=True)
class RowHashes:
    """Hashes that identify the test rows of a data set.

    If either one agrees, the rows are the same. Neither depends on the features of a study.
    """

    in_order: str  # of scenarios and labels, in the order of the source
    # Of user, item, time, scenario and labels, in any order; None if no such column is named.
    by_identity: str | None


@dataclass(frozen=True)
class WeightRecord:
    """The column of weights, and as how many rows of equal weights train counts."""

    column: str
    effective_rows: int

    def in_words(self, num_rows: int) -> str:
        """`'w': 5,000 training rows count as 1,234 of equal weights`; `num_rows` are of train."""
        effective = f"count as {self.effective_rows:,} of equal weights"
        return f"'{self.column}': {num_rows:,} training rows {effective}"


@dataclass(frozen=True)
class SampleRecord:
    """The rows that a study searches on: of a share of the `unit`, users or rows.

    There are `all_rows` in train, valid and test without the sample.
    """

    share: float
    unit: str
    all_rows: int

    @property
    def in_words(self) -> str:
        """`5 % of the users`."""
        return f"{100 * self.share:.9g} % of the {self.unit}"


@dataclass(frozen=True)
class Timeline:
    """Rows by split and mean labels of tasks in periods of so many `days`, one after another."""

    begin: str  # date of the first day; empty if times are numbers
    days: int
    rows: tuple[tuple[int, int, int], ...]  # train, valid, test
    means: Mapping[str, tuple[float | None, ...]]  # None without a row that has the task


@dataclass(frozen=True)
class DataRecord:
    """The data of a study in numbers. `leaks` is None if leaks were not searched for."""

    source: str
    fingerprint: str
    split: str  # in words: "by column 'split'", "time: valid from 2022-05-03, test from 2022-05-04"
    rows: tuple[int, int, int]  # train, valid, test
    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    num_categorical: int
    num_numeric: int
    cells: tuple[CellCount, ...]
    warnings: tuple[str, ...] = ()
    # Number of inputs in each group that a search can leave out.
    groups: Mapping[str, int] = field(default_factory=dict)
    leaks: tuple[LeakSuspect, ...] | None = None
    test_rows: RowHashes | None = None
    # Mean amount of the training rows of every task of amounts: what a label of 1 stands for.
    units: Mapping[str, float] = field(default_factory=dict)
    weights: Annotated[WeightRecord | None, LEFT_OUT_IF_NONE] = None
    sample: Annotated[SampleRecord | None, LEFT_OUT_IF_NONE] = None
    # Of every task, where the data have `rank`.
    ranked: Annotated[tuple[GroupCount, ...], LEFT_OUT_IF_EMPTY] = ()
    timeline: Annotated[Timeline | None, LEFT_OUT_IF_NONE] = None

    @property
    def sampled_share(self) -> float:
        """The share of the users, or rows, that the study searches on; 1 without a sample."""
        return self.sample.share if self.sample else 1.0

    @property
    def times_the_rows(self) -> float:
        """How many times the rows of the sample all rows are; 1 without a sample."""
        return self.sample.all_rows / sum(self.rows) if self.sample else 1.0

    @property
    def searched_on(self) -> str:
        """`5 % of the users: 51,383 of 1,000,209 rows`; empty without a sample."""
        if self.sample is None:
            return ""
        return f"{self.sample.in_words}: {sum(self.rows):,} of {self.sample.all_rows:,} rows"
