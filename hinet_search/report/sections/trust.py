"""Trust: the checks of the study, warnings first, then those that passed."""

from markupsafe import Markup

from hinet_search.report.card import Card
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import join, prose, tag
from hinet_search.report.finding import Finding, findings
from hinet_search.results.study_record import StudyRecord

ORDER = 60


def build(record: StudyRecord) -> Card:
    """Build the list of all findings, each with an anchor named after its check."""
    lines = []
    num_warnings = 0
    for name, finding in findings(record):
        lines.append(_line(name, finding))
        num_warnings += finding.warns
    heading = "Every check passed"
    if num_warnings:
        count = numbers.spelled(num_warnings).capitalize()
        things = "thing" if num_warnings == 1 else "things"
        heading = f"{count} {things} to know before you trust this"
    lead = "Checks of this study: warnings first, with what to do and where to read more."
    return Card("trust", "Trust", heading, lead, tag("ul", *lines, class_="chk"))


def _line(name: str, finding: Finding) -> Markup:
    anchor = f"trust-{name.replace('_', '-')}"
    if not finding.warns:
        return tag("li", finding.subject, id=anchor)
    page = tag("small", f"docs/failures.md#{name.replace('_', '-')}")
    remedy = tag("span", prose(finding.remedy), " ", page, class_="remedy")
    content = [tag("b", finding.subject), " ", _details(finding.details), remedy]
    return tag("li", *content, class_="warn", id=anchor)


def _details(details: tuple[str, ...]) -> Markup:
    """Put a single detail into the line, several into a list."""
    if len(details) < 2:
        return join(f"{detail} " for detail in details)
    return tag("ul", *(tag("li", detail) for detail in details))
