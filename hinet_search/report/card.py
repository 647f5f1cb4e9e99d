"""Card: one section of a report, or the reason why it cannot be shown."""

from dataclasses import dataclass

from markupsafe import Markup

from hinet_search.errors import HinetSearchError


@dataclass(frozen=True)
class Card:
    """One section. `part` is its word in the navigation; plain text in heading and lead is escaped by the page.

    Two cards of one part that follow each other stand beside each other where both are `half`.
    """

    id: str
    part: str
    heading: str
    lead: str | Markup
    body: Markup
    muted: bool = False
    half: bool = False


class NotApplicable(HinetSearchError):
    """The section cannot be built from this record; the message says what it needs and how to get it."""
