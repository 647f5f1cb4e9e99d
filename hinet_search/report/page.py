"""Page: a StudyRecord in, one self-contained HTML file out. Nothing in it asks the network for anything."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from hinet_search import plugins
from hinet_search.compare import verdict
from hinet_search.records import StudyRecord
from hinet_search.report import explore as exploring
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.compact import compact
from hinet_search.report.embedded import embedded_json, packed
from hinet_search.report.markup import prose
from hinet_search.report.reading import report_command

SECTIONS = "hinet_search.report.sections"
SCRIPTS = ("script.js", "data.js")


def cards(record: StudyRecord) -> tuple[Card, ...]:
    """Every section's card in order; a section that needs more than the record has becomes a muted card saying so."""
    modules = [(name, plugins.load(SECTIONS, name)) for name in plugins.names(SECTIONS)]
    in_order = sorted(modules, key=lambda pair: (pair[1].ORDER, pair[0]))
    return tuple(_built(name, module.build, record) for name, module in in_order)


def render(record: StudyRecord, *, explore: bool = False) -> str:
    """The whole report as HTML text, encoded in UTF-8 when written; `explore` adds figures drawn on a click, and .7 MB."""
    built, templates = list(cards(record)), environment()
    inflated = {"record": embedded_json(record), "tables": packed(source(templates, "tables.js").encode())}
    if explore:
        further = _built(exploring.ID, exploring.card, record)
        built.insert(_after_search(built), further)
        inflated |= {} if further.muted else exploring.scripts()
    script = Markup("".join(source(templates, name) for name in SCRIPTS))  # noqa: S704  # files of this package
    return templates.get_template("page.html").render(**context(record, built), inflated=inflated, script=script)


def environment(*further: BaseLoader) -> Environment:
    """The report's templates, and further ones that may extend them."""
    loader = ChoiceLoader([PackageLoader("hinet_search.report"), *further])
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["compact"] = compact
    return made


def context(record: StudyRecord, built: Sequence[Card] = ()) -> dict[str, object]:
    """What the page's template shows of a record: those cards, or its own."""
    built = built or cards(record)
    shown = [card for card in built if not card.muted]
    navigation = [(part, next(group).id) for part, group in groupby(shown, lambda card: card.part)]
    return {
        "record": record,
        "title": f"{record.name}: {verdict(record).sentence}",
        "command": report_command(record),
        "first": shown[0],
        "cards": list(placed(shown[1:])),
        "missing": _by_reason([card for card in built if card.muted]),
        "navigation": navigation,
    }


def placed(shown: Sequence[Card]) -> Iterator[tuple[Card, str]]:
    """Cards with their classes: `part` where one begins a part, `half` for two that stand beside each other."""
    before, left = "", False  # the part above, and whether the left half of a row stands alone
    for card, after in zip(shown, [*shown[1:], None], strict=True):
        right = left and card.half
        left = not right and card.half and after is not None and after.half and after.part == card.part
        classes = ["part"] * (card.part != before) + ["half"] * (left or right)
        before = card.part
        yield card, " ".join(classes)


def source(templates: Environment, name: str) -> str:
    """A script without the indents of its file."""
    return re.sub(r"\n +", "\n", templates.get_template(name).render())


def _by_reason(muted: Sequence[Card]) -> dict[Markup, list[Card]]:
    """Those that need the same stand together."""
    found: dict[Markup, list[Card]] = {}
    for card in muted:
        found.setdefault(card.body, []).append(card)
    return found


def _after_search(built: Sequence[Card]) -> int:
    """Behind the last card about the search; before all that follows the verdict where there is none."""
    return max((k for k, card in enumerate(built) if card.part == "Search"), default=0) + 1


def _built(name: str, build: Callable[[StudyRecord], Card], record: StudyRecord) -> Card:
    try:
        return build(record)
    except NotApplicable as reason:
        return _muted(name, str(reason))


def _muted(name: str, reason: str) -> Card:
    words = name.replace("_", " ")
    return Card(name.replace("_", "-"), "", words.capitalize(), "", prose(f"{reason}."), muted=True)
