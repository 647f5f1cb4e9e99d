"""Checks for the trust card: one file each, with ORDER and `check(record) -> Finding | None`.

A check returns None if it does not apply to the study.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hinet_search.common import plugins
from hinet_search.results.study_record import StudyRecord

MOST_DETAILS = 5
CHECKS = "hinet_search.report.checks"


@dataclass(frozen=True)
class Finding:
    """The result of a check. `subject` and each of the `details` are whole sentences.

    A warning has a `remedy`; a pass has neither details nor remedy.
    """

    warns: bool
    subject: str
    details: tuple[str, ...] = ()
    remedy: str = ""


def passed(subject: str) -> Finding:
    """Return a finding that needs no attention."""
    return Finding(warns=False, subject=subject)


def warning(subject: str, details: Sequence[str] = (), *, remedy: str) -> Finding:
    """Return a warning; of many details the first few are kept and the others counted."""
    left = len(details) - MOST_DETAILS
    shown = (*details[:MOST_DETAILS], f"And {left} more.") if left > 0 else tuple(details)
    return Finding(warns=True, subject=subject, details=shown, remedy=remedy)


def findings(record: StudyRecord) -> list[tuple[str, Finding]]:
    """Return (name of the check, finding) for each applicable check; the data check always is."""
    modules = [(name, plugins.load(CHECKS, name)) for name in plugins.names(CHECKS)]
    in_order = sorted(modules, key=lambda pair: (pair[1].ORDER, pair[0]))
    results = [(name, module.check(record)) for name, module in in_order]
    applicable = [(name, finding) for name, finding in results if finding is not None]
    return sorted(applicable, key=lambda pair: not pair[1].warns)
