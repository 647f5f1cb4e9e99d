"""Calibration: whether scores of the focus arm can be read as probabilities, or as amounts."""

from statistics import fmean

from hinet_search.report import numbers, record_facts
from hinet_search.report.amounts import wording
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 140
OFF = 1.2  # predicted positives (or amounts) per actual one, or the inverse


def check(record: StudyRecord) -> Finding | None:
    """Warn of cells with enough positives whose predictions sum to a fifth too much or little."""
    focus = record_facts.focus_of(record)
    finalist = chosen(focus)
    ratios = _ratios(finalist) if finalist else {}
    if focus is None or not ratios:
        return None
    off = {cell: ratio for cell, ratio in ratios.items() if not 1 / OFF <= ratio <= OFF}
    furthest = sorted(off, key=lambda cell: max(off[cell], 1 / off[cell]), reverse=True)
    name = title(focus.name)
    words = wording(record.data)
    few = f"at least {record_facts.FEW_POSITIVES} {words.positives}"
    judged = f"the {numbers.plural(len(ratios), 'cell')} with {few}"
    if not off:
        within = f"predictions add up to the {words.sums} within {numbers.percent(OFF - 1)}"
        return passed(f"{name} is calibrated in {judged}: {within}.")
    return warning(
        f"{name} is not calibrated in {len(off)} of {judged}.",
        [f"{cell}: {numbers.metric(off[cell])} {words.calibration}." for cell in furthest],
        remedy="The ranking of rows is not affected. "
        f"Rescale the scores of these cells before using them as {words.scores}.",
    )


def _ratios(finalist: FinalistRecord) -> dict[str, float]:
    """Return the mean ratio over seeds of every cell with enough positives."""
    by_cell: dict[str, list[float]] = {}
    for run in finalist.runs:
        for cell in run.test_cells or run.valid_cells:
            if cell.calibration is not None and cell.positives >= record_facts.FEW_POSITIVES:
                name = record_facts.cell_in_words(cell.name)
                by_cell.setdefault(name, []).append(cell.calibration)
    return {name: fmean(ratios) for name, ratios in by_cell.items() if fmean(ratios) > 0}
