"""Trust: the checks of the study, warnings first, then those that passed."""

from markupsafe import Markup

from hinet_search.report.card import Card
from hinet_search.report.drawing import html, numbers
from hinet_search.report.finding import Finding, findings
from hinet_search.results.study_record import StudyRecord

ORDER = 60


def build(record: StudyRecord) -> Card:
    """Build the list of all findings, each with an anchor named after its check."""
    results = findings(record)
    num_warnings = sum(finding.warns for _, finding in results)
    heading = "Every check passed"
    if num_warnings:
        count = numbers.spelled(num_warnings).capitalize()
        things = numbers.agree(num_warnings, "thing", "things")
        heading = f"{count} {things} to know before you trust this"
    lead = "Checks of this study: warnings first, with what to do and where to read more."
    lines = html.join(_line(name.replace("_", "-"), finding) for name, finding in results)
    return Card("trust", "Trust", heading, lead, html.tag("ul", lines, class_="chk"))


def _line(name: str, finding: Finding) -> Markup:
    """Return a finding; a single detail stands in the line, several in a list."""
    if not finding.warns:
        return html.tag("li", finding.subject, id=f"trust-{name}")
    details: html.Content = html.bullets(finding.details)
    if len(finding.details) < 2:
        details = "".join(f"{detail} " for detail in finding.details)
    page = html.tag("small", f"docs/failures.md#{name}")
    remedy = html.tag("span", html.prose(finding.remedy), " ", page, class_="remedy")
    content = [html.tag("b", finding.subject), " ", details, remedy]
    return html.tag("li", html.join(content), class_="warn", id=f"trust-{name}")
