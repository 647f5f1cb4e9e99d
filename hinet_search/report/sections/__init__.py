"""Report sections: one file each, with ORDER and `build(record) -> Card`."""

from dataclasses import dataclass

from markupsafe import Markup

from hinet_search.common.errors import HinetSearchError

NEEDS_FINALISTS = "needs finalists; the launch command trains them once the trials are done"


@dataclass(frozen=True)
class Card:
    """One section. `part` names it in the navigation; plain text is escaped by the page.

    A `folded` card shows its heading, and the rest on a click.
    """

    id: str
    part: str
    heading: str
    lead: str | Markup
    body: Markup
    muted: bool = False
    folded: bool = False


class NotApplicable(HinetSearchError):
    """The section cannot be built; the message says what it needs and how to get it."""
