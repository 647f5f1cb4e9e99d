"""Drift card: a comparison of new rows with training rows, in lines and as Markdown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from hinet_search.common.amounts import percent
from hinet_search.report.drawing.numbers import compact
from hinet_search.report.text.untrusted import plain, table
from hinet_search.serving.drift import (
    CellOfNewRows,
    ChangedShare,
    Drift,
    InputDrift,
)

T = TypeVar("T", ChangedShare, InputDrift, CellOfNewRows)

MAX_NAMED = 5  # in one line
MAX_ROWS = 30  # of the table of inputs


@dataclass(frozen=True)
class DriftLine:
    """One line of the summary: what it is about, and whether it is notable.

    What is notable `may_be_chance` where rows are taken as independent, and may not be.
    """

    about: str
    text: str
    is_notable: bool
    may_be_chance: bool = False

    @property
    def mark(self) -> str:
        """`ok`, `!!`, or `??` for what chance may explain."""
        if not self.is_notable:
            return "ok"
        return "??" if self.may_be_chance else "!!"


def drift_lines(drift: Drift) -> Iterator[DriftLine]:
    """Summarise a drift: scenarios, ids, inputs, far numbers, and labels if there are any."""
    may_be_chance = drift.independent == "rows"
    for line in _lines(drift):
        yield replace(line, may_be_chance=line.is_notable and may_be_chance)
    if may_be_chance:
        text = "taken as independent, as no user is known: what is marked may be chance"
        yield DriftLine("rows", text, is_notable=False)


def _lines(drift: Drift) -> Iterator[DriftLine]:
    otherwise = "no other shares than in training shown"
    yield _line("scenarios", drift.scenarios, _share_in_words, otherwise)
    otherwise = "no fewer embeddings than on validation shown"
    yield _line("ids", drift.without_id, _share_in_words, otherwise)
    otherwise = "no other distributions than in training shown"
    yield _line("inputs", _by_distance(drift), _input_in_words, otherwise)
    if drift.far:
        otherwise = "no more than few are far from those of training"
        yield _line("numbers", drift.far, _far_in_words, otherwise)
    binary, of_amounts = _by_kind(drift)
    if binary:
        otherwise = f"no other number than predicted shown{_unjudged(binary)}"
        yield _line("labels", binary, _cell_in_words, otherwise)
    if of_amounts:
        otherwise = f"no other sum than predicted shown{_unjudged(of_amounts)}"
        yield _line("amounts", of_amounts, _amounts_in_words, otherwise)
    if drift.unlabelled:
        names = ", ".join(drift.unlabelled)
        yield DriftLine("labels", f"no row has one of {names}", is_notable=False)


def _unjudged(cells: Sequence[CellOfNewRows]) -> str:
    """Say how many cells are not judged."""
    num_unjudged = sum(cell.chance is None for cell in cells)
    if not num_unjudged:
        return ""
    return f"; {num_unjudged} of {len(cells)} cells not judged: too few users"


def _by_distance(drift: Drift) -> list[InputDrift]:
    return sorted(drift.inputs, key=lambda each: -each.distance)


def _line(
    about: str, compared: Sequence[T], in_words: Callable[[T], str], otherwise: str
) -> DriftLine:
    notable = [in_words(each) for each in compared if each.is_notable]
    if not notable:
        return DriftLine(about, otherwise, is_notable=False)
    more = f"; and {len(notable) - MAX_NAMED} more" if len(notable) > MAX_NAMED else ""
    return DriftLine(about, f"{'; '.join(notable[:MAX_NAMED])}{more}", is_notable=True)


def rows_in_words(drift: Drift) -> str:
    """`500 rows (users: as 74 of equal activity)`, or `500 rows` where no user is known."""
    if drift.independent == "rows":
        return f"{drift.rows:,} rows"
    return f"{drift.rows:,} rows (users: as {drift.users:,.0f} of equal activity)"


def _share_in_words(share: ChangedShare) -> str:
    return f"{share.name} {percent(share.now)}, was {percent(share.before)}"


def _input_in_words(drift: InputDrift) -> str:
    return f"{drift.name} {_short(drift.distance)} from training"


def _far_in_words(share: ChangedShare) -> str:
    return f"{share.name} {percent(share.now)} far from those of training"


def _cell_in_words(cell: CellOfNewRows) -> str:
    return f"{_name(cell)} {cell.positives:,} positives, {cell.predicted:,.0f} predicted"


def _amounts_in_words(cell: CellOfNewRows) -> str:
    observed = compact(cell.observed)
    predicted = compact(cell.predicted)
    return f"{_name(cell)} {observed} in all, {predicted} predicted"


def _by_kind(drift: Drift) -> tuple[list[CellOfNewRows], list[CellOfNewRows]]:
    """The cells whose labels are 0 and 1, and those of amounts."""
    binary = [cell for cell in drift.cells if cell.total is None]
    return binary, [cell for cell in drift.cells if cell.total is not None]


def drift_card(drift: Drift) -> str:
    """The comparison as Markdown; numbers of inputs are in units after encoding."""
    return "\n".join(_card(drift)) + "\n"


def _card(drift: Drift) -> Iterator[str]:
    yield f"# Drift: {plain(drift.model)}"
    yield ""
    compared = f"compared with {drift.training_rows:,} rows of training"
    yield f"{rows_in_words(drift).replace(' rows', ' new rows', 1)}, {compared}."
    yield ""
    for line in drift_lines(drift):
        text = f"{plain(line.about)}: {plain(line.text)}"
        text = f"**{text}**" if line.is_notable else text
        yield f"- {text}, which may be chance" if line.may_be_chance else f"- {text}"
    shares = ["", "training", "new rows"]
    yield from table("Scenarios", shares, map(_share_row, drift.scenarios))
    if drift.without_id:
        head = ["", "validation", "new rows"]
        yield from table("Rows with a value without an id", head, map(_share_row, drift.without_id))
    if drift.inputs:
        farthest = _by_distance(drift)[:MAX_ROWS]
        head = ["", "distance of distributions", "far from those of training"]
        far = {share.name: share.now for share in drift.far}
        rows = ((each.name, _short(each.distance), percent(far[each.name])) for each in farthest)
        yield from table("Numeric inputs", head, rows)
    binary, of_amounts = _by_kind(drift)
    if binary:
        head = ["", "rows", "positives", "predicted", "AUC"]
        yield from table("Labels", head, map(_cell_row, binary))
    if of_amounts:
        head = ["", "rows", "above 0", "sum", "predicted", "AUC"]
        yield from table("Amounts", head, map(_amounts_row, of_amounts))


def _share_row(share: ChangedShare) -> tuple[str, ...]:
    return share.name, percent(share.before), percent(share.now)


def _cell_row(cell: CellOfNewRows) -> tuple[str, ...]:
    auc = "one class" if cell.auc is None else f"{cell.auc:.4f}".lstrip("0")
    counts = (f"{cell.rows:,}", f"{cell.positives:,}", f"{cell.predicted:,.0f}")
    return (_name(cell), *counts, auc)


def _amounts_row(cell: CellOfNewRows) -> tuple[str, ...]:
    auc = "all are equal" if cell.auc is None else f"{cell.auc:.4f}".lstrip("0")
    counts = (f"{cell.rows:,}", f"{cell.positives:,}")
    return (_name(cell), *counts, compact(cell.observed), compact(cell.predicted), auc)


def _name(cell: CellOfNewRows) -> str:
    return f"{cell.scenario} · {cell.task}"


def _short(number: float) -> str:
    return f"{number:.2f}".lstrip("0")
