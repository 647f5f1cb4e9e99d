"""Calibration: whether the scores of the arm in focus can be read as probabilities."""

from statistics import fmean

from hinet_search.compare import chosen, title
from hinet_search.records import CellValue, FinalistRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 140
OFF = 1.2  # predicted positives for each that there is, or the other way round


def check(record: StudyRecord) -> Finding | None:
    """Warns of cells with enough positives whose predictions add up to a fifth too much or too little."""
    focus = reading.focus_of(record)
    finalist = chosen(focus) if focus else None
    ratios = _ratios(finalist) if finalist else {}
    if focus is None or not ratios:
        return None
    off = sorted(
        ((ratio, cell) for cell, ratio in ratios.items() if not 1 / OFF <= ratio <= OFF),
        key=lambda pair: max(pair[0], 1 / pair[0]),
        reverse=True,
    )
    name = title(focus.name)
    judged = f"the {numbers.plural(len(ratios), 'cell')} with at least {reading.FEW_POSITIVES} positives"
    if not off:
        within = f"predictions add up to the positives within {numbers.percent(OFF - 1)}"
        return passed(f"{name} is calibrated in {judged}: {within}.")
    return warning(
        f"{name} is not calibrated in {len(off)} of {judged}.",
        [f"{cell}: {numbers.metric(ratio)} predicted for each positive row." for ratio, cell in off],
        remedy="Its order of rows is not touched. Rescale the scores of these cells before they are used as probabilities.",
    )


def _ratios(finalist: FinalistRecord) -> dict[str, float]:
    """Mean ratio over seeds of every cell with enough positives."""
    found: dict[str, list[float]] = {}
    for run in finalist.runs:
        for cell in run.test_cells or run.valid_cells:
            if _counts(cell):
                found.setdefault(reading.cell_in_words(cell.scenario, cell.task), []).append(cell.calibration or 0.0)
    return {cell: fmean(ratios) for cell, ratios in found.items() if fmean(ratios) > 0}


def _counts(cell: CellValue) -> bool:
    return cell.calibration is not None and cell.positives >= reading.FEW_POSITIVES
