"""Page: a StudyRecord in, one self-contained HTML file out. Nothing in it asks the network for anything."""

from itertools import groupby

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader

from hinet_search import plugins
from hinet_search.compare import verdict
from hinet_search.records import StudyRecord
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.compact import compact
from hinet_search.report.embedded import embedded_json
from hinet_search.report.markup import prose, tag
from hinet_search.report.reading import report_command

SECTIONS = "hinet_search.report.sections"


def cards(record: StudyRecord) -> tuple[Card, ...]:
    """Every section's card in order; a section that needs more than the record has becomes a muted card saying so."""
    modules = [(name, plugins.load(SECTIONS, name)) for name in plugins.names(SECTIONS)]
    built: list[Card] = []
    for name, module in sorted(modules, key=lambda pair: (pair[1].ORDER, pair[0])):
        try:
            built.append(module.build(record))
        except NotApplicable as reason:
            built.append(_muted(name, str(reason)))
    return tuple(built)


def render(record: StudyRecord) -> str:
    """The whole report as HTML text, encoded in UTF-8 when written."""
    return environment().get_template("page.html").render(**context(record), data=embedded_json(record))


def environment(*further: BaseLoader) -> Environment:
    """The report's templates, and further ones that may extend them."""
    loader = ChoiceLoader([PackageLoader("hinet_search.report"), *further])
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["compact"] = compact
    return made


def context(record: StudyRecord) -> dict[str, object]:
    """What the page's template shows of a record."""
    built = cards(record)
    navigation = [(part, next(group).id) for part, group in groupby((c for c in built if c.part), lambda c: c.part)]
    return {
        "record": record,
        "title": f"{record.name}: {verdict(record).sentence}",
        "command": report_command(record),
        "first": built[0],
        "cards": built[1:],
        "navigation": navigation,
    }


def _muted(name: str, reason: str) -> Card:
    words = name.replace("_", " ")
    return Card(
        name.replace("_", "-"), "", words.capitalize(), "", tag("p", prose(f"Not shown: {reason}.")), muted=True
    )
