"""Checked: all that the checks of a report find in a study, warnings first. Each check is a file in checks/."""

from hinet_search import plugins
from hinet_search.records import StudyRecord
from hinet_search.report.finding import Finding

CHECKS = "hinet_search.report.checks"


def findings(record: StudyRecord) -> list[tuple[str, Finding]]:
    """(name of the check, what it found); checks that do not apply say nothing, and there is always one of the data."""
    modules = [(name, plugins.load(CHECKS, name)) for name in plugins.names(CHECKS)]
    in_order = sorted(modules, key=lambda pair: (pair[1].ORDER, pair[0]))
    found = [(name, finding) for name, module in in_order if (finding := module.check(record)) is not None]
    return sorted(found, key=lambda pair: not pair[1].warns)
