"""Cells: the values of every arm by scenario and task, and its gains over the reference arm."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report.card import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import ForestRow, forest, marked
from hinet_search.report.drawing.html import details, head, join, note, row, scroll, table, tag
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.amounts import size_in_words
from hinet_search.report.text.amount_errors import errors_of_amounts
from hinet_search.results.cell_gains import CellDifference, ReferenceGains, against_reference
from hinet_search.results.cells import absent_cells
from hinet_search.results.data_record import CellCount
from hinet_search.results.finalist_values import (
    Split,
    by_seed,
    cell_by_seed,
    cells_of,
    measure,
    missing,
    values_by,
)
from hinet_search.results.objectives import metric_of
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.statistics.paired_difference import summary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title, verdict

ORDER = 20
NO_BREAK = "\u00a0"  # a non-breaking space, for narrow screens
TINT_STEPS = (
    0.002,
    0.005,
    0.01,
)  # gains from which a significant cell has tint 2, 3 and 4

CostEntry = tuple[ArmRecord, FinalistRecord]


def build(record: StudyRecord) -> Card:
    """Build the differences by cell, the gains over the reference and the values by cell."""
    entries = record_facts.finalists(record)
    if not entries:
        raise NotApplicable(NEEDS_FINALISTS)
    opened = any(run.test_cells is not None for _, finalist in entries for run in finalist.runs)
    split: Split = "test" if opened else "valid"
    outcome = verdict(record)
    counts = [len(finalist.runs) for _, finalist in entries]
    seeds = f"mean over {numbers.seeds(counts)}" if max(counts) > 1 else "1 seed"
    where = "On test" if opened else "On validation, as the test split has not been used yet"
    lead = f"{where}, {seeds} of each arm's chosen finalist."
    if absent := record_facts.absent_in_words(absent_cells(record.data)):
        lead += f" {absent}"
    body = [
        _differences(record, outcome),
        _gains(record),
        errors_of_amounts(record, entries, split),
        _values(record, entries, split),
    ]
    return Card("cells", "By cell", _heading(outcome), lead, join(body))


def _heading(outcome: Verdict) -> str:
    if (
        not outcome.cells
        or outcome.focus is None
        or outcome.rival is None
        or outcome.status == "observation"
    ):
        return "Results by cell"
    better = outcome.count("better")
    worse = outcome.count("worse")
    total = len(outcome.cells)
    names = title(outcome.focus), title(outcome.rival)
    if not better and not worse:
        return f"No cell shows a significant difference between {names[0]} and {names[1]}"
    of = f"{better} of {numbers.plural(total, 'cell')}"
    return f"{names[0]} is better than {names[1]} in {of} and worse in {worse or 'none'}"


def _differences(record: StudyRecord, outcome: Verdict) -> Markup:
    if not outcome.cells:
        return Markup("")
    rows = [_forest_row(record, cell) for cell in outcome.cells]
    focus = title(outcome.focus or "")
    rival = title(outcome.rival or "")
    what = f"Gain of {focus} over {rival} in {measure(record).words} per cell"
    contrast = next(other for other in outcome.contrasts if other.arm == outcome.rival)
    legend = f"{what}, {_how_sure(outcome, contrast.counted)}"
    return join([forest(rows, "Scenario · task", f"Gain over {rival}"), note(legend)])


def _how_sure(outcome: Verdict, counted: str) -> str:
    """Say what the intervals are based on, and whether they hold for all cells at once."""
    intervals = sum(
        cell.difference is not None and cell.difference.low is not None for cell in outcome.cells
    )
    if not intervals:
        return "without an interval."
    if outcome.status == "observation":
        lacks = outcome.difference.lacks if outcome.difference else ""
        explained = f"Dotted: observations, not claims ({lacks})."
    elif intervals > 1:
        explained = (
            "The 95 % intervals hold for all cells at once: "
            "a filled mark needs no further correction."
        )
    else:
        explained = "Line: 95 % interval."
    return f"difference of the means over seeds ({counted}). {explained}"


def _forest_row(record: StudyRecord, cell: CellDifference) -> ForestRow:
    counted = _count(record, cell.scenario, cell.task)
    remark = f"{numbers.compact(counted.rows[2])} rows".replace(" ", NO_BREAK)
    words = record_facts.cell_in_words(cell.scenario, cell.task)
    reason = cell.reason if cell.difference else f"{cell.reason} in {words}"
    return ForestRow(words, remark, cell.difference, reason)


def _count(record: StudyRecord, scenario: str, task: str) -> CellCount:
    """Return the rows and positives of a cell; none if the data do not count it."""
    for cell in record.data.cells:
        if (cell.scenario, cell.task) == (scenario, task):
            return cell
    return CellCount(scenario, task, (0, 0, 0), (0, 0, 0))


def _values(record: StudyRecord, entries: Sequence[CostEntry], split: Split) -> Markup:
    """Return the table of every arm's value in every cell, with averages above."""
    name = measure(record).words
    reachable = _reachable(record) if split == "test" else {}
    several = record_facts.has_several_seeds(record)
    explained = f"{record_facts.capitalized(name)} of each cell"
    if several:
        explained += ", with the standard deviation over seeds below it"
    explained += "."
    if not measure(record).maximize:
        explained += f" Lower {name} is better."
    if reachable:
        explained += " Reachable: the AUC of the rule that generated these data."
    columns = record_facts.arm_titles([arm for arm, _ in entries])
    columns += ["Reachable"] if reachable else []
    finalists = [finalist for _, finalist in entries]
    rows = _averages(finalists, split, has_reachable=bool(reachable))
    for cell in cells_of(record):
        values = [_cell_value(record, finalist, split, cell) for finalist in finalists]
        limit = [numbers.metric(reachable.get(cell))] if reachable else []
        rows.append(row(_cell_name(record, *cell), *values, *limit))
    matrix = table(head("Scenario · task", *columns), rows, class_="mat")
    content = join([note(explained), scroll("Values by cell", matrix)])
    of_split = "Test" if split == "test" else "Validation"
    return details(f"{of_split} {name} of all arms in all cells", content, on_paper=True)


def _averages(
    finalists: Sequence[FinalistRecord], split: Split, *, has_reachable: bool
) -> list[Markup]:
    """Return the rows of averages over cells."""
    rows = []
    for words, metric in (("Macro", "macro_auc"), ("Row-weighted", "weighted_auc")):
        value_of = values_by(metric)
        means = [_mean(by_seed(finalist, split, value_of), "no value") for finalist in finalists]
        rows.append(row(f"{words} AUC", *means, *([""] if has_reachable else []), class_="all"))
    return rows


def _reachable(record: StudyRecord) -> dict[tuple[str, str], float]:
    """Return the test AUC of the true probabilities by cell, known for synthetic data only."""
    if metric_of(record.objective) != "auc":
        return {}
    cells = record.data.cells
    return {
        (cell.scenario, cell.task): cell.reachable_auc
        for cell in cells
        if cell.reachable_auc is not None
    }


def _cell_name(record: StudyRecord, scenario: str, task: str) -> Markup:
    counted = size_in_words(_count(record, scenario, task))
    return join([record_facts.cell_in_words(scenario, task), " ", tag("small", counted)])


def _cell_value(
    record: StudyRecord, finalist: FinalistRecord, split: Split, cell: tuple[str, str]
) -> Markup:
    values = cell_by_seed(record, finalist, split, cell)
    reason = missing(record, finalist, cell) if split == "test" else "no value"
    return _mean(values, f"{reason} in {record_facts.cell_in_words(*cell)}")


def _mean(values: dict[int, float], otherwise: str) -> Markup:
    reached = summary(list(values.values()))
    if reached is None:
        return tag("td", tag("small", otherwise))
    return tag("td", numbers.metric(reached.mean), tag("small", numbers.spread(reached.deviation)))


def _gains(record: StudyRecord) -> Markup:
    """Return the table of gains over the reference arm, by cell and arm."""
    reference = title(record.reference)
    arms: list[ArmRecord] = []
    columns: list[ReferenceGains] = []
    for arm, _ in record_facts.finalists(record):
        gains = against_reference(record, arm)
        if gains is not None and gains.smallest is not None:
            arms.append(arm)
            columns.append(gains)
    if not columns:
        return note(f"Gains over {reference} need an arm of that name, evaluated on test.")
    rows = []
    for index, cell in enumerate(cells_of(record)):
        tinted = [_tinted(gains.cells[index]) for gains in columns]
        rows.append(row(record_facts.cell_in_words(*cell), *tinted))
    matrix = table(head("Scenario · task", *record_facts.arm_titles(arms)), rows, class_="mat tint")
    marks = f"▲ better, ▼ worse, {_undecided(columns)}{_observed(columns)}."
    tints = (
        "A stronger tint is a larger gain; cells without a significant one have the weakest tint."
    )
    return join(
        [
            tag("h3", f"Gain of every arm over {reference}"),
            scroll(f"Gain over {reference}", matrix),
            note(f"{marks} {tints}"),
        ]
    )


def _undecided(columns: Sequence[ReferenceGains]) -> str:
    """Explain the mark ≈ of the table of gains."""
    differences = [cell.difference for gains in columns for cell in gains.cells]
    if all(difference is None or difference.low is None for difference in differences):
        return "≈ one seed, no interval"
    at_once = " (intervals hold for all cells of an arm at once)"
    return f"≈ no significant difference{at_once if len(columns[0].cells) > 1 else ''}"


def _observed(columns: Sequence[ReferenceGains]) -> str:
    """Explain the mark ○ of the table of gains, if it occurs."""
    differences = [cell.difference for gains in columns for cell in gains.cells]
    reasons = dict.fromkeys(
        difference.lacks
        for difference in differences
        if difference is not None and difference.mark == "observation"
    )
    return f", ○ an observation, not a claim ({'; '.join(reasons)})" if reasons else ""


def _tinted(cell: CellDifference) -> Markup:
    difference = cell.difference
    if difference is None:
        return tag("td", tag("small", cell.reason))
    step = 1
    if difference.mark in ("better", "worse"):
        step += sum(abs(difference.mean) >= size for size in TINT_STEPS)
    class_ = ""
    if round(difference.mean, 4):
        class_ = f"{'p' if difference.mean > 0 else 'q'}{step}"
    return tag("td", marked(difference), class_=class_)
