"""Calibration: errors of the probabilities of what is shipped, before and after calibration."""

from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import head, join, note, prose, row, scroll, table, words
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.amounts import has_amounts
from hinet_search.results.calibration_records import Calibration, CellCalibration
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.finalist_values import chosen
from hinet_search.results.shipping import shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title, verdict

ORDER = 22
KINDS = {"none": "left as it is", "platt": "Platt scaling", "isotonic": "isotonic regression"}
NEEDS = (
    "needs the calibration of what is shipped, which is stored once a launch is done; "
    "studies of earlier versions have none"
)

ECE = (
    "ECE: expected calibration error, the mean gap between probability and share of positives over "
    "ten bins."
)
OF_AMOUNTS = (
    "Of amounts, log loss is half the Poisson deviance and ECE the mean gap between expected and "
    "actual amounts, both in units of the mean amount of training; Platt scaling is a line in the "
    "log of the expected amount. "
)
EXPORT = "`hinet-search export` writes the calibrators with the model."


def build(record: StudyRecord) -> Card:
    """Build a row per cell: the calibrator, log loss and calibration error before and after."""
    name, calibration = _of_shipped(record)
    if calibration is None:
        raise NotApplicable(NEEDS)
    what = "probabilities"
    legend = f"{ECE} {EXPORT}"
    if has_amounts(record.data):
        what = "probabilities and expected amounts"
        legend = f"{ECE} {OF_AMOUNTS}{EXPORT}"
    changed = [cell for cell in calibration.cells if cell.calibrator.kind != "none"]
    lead = (
        f"The {what} of {title(name)}, which is to be shipped, in every cell on "
        "validation. "
        "After: calibrated without the rows of the same users. Order and AUC of a cell stay."
    )
    heading = f"Calibration helps in {len(changed)} of {len(calibration.cells)} cells"
    if not changed:
        heading = "No cell is shown to need calibration"
    body = join([_table(calibration), note(prose(legend))])
    return Card("calibration", "By cell", heading, lead, body)


def _of_shipped(record: StudyRecord) -> tuple[str, Calibration | None]:
    """Return what is shipped with its calibration: of its best seed, or of the ensemble."""
    taken = shipment(record, verdict(record)).taken
    if taken is None:
        return "", None
    ensemble = record.ensemble(ENSEMBLE)
    if taken.kind == "ensemble" and ensemble is not None:
        return taken.name, ensemble.calibration
    arms = record.arms_and_students
    finalist = chosen(next(arm for arm in arms if arm.name == taken.name))
    summary = finalist.summary if finalist else None
    return taken.name, summary.calibration if summary else None


def _table(calibration: Calibration) -> Markup:
    header = head(
        "Cell",
        "Calibrator",
        "Log loss before",
        "after",
        "ECE before",
        "after",
        numeric_from=2,
    )
    rows = [
        row(
            record_facts.cell_in_words(cell.scenario, cell.task),
            words(KINDS[cell.calibrator.kind]),
            *_errors(cell),
        )
        for cell in calibration.cells
    ]
    return scroll("Calibration of every cell", table(header, rows, class_="cost"))


def _errors(cell: CellCalibration) -> Iterator[str]:
    is_changed = cell.calibrator.kind != "none"
    yield numbers.metric(cell.logloss_before)
    yield numbers.metric(cell.logloss_after) if is_changed else numbers.DASH
    yield numbers.metric(cell.ece_before)
    yield numbers.metric(cell.ece_after) if is_changed else numbers.DASH
