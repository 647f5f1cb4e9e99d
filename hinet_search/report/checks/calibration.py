"""Calibration: whether scores of the focus arm can be read as probabilities, or as amounts."""

from collections.abc import Sequence

from hinet_search.report import numbers, record_facts
from hinet_search.report.amounts import wording
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.data_record import DataRecord
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.simultaneous import LEVEL, holm
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 140
OFF = 1.2  # predicted positives (or amounts) per actual one, or the inverse


def check(record: StudyRecord) -> Finding | None:
    """Warn of cells in which the focus, with the seed that is exported, is off on test."""
    focus = record_facts.focus_of(record)
    finalist = chosen(focus)
    if focus is None or finalist is None:
        return None
    best = max if record.maximize else min
    run = best(finalist.runs, key=lambda run: run.valid_objective)
    return judged(f"{title(focus.name)} (best seed)", run.test_cells or (), record.data)


def judged(name: str, cells: Sequence[CellValue], data: DataRecord) -> Finding | None:
    """Judge the cells of a model with enough positives; None without one.

    A cell is not calibrated if its predictions add up to a fifth too much or too little and chance
    among users does not explain it, by Holm's procedure over the cells.
    """
    words = wording(data)
    few = record_facts.FEW_POSITIVES
    known = [cell for cell in cells if cell.calibration and cell.positives >= few]
    if not known:
        return None
    steps = holm([1.0 if cell.chance is None else cell.chance for cell in known])
    num_apart = 0
    off: list[tuple[float, str]] = []
    for cell, step in zip(known, steps, strict=True):
        ratio = cell.calibration or 1.0
        factor = max(ratio, 1 / ratio)
        num_apart += factor > OFF
        if factor > OFF and step.p_holm <= LEVEL:
            predicted = f"{numbers.metric(ratio)} {words.calibration}"
            off.append((factor, f"{record_facts.cell_in_words(cell.name)}: {predicted}."))
    where = f"the {numbers.plural(len(known), 'cell')} with at least {few} {words.positives}"
    within = f"predictions add up to the {words.sums} within {numbers.percent(OFF - 1)}"
    if off:
        return warning(
            f"{name} is not calibrated in {len(off)} of {where}.",
            [detail for _, detail in sorted(off, reverse=True)],
            remedy="The ranking of rows is not affected. "
            f"Rescale the scores of these cells before using them as {words.scores}.",
        )
    if num_apart:
        within = f"{within} in {len(known) - num_apart} of {where}"
        return passed(f"{name}: {within}; chance among users may explain the others.")
    return passed(f"{name} is calibrated in {where}: {within}.")
