"""Explore: the card whose figures plotly draws on a click, and its scripts.

The figures are those of `StudyRecord.figures`, as JSON. The page holds them and the scripts
gzipped, as text that browsers do not run; data.js inflates them on a click. plotly is its cartesian
bundle (MIT, plotly/LICENSE), which needs no `eval`.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup

from hinet_search.common import plugins
from hinet_search.common.errors import shortened
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing.html import join, note, prose, tag
from hinet_search.report.drawing.plots import STYLE_NAMES, Figure
from hinet_search.report.facts import record as record_facts
from hinet_search.report.json_document import packed
from hinet_search.results.figures import FIGURES
from hinet_search.results.study_record import StudyRecord

ID = "explore"
BUNDLE = "plotly/cartesian-4.1.1.min.js.gz"
SCRIPT = "templates/explore.js"
SHOWN = ("optimization_history", "param_importances", "slice", "size_trade_off", "timeline")


@dataclass(frozen=True)
class DrawnFigure:
    """A figure as the page holds it: what it shows, and its data and layout as JSON."""

    caption: str
    document: str


# By the names of the figures: a figure, or the reason why there is none.
Explored = Mapping[str, DrawnFigure | str]


def explored(record: StudyRecord) -> Explored:
    """Return the figures of the card; none before an arm has a finished trial."""
    trials = (trial for arm in record.arms for trial in arm.trials)
    if not any(trial.state == "complete" and trial.value is not None for trial in trials):
        return {}
    return {name: _figure(record, name) for name in SHOWN}


def _figure(record: StudyRecord, name: str) -> DrawnFigure | str:
    """Return a figure as JSON; an error of one figure must not lose the report."""
    try:
        return _drawn(plugins.load(FIGURES, name).figure(record))
    except NotApplicable as reason:
        return str(reason)
    except Exception as error:  # noqa: BLE001  plotly and figures raise anything
        first_line = next(iter(str(error).splitlines()), "")
        return f"not drawn: {type(error).__name__}: {shortened(first_line)}"


def _drawn(figure: Figure) -> DrawnFigure:
    content = figure.to_plotly_json()
    shown = {"data": content["data"], "layout": content["layout"]}
    document = json.dumps(shown, allow_nan=False, separators=(",", ":"))
    return DrawnFigure(figure.layout.meta["caption"], document)


def card(record: StudyRecord, figures: Explored) -> Card:
    """Return a place for each figure, and a note that is shown without JavaScript."""
    if not figures:
        raise NotApplicable("needs a finished trial; no arm has one yet")
    count = sum(len(arm.trials) for arm in record.arms)
    alternative = prose(
        "These figures need JavaScript. The same trials: `hinet-search report --format csv`."
    )
    without = tag("p", alternative, class_="note", id="undrawn")  # hidden by the script that draws
    button = tag("button", "Draw the figures", id="draw", hidden=True)
    places = [_place(name, figure) for name, figure in figures.items()]
    drawn = tag("div", *places, id="explore-figures", class_="explore", hidden=True)
    heading = f"Explore {count:,} trial{'' if count == 1 else 's'}"
    lead = (
        "Drawn on a click from the trials in this file; nothing is downloaded. Drag to zoom, "
        "double-click to reset, click the legend to hide or show an arm."
    )
    return Card(ID, "Search", heading, lead, join([without, button, drawn]))


def scripts(figures: Explored) -> Mapping[str, str]:
    """Return scripts and figures as the page holds them, by the id of their script element."""
    package = files("hinet_search.report")
    drawn = ",".join(
        f"{json.dumps(name)}:{figure.document}"
        for name, figure in figures.items()
        if isinstance(figure, DrawnFigure)
    )
    text = f'{{"colours":{json.dumps(STYLE_NAMES)},"figures":{{{drawn}}}}}'
    return {
        "plotly": base64.b64encode(package.joinpath(BUNDLE).read_bytes()).decode(),
        "drawing": packed(package.joinpath(SCRIPT).read_bytes()),
        "figures": packed(text.encode()),
    }


def _place(name: str, figure: DrawnFigure | str) -> Markup:
    """Return the place of a figure with its title and caption, or the reason why it is empty."""
    class_ = name.replace("_", "-")
    heading = tag("h3", plugins.load(FIGURES, name).TITLE)
    if isinstance(figure, str):
        return tag("div", heading, note(f"{record_facts.capitalized(figure)}."), class_=class_)
    box = tag("div", id=f"explore-{name}", role="img", aria_label=figure.caption)
    return tag("div", heading, box, note(figure.caption), class_=class_)
