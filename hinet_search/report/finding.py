"""Finding: what one check of the trust card says, a warning with its remedy or what it passed."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_DETAILS = 5


@dataclass(frozen=True)
class Finding:
    """`subject` is a whole sentence. A warning has details, each a sentence of its own, and says what to do."""

    warns: bool
    subject: str
    details: tuple[str, ...] = ()
    remedy: str = ""


def passed(subject: str) -> Finding:
    """The check found nothing that needs attention."""
    return Finding(warns=False, subject=subject)


def warning(subject: str, details: Sequence[str] = (), *, remedy: str) -> Finding:
    """Something to know before the numbers are believed; many details are cut, and it is said how many are left."""
    left = len(details) - MOST_DETAILS
    shown = (*details[:MOST_DETAILS], f"And {left} more.") if left > 0 else tuple(details)
    return Finding(warns=True, subject=subject, details=shown, remedy=remedy)
