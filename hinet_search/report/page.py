"""Page: render a StudyRecord as one HTML file that loads nothing from the network.

Its HTML is shortened by leaving out the end tags and quotes that the standard makes optional:
tables make up most of a report, and a fifth of a table is end tags and quotes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from hinet_search.common import plugins
from hinet_search.report import html
from hinet_search.report.commands import report_command
from hinet_search.report.json_document import embedded_json
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.study_record import StudyRecord

SECTIONS = "hinet_search.report.sections"
SCRIPTS = ("script.js", "data.js")
_END_TAGS = re.compile("</(?:td|th|tr|li|thead|tbody)>")  # implied by the next tag
_QUOTES = re.compile(r'="([\w.%:-]+)"(?=[ >])')  # text has no bare quotes: html.py escapes them


@dataclass(frozen=True)
class PagePart:
    """A part of the page: cards that are open, then folded ones, in a section with that id."""

    name: str
    id: str
    opened: tuple[Card, ...]
    folded: tuple[Card, ...]

    @property
    def target(self) -> str:
        """The id that the navigation leads to."""
        return self.opened[0].id if self.opened else self.id


def cards(record: StudyRecord) -> tuple[Card, ...]:
    """Build every section's card, in order.

    A section that the record lacks data for becomes a muted card that gives the reason.
    """
    modules = [(name, plugins.load(SECTIONS, name)) for name in plugins.names(SECTIONS)]
    built = []
    for name, module in sorted(modules, key=lambda pair: (pair[1].ORDER, pair[0])):
        try:
            built.append(module.build(record))
        except NotApplicable as reason:
            heading = name.replace("_", " ").capitalize()
            body = html.prose(f"{reason}.")
            built.append(Card(name.replace("_", "-"), "", heading, "", body, muted=True))
    return tuple(built)


def render(record: StudyRecord, card: str | None = None) -> str:
    """Return the report as HTML text, to be written as UTF-8.

    With `card` (`history`), it has only the card of that name.
    Errors: ConfigurationError if no card has the name; NotApplicable if the record lacks its data.
    """
    built = cards(record) if card is None else [plugins.load(SECTIONS, card).build(record)]
    templates = environment()
    scripts = "".join(source(templates, name) for name in SCRIPTS)
    script = Markup(scripts)  # noqa: S704  # files of this package
    return templates.get_template("page.html").render(
        **context(record, built), data=embedded_json(record), script=script
    )


def environment(*further: BaseLoader) -> Environment:
    """Return the report's templates, with `further` ones that may extend them."""
    loader = ChoiceLoader([PackageLoader("hinet_search.report"), *further])
    templates = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    templates.filters["compact"] = compact
    return templates


def context(record: StudyRecord, built: Sequence[Card] = ()) -> dict[str, object]:
    """Return the variables of the page's template; without `built` the cards are built here."""
    built = built or cards(record)
    shown = [card for card in built if not card.muted]
    first = shown[0]
    missing: dict[Markup, list[Card]] = {}  # by the reason that they give
    for card in built:
        if card.muted:
            missing.setdefault(card.body, []).append(card)
    parts = []
    for name, group in groupby(shown[1:], lambda card: card.part):
        of_part = list(group)
        opened = tuple(card for card in of_part if not card.folded)
        folded = tuple(card for card in of_part if card.folded)
        parts.append(PagePart(name, name.lower().replace(" ", "-"), opened, folded))
    others = [(part.name, part.target) for part in parts if part.name != first.part]
    return {
        "record": record,
        "title": f"{record.name}: {first.heading}",
        "command": report_command(record),
        "first": first,
        "parts": parts,
        "missing": missing,
        "navigation": [(first.part, first.id), *others],
    }


def source(templates: Environment, name: str) -> str:
    """Return a script without its indentation."""
    return re.sub(r"\n +", "\n", templates.get_template(name).render())


def compact(markup: Markup) -> Markup:
    """Drop optional end tags and quotes of one-word values; the parsed elements are the same."""
    shortened = _QUOTES.sub(r"=\1", _END_TAGS.sub("", markup))
    return Markup(shortened)  # noqa: S704  # it was Markup before
