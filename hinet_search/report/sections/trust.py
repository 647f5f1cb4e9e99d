"""Trust: the checks of the study, warnings first, then those that passed."""

from markupsafe import Markup

from hinet_search.report import html, numbers
from hinet_search.report.checks import Finding, findings
from hinet_search.report.sections import Card
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
    lead = "Checks of this study, and what to do about each warning."
    warnings = [_line(name, finding) for name, finding in results if finding.warns]
    passed = [_line(name, finding) for name, finding in results if not finding.warns]
    body = html.tag("ul", *warnings, class_="chk") if warnings else Markup("")
    if passed:
        checks = f"{numbers.plural(len(passed), 'check')} passed"
        body += html.details(checks, html.tag("ul", *passed, class_="chk"))
    return Card("trust", "Trust", heading, lead, body)


def _line(name: str, finding: Finding) -> Markup:
    """Return a finding; a single detail stands in the line, several in a list."""
    id_ = f"trust-{name.replace('_', '-')}"
    if not finding.warns:
        return html.tag("li", finding.subject, id=id_)
    details: html.Content = html.bullets(finding.details)
    if len(finding.details) < 2:
        details = "".join(f"{detail} " for detail in finding.details)
    remedy = html.tag("span", html.prose(finding.remedy), class_="remedy")
    content = [html.tag("b", finding.subject), " ", details, remedy]
    return html.tag("li", html.join(content), class_="warn", id=id_)
