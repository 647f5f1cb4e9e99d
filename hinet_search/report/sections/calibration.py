"""Calibration: errors of the probabilities of what is shipped, before and after calibration."""

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.amounts import has_amounts
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.report.shipping import calibration_of_shipped
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 22
KINDS = {"platt": "Platt scaling", "isotonic": "isotonic regression"}
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
    """Build a row per calibrated cell: the calibrator, and the errors before and after."""
    name, calibration = calibration_of_shipped(record)
    if calibration is None:
        raise NotApplicable(NEEDS)
    what = "probabilities"
    legend = f"{ECE} {EXPORT}"
    if has_amounts(record.data):
        what = "probabilities and expected amounts"
        legend = f"{ECE} {OF_AMOUNTS}{EXPORT}"
    lead = (
        f"The {what} of {title(name)}, which is to be shipped, on validation. "
        "Other cells are left as they are. After: calibrated without the rows of the same users. "
        "Order and AUC of a cell stay."
    )
    rows = []
    for cell in calibration.cells:
        if cell.calibrator.kind != "none":
            errors = (cell.logloss_before, cell.logloss_after, cell.ece_before, cell.ece_after)
            kind = html.words(KINDS[cell.calibrator.kind])
            values = html.cells(map(numbers.metric, errors))
            rows.append(html.row(record_facts.cell_in_words(cell.name), kind, values))
    if not rows:
        raise NotApplicable(f"needs a cell that calibration improves; {title(name)} has none")
    titles = ("Log loss before", "after", "ECE before", "after")
    header = html.head("Cell", "Calibrator", html.columns(titles), numeric_from=2)
    scrolled = html.table("Calibrated cells", header, rows, class_="cost")
    heading = f"Calibration helps in {len(rows)} of {len(calibration.cells)} cells"
    body = html.join([scrolled, html.note(html.prose(legend))])
    return Card("calibration", "By cell", heading, lead, body, folded=True)
