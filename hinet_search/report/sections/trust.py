"""Trust: what to know before believing the numbers, warnings first, then the checks that passed."""

from markupsafe import Markup

from hinet_search.records import StudyRecord
from hinet_search.report import numbers
from hinet_search.report.card import Card
from hinet_search.report.checked import findings
from hinet_search.report.finding import Finding
from hinet_search.report.markup import join, prose, tag

ORDER = 60


def build(record: StudyRecord) -> Card:
    """All findings; there is always one of the data. Each has an anchor of its check's name."""
    found = findings(record)
    warnings = [one for one in found if one[1].warns]
    lines = [_line(*one) for one in found]
    count = numbers.spelled(len(warnings)).capitalize()
    heading = f"{count} {'thing' if len(warnings) == 1 else 'things'} to know before you trust this"
    lead = "Checks of this study; what needs attention comes first, with what to do and the page that says more."
    return Card("trust", "Trust", heading if warnings else "Every check passed", lead, tag("ul", *lines, class_="chk"))


def _line(name: str, finding: Finding) -> Markup:
    anchor = f"trust-{name.replace('_', '-')}"
    if not finding.warns:
        return tag("li", finding.subject, id=anchor)
    page = tag("small", f"docs/failures.md#{name.replace('_', '-')}")
    remedy = tag("span", prose(finding.remedy), " ", page, class_="remedy")
    return tag("li", tag("b", finding.subject), " ", _details(finding.details), remedy, class_="warn", id=anchor)


def _details(details: tuple[str, ...]) -> Markup:
    """One stands in the line itself, several in a list."""
    if len(details) < 2:
        return join(f"{one} " for one in details)
    return tag("ul", *(tag("li", one) for one in details))
