"""Cells: what every arm reaches in every scenario and task, and what it gains over the reference arm."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.compare import (
    CellDifference,
    ReferenceGains,
    Split,
    Verdict,
    against_reference,
    by_seed,
    cell_by_seed,
    cells_of,
    measure,
    missing,
    summary,
    title,
    values_by,
    verdict,
)
from hinet_search.records import ArmRecord, FinalistRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import ForestRow, forest, marked
from hinet_search.report.markup import details, head, join, note, row, scroll, table, tag

ORDER = 20
NO_BREAK = "\u00a0"  # a space that no line breaks at: a phone has little room
TINT_STEPS = (0.002, 0.005, 0.01)  # gains at which a decided cell gets its second, third and fourth tint

Entry = tuple[ArmRecord, FinalistRecord]


def build(record: StudyRecord) -> Card:
    """Differences by cell, values by cell, gains over the reference."""
    entries = reading.finalists(record)
    if not entries:
        raise NotApplicable("needs finalists; the launch command trains them once the trials are done")
    opened = any(run.test_cells is not None for _, finalist in entries for run in finalist.runs)
    split: Split = "test" if opened else "valid"
    outcome = verdict(record)
    counts = [len(finalist.runs) for _, finalist in entries]
    seeds = f"mean over {numbers.seeds(counts)}" if max(counts) > 1 else "1 seed"
    where = "On test" if opened else "On validation, as test is not opened yet"
    lead = f"{where}, {seeds} of each arm's chosen finalist."
    body = [_differences(record, outcome), _gains(record), _values(record, entries, split)]
    return Card("cells", "By cell", _heading(outcome), lead, join(body))


def _heading(outcome: Verdict) -> str:
    if not outcome.cells or outcome.focus is None or outcome.rival is None or outcome.status == "observation":
        return "What does every arm reach in each cell?"
    better, worse, total = outcome.count("better"), outcome.count("worse"), len(outcome.cells)
    names = title(outcome.focus), title(outcome.rival)
    if not better and not worse:
        return f"No cell separates {names[0]} from {names[1]} at this number of seeds"
    return f"{names[0]} is better than {names[1]} in {better} of {numbers.plural(total, 'cell')} and worse in {worse or 'none'}"


def _differences(record: StudyRecord, outcome: Verdict) -> Markup:
    if not outcome.cells:
        return Markup("")
    rows = [_forest_row(record, cell) for cell in outcome.cells]
    focus, rival = title(outcome.focus or ""), title(outcome.rival or "")
    what = f"Gain of {focus} over {rival} in {measure(record).name} per cell"
    counted = next(one.counted for one in outcome.contrasts if one.arm == outcome.rival)
    legend = f"{what}, {_how_sure(outcome.cells, counted)}"
    return join([forest(rows, "Scenario · task", f"Gain over {rival}"), note(legend)])


def _how_sure(cells: Sequence[CellDifference], counted: str) -> str:
    """What stands behind the intervals: seeds and users, and how many intervals hold at once."""
    intervals = sum(cell.difference is not None and cell.difference.low is not None for cell in cells)
    if not intervals:
        return "without an interval."
    at_once = "The 95 % intervals hold for all cells at once, so a filled mark needs no further correction."
    alone = "Line: 95 % interval."
    return f"difference of the means over seeds ({counted}). {at_once if intervals > 1 else alone}"


def _forest_row(record: StudyRecord, cell: CellDifference) -> ForestRow:
    remark = f"{numbers.compact(_count(record, cell.scenario, cell.task)[0])} rows".replace(" ", NO_BREAK)
    words = reading.cell_in_words(cell.scenario, cell.task)
    reason = cell.reason if cell.difference else f"{cell.reason} in {words}"
    return ForestRow(words, remark, cell.difference, reason)


def _count(record: StudyRecord, scenario: str, task: str) -> tuple[int, int]:
    """Rows and positives of a cell in test."""
    found = [cell for cell in record.data.cells if (cell.scenario, cell.task) == (scenario, task)]
    return (found[0].rows[2], found[0].positives[2]) if found else (0, 0)


def _values(record: StudyRecord, entries: Sequence[Entry], split: Split) -> Markup:
    name, reachable = measure(record).name, _reachable(record) if split == "test" else {}
    rows = [
        row(
            f"{words} AUC",
            *(_mean(by_seed(finalist, split, of), "no value") for _, finalist in entries),
            *([""] if reachable else []),
            class_="all",
        )
        for words, of in (("Macro", values_by("macro_auc")), ("Row-weighted", values_by("weighted_auc")))
    ]
    rows += [
        row(
            _cell_name(record, *cell),
            *(_cell_value(record, finalist, split, cell) for _, finalist in entries),
            *([numbers.metric(reachable.get(cell))] if reachable else []),
        )
        for cell in cells_of(record)
    ]
    arms = reading.arm_titles([arm for arm, _ in entries])
    matrix = table(head("Scenario · task", *arms, *(["Reachable"] if reachable else [])), rows, class_="mat")
    lower = "" if measure(record).maximize else f" Lower {name} is better."
    known = " Reachable: what the rule that made these data would score." if reachable else ""
    several = any(len(finalist.runs) > 1 for _, finalist in entries)
    deviation = ", with the standard deviation over seeds below it" if several else ""
    explained = f"{reading.capitalized(name)} of each cell{deviation}.{lower}{known}"
    words = "Test" if split == "test" else "Validation"
    content = join([note(explained), scroll("Values by cell", matrix)])
    return details(f"{words} {name} of all arms in all cells", content, on_paper=True)


def _reachable(record: StudyRecord) -> dict[tuple[str, str], float]:
    """The AUC that the truth itself reaches on test, known for made-up data only."""
    if measure(record).name != "AUC":
        return {}
    cells = record.data.cells
    return {(cell.scenario, cell.task): cell.reachable_auc for cell in cells if cell.reachable_auc is not None}


def _cell_name(record: StudyRecord, scenario: str, task: str) -> Markup:
    rows, positives = _count(record, scenario, task)
    counted = f"{numbers.compact(rows)} rows, {numbers.compact(positives)} positive"
    return join([reading.cell_in_words(scenario, task), " ", tag("small", counted)])


def _cell_value(record: StudyRecord, finalist: FinalistRecord, split: Split, cell: tuple[str, str]) -> Markup:
    values = cell_by_seed(record, finalist, split, cell)
    return _mean(
        values, f"{missing(finalist, cell) if split == 'test' else 'no value'} in {reading.cell_in_words(*cell)}"
    )


def _mean(values: dict[int, float], otherwise: str) -> Markup:
    found = summary(list(values.values()))
    if found is None:
        return tag("td", tag("small", otherwise))
    return tag("td", numbers.metric(found.mean), tag("small", numbers.spread(found.deviation)))


def _gains(record: StudyRecord) -> Markup:
    reference = title(record.reference)
    found = [
        (arm, gains) for arm, _ in reading.finalists(record) if (gains := against_reference(record, arm)) is not None
    ]
    known = [(arm, gains) for arm, gains in found if gains.smallest is not None]
    if not known:
        return note(f"Gains over {reference} need an arm of that name that was opened on test.")
    rows = [
        row(reading.cell_in_words(scenario, task), *(_tinted(gains.cells[index]) for _, gains in known))
        for index, (scenario, task) in enumerate(cells_of(record))
    ]
    matrix = table(head("Scenario · task", *reading.arm_titles([arm for arm, _ in known])), rows, class_="mat tint")
    explained = note(
        f"▲ better, ▼ worse, ≈ not decided{_how_decided([gains for _, gains in known])}; a stronger tint is a larger gain, "
        "and ≈ has the weakest tint only."
    )
    return join([tag("h3", f"Gain of every arm over {reference}"), scroll(f"Gain over {reference}", matrix), explained])


def _how_decided(found: Sequence[ReferenceGains]) -> str:
    differences = [cell.difference for gains in found for cell in gains.cells]
    if all(difference is None or difference.low is None for difference in differences):
        return " by one seed"
    return " (intervals hold for all cells of an arm at once)" if len(found[0].cells) > 1 else ""


def _tinted(cell: CellDifference) -> Markup:
    found = cell.difference
    if found is None:
        return tag("td", tag("small", cell.reason))
    step = 1 if found.mark == "unclear" else 1 + sum(abs(found.mean) >= size for size in TINT_STEPS)
    class_ = f"{'p' if found.mean > 0 else 'q'}{step}" if round(found.mean, 4) else ""
    return tag("td", marked(found), class_=class_)
