"""Drift card: a comparison of new rows with training rows, in lines and as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hinet_search.common.amounts import percent
from hinet_search.report.drawing.numbers import compact
from hinet_search.report.text.untrusted import plain, table
from hinet_search.serving.monitor import CellOfNewRows, ChangedShare, Drift, InputDrift

MAX_NAMED = 5  # in one line
MAX_ROWS = 30  # of the table of inputs


@dataclass(frozen=True)
class DriftLine:
    """One line of the summary: what it is about, and whether it is notable."""

    about: str
    text: str
    is_notable: bool


def drift_lines(drift: Drift) -> Iterator[DriftLine]:
    """Summarise a drift: scenarios, values without an id, inputs, and labels if there are any."""
    yield _line(
        "scenarios",
        [_share_in_words(share) for share in drift.scenarios if share.is_notable],
        "have the shares of training",
    )
    yield _line(
        "ids",
        [_share_in_words(share) for share in drift.without_id if share.is_notable],
        "have embeddings as often as on validation",
    )
    moved = sorted(
        (each for each in drift.inputs if each.is_notable), key=lambda each: -each.distance
    )
    yield _line(
        "inputs", [_input_in_words(each) for each in moved], "have the distributions of training"
    )
    binary, of_amounts = _by_kind(drift)
    if binary:
        notable = [_cell_in_words(cell) for cell in binary if cell.is_notable]
        yield _line("labels", notable, "are as many as predicted")
    if of_amounts:
        notable = [_amounts_in_words(cell) for cell in of_amounts if cell.is_notable]
        yield _line("amounts", notable, "add up to what is predicted")
    if drift.unlabelled:
        names = ", ".join(drift.unlabelled)
        yield DriftLine("labels", f"no row has one of {names}", is_notable=False)


def _line(about: str, notable: Sequence[str], otherwise: str) -> DriftLine:
    if not notable:
        return DriftLine(about, otherwise, is_notable=False)
    more = f"; and {len(notable) - MAX_NAMED} more" if len(notable) > MAX_NAMED else ""
    return DriftLine(about, f"{'; '.join(notable[:MAX_NAMED])}{more}", is_notable=True)


def _share_in_words(share: ChangedShare) -> str:
    return f"{share.name} {percent(share.now)}, was {percent(share.before)}"


def _input_in_words(drift: InputDrift) -> str:
    beyond = f", {percent(drift.beyond)} beyond its range" if drift.beyond >= 0.01 else ""
    return f"{drift.name} {_short(drift.distance)} from training{beyond}"


def _cell_in_words(cell: CellOfNewRows) -> str:
    return f"{_name(cell)} {cell.positives:,} positives, {cell.predicted:,.0f} predicted"


def _amounts_in_words(cell: CellOfNewRows) -> str:
    observed, predicted = compact(cell.observed), compact(cell.predicted)
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
    yield f"{drift.rows:,} new rows, compared with {drift.training_rows:,} rows of training."
    yield ""
    for line in drift_lines(drift):
        text = f"{plain(line.about)}: {plain(line.text)}"
        yield f"- **{text}**" if line.is_notable else f"- {text}"
    shares = ["", "training", "new rows"]
    yield from table("Scenarios", shares, map(_share_row, drift.scenarios))
    if drift.without_id:
        head = ["", "validation", "new rows"]
        yield from table("Rows with a value without an id", head, map(_share_row, drift.without_id))
    if drift.inputs:
        farthest = sorted(drift.inputs, key=lambda each: -each.distance)[:MAX_ROWS]
        head = ["", "distance of distributions", "beyond the range of training"]
        rows = ((each.name, _short(each.distance), percent(each.beyond)) for each in farthest)
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
    counts = f"{cell.rows:,}", f"{cell.positives:,}", f"{cell.predicted:,.0f}"
    return _name(cell), *counts, auc


def _amounts_row(cell: CellOfNewRows) -> tuple[str, ...]:
    auc = "all are equal" if cell.auc is None else f"{cell.auc:.4f}".lstrip("0")
    counts = f"{cell.rows:,}", f"{cell.positives:,}"
    return _name(cell), *counts, compact(cell.observed), compact(cell.predicted), auc


def _name(cell: CellOfNewRows) -> str:
    return f"{cell.scenario} · {cell.task}"


def _short(number: float) -> str:
    return f"{number:.2f}".lstrip("0")
