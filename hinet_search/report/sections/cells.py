"""Cells: the values of every arm by scenario and task, and gains of the focus over its rival."""

from collections.abc import Collection, Sequence
from statistics import fmean

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.amounts import errors_of_amounts, size_in_words
from hinet_search.report.comparisons import OF_SEEDS
from hinet_search.report.figures import ForestRow, forest
from hinet_search.report.sections import NEEDS_FINALISTS, Card, NotApplicable
from hinet_search.results.cells import absent_cells
from hinet_search.results.finalist_values import (
    Split,
    by_seed,
    cell_by_seed,
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


def build(record: StudyRecord) -> Card:
    """Build the differences by cell and the values by cell."""
    entries = record_facts.finalists(record)
    if not entries:
        raise NotApplicable(NEEDS_FINALISTS)
    opened = any(finalist.is_opened for _, finalist in entries)
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
        errors_of_amounts(record, entries, split),
        _values(record, entries, split),
    ]
    return Card("cells", "By cell", _heading(outcome), lead, html.join(body))


def _heading(outcome: Verdict) -> str:
    if not outcome.cells or outcome.status == "observation":
        return "Results by cell"
    better = outcome.count("better")
    worse = outcome.count("worse")
    focus = title(outcome.focus or "")
    rival = title(outcome.rival or "")
    if not better and not worse:
        return f"No cell shows a significant difference between this {focus} and {rival}"
    of = f"{better} of {numbers.plural(len(outcome.cells), 'cell')}"
    return f"This {focus} is better than {rival} in {of} and worse in {worse or 'none'}"


def _differences(record: StudyRecord, outcome: Verdict) -> Markup:
    if not outcome.cells:
        return Markup("")
    rows = []
    for cell, counted in zip(outcome.cells, record.data.cells, strict=True):
        words = record_facts.cell_in_words(cell.name)
        remark = f"{numbers.compact(counted.rows[2])} rows".replace(" ", NO_BREAK)
        reason = cell.reason if cell.difference else f"{cell.reason} in {words}"
        rows.append(ForestRow(words, remark, cell.difference, reason))
    focus = title(outcome.focus or "")
    rival = title(outcome.rival or "")
    what = f"Gain of {focus} over {rival} in {measure(record).words} per cell"
    contrast = next(other for other in outcome.contrasts if other.arm == outcome.rival)
    legend = html.note(f"{what}, {_how_sure(outcome, contrast.counted)}")
    return html.join([forest(rows, "Scenario · task", f"Gain over {rival}"), legend])


def _how_sure(outcome: Verdict, counted: str) -> str:
    """Say what the intervals are based on, and whether they hold for all cells at once."""
    differences = [cell.difference for cell in outcome.cells if cell.difference]
    num_intervals = sum(difference.low is not None for difference in differences)
    if not num_intervals:
        return "without an interval."
    explained = "Line: 95 % interval."
    if outcome.status == "observation":
        lacks = outcome.difference.lacks if outcome.difference else ""
        explained = f"Dotted: observations, not claims ({lacks})."
        if all(difference.by_seed for difference in differences):
            explained = f"{OF_SEEDS} ({lacks})."
    elif num_intervals > 1:
        explained = (
            "The 95 % intervals hold for all cells at once: "
            "a filled mark needs no further correction."
        )
    return f"difference of the means over seeds ({counted}). {explained}"


def _values(
    record: StudyRecord, entries: Sequence[tuple[ArmRecord, FinalistRecord]], split: Split
) -> Markup:
    """Return the table of every arm's value in every cell, with averages above."""
    name = measure(record).words
    # The AUC of the true probabilities is known for synthetic data only.
    is_known = any(cell.reachable_auc is not None for cell in record.data.cells)
    has_reachable = split == "test" and is_known and metric_of(record.objective) == "auc"
    titles = record_facts.arm_titles(arm for arm, _ in entries)
    explained = _explained(record)
    if has_reachable:
        explained += " Reachable: the AUC of the rule that generated these data."
        titles.append("Reachable")
    written = _auc if metric_of(record.objective) == "auc" else _mean
    rows = []
    for words, metric in (("Macro AUC", "macro_auc"), ("Row-weighted AUC", "weighted_auc")):
        value = values_by(metric)
        means = [_auc(by_seed(each, split, value).values(), "no value") for _, each in entries]
        means += [html.number("")] * has_reachable
        rows.append(html.row(words, html.join(means), class_="all"))
    for counted in record.data.cells:
        words = record_facts.cell_in_words(counted.name)
        values = []
        for _, finalist in entries:
            by_seed_of_cell = cell_by_seed(record, finalist, split, counted.name).values()
            reason = missing(record, finalist, counted.name) if split == "test" else "no value"
            values.append(written(by_seed_of_cell, f"{reason} in {words}"))
        values += [html.number(numbers.metric(counted.reachable_auc))] * has_reachable
        rows.append(html.row(html.remarked(words, size_in_words(counted)), html.join(values)))
    header = html.head("Scenario · task", html.columns(titles))
    matrix = html.table("Values by cell", header, rows, class_="mat")
    content = html.join([html.note(explained), matrix])
    of_split = "Test" if split == "test" else "Validation"
    return html.details(f"{of_split} {name} of all arms in all cells", content, on_paper=True)


def _explained(record: StudyRecord) -> str:
    name = measure(record).words
    explained = f"{record_facts.capitalized(name)} of each cell"
    if record_facts.has_several_seeds(record):
        explained += ", with the standard deviation over seeds below it"
    if not measure(record).maximize:
        explained += f". Lower {name} is better"
    return f"{explained}. Bars of AUC begin at 0.5, the AUC of chance, and end at 1."


def _mean(values: Collection[float], otherwise: str, style: str = "") -> Markup:
    reached = summary(values)
    if reached is None:
        return html.tag("td", html.tag("small", otherwise))
    spread = html.tag("small", numbers.spread(reached.deviation))
    return html.tag("td", numbers.metric(reached.mean), spread, style=style)


def _auc(values: Collection[float], otherwise: str) -> Markup:
    """Return a cell as `_mean` does, with a bar of the mean behind it."""
    share = max(0.0, 2 * fmean(values) - 1) if values else 0.0
    return _mean(values, otherwise, f"--b:{100 * share:.0f}")
