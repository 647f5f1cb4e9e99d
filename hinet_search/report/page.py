"""Page: render a StudyRecord as one HTML file that loads nothing from the network.

Its HTML is shortened by leaving out the end tags and quotes that the standard makes optional:
tables make up most of a report, and a fifth of a table is end tags and quotes.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from hinet_search.common import plugins
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import html
from hinet_search.report.json_document import embedded_json
from hinet_search.report.text.commands import report_command
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict

SECTIONS = "hinet_search.report.sections"
SCRIPTS = ("script.js", "data.js")
_END_TAGS = re.compile("</(?:td|th|tr|li|thead|tbody)>")  # implied by the next tag
_QUOTES = re.compile(r'="([\w.%:-]+)"(?=[ >])')  # text has no bare quotes: html.py escapes them


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
    missing: dict[Markup, list[Card]] = {}  # by the reason that they give
    for card in built:
        if card.muted:
            missing.setdefault(card.body, []).append(card)
    navigation = [(part, next(group).id) for part, group in groupby(shown, lambda card: card.part)]
    return {
        "record": record,
        "title": f"{record.name}: {verdict(record).sentence}",
        "command": report_command(record),
        "first": shown[0],
        "cards": list(placed(shown[1:])),
        "missing": missing,
        "navigation": navigation,
    }


def placed(shown: Sequence[Card]) -> Iterator[tuple[Card, str]]:
    """Yield cards with CSS classes: `part` begins a part, `half` marks two cards side by side."""
    part_above = ""
    is_left = False  # whether the card above is the left half of a row
    for card, following in zip(shown, [*shown, None][1:], strict=True):
        is_right = is_left and card.half
        has_partner = following is not None and following.half and following.part == card.part
        is_left = card.half and not is_right and has_partner
        classes = []
        if card.part != part_above:
            classes.append("part")
        if is_left or is_right:
            classes.append("half")
        part_above = card.part
        yield card, " ".join(classes)


def source(templates: Environment, name: str) -> str:
    """Return a script without its indentation."""
    return re.sub(r"\n +", "\n", templates.get_template(name).render())


def compact(markup: Markup) -> Markup:
    """Drop optional end tags and quotes of one-word values; the parsed elements are the same."""
    shortened = _QUOTES.sub(r"=\1", _END_TAGS.sub("", markup))
    return Markup(shortened)  # noqa: S704  # it was Markup before
