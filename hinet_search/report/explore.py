"""Explore: the card whose figures plotly draws on a click, and its scripts.

The figures are those of `StudyRecord.figures`, as JSON. The page holds them and the scripts
gzipped, as text that browsers do not run; data.js inflates them on a click. plotly is its cartesian
bundle (MIT, plotly/LICENSE), which needs no `eval`.
"""

import base64
import json
from collections.abc import Mapping
from importlib.resources import files

from markupsafe import Markup

from hinet_search.common import plugins
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

# By the names of the figures: a figure, or the reason why there is none.
Explored = Mapping[str, Figure | NotApplicable]


def explored(record: StudyRecord) -> Explored:
    """Return the figures of the card; none before an arm has a finished trial."""
    trials = (trial for arm in record.arms for trial in arm.trials)
    if not any(trial.state == "complete" and trial.value is not None for trial in trials):
        return {}
    return {name: _figure(record, name) for name in SHOWN}


def _figure(record: StudyRecord, name: str) -> Figure | NotApplicable:
    try:
        return plugins.load(FIGURES, name).figure(record)
    except NotApplicable as reason:
        return reason


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
    drawn = {
        name: {"data": content["data"], "layout": content["layout"]}
        for name, figure in figures.items()
        if not isinstance(figure, NotApplicable)
        for content in [figure.to_plotly_json()]
    }
    text = json.dumps(
        {"colours": STYLE_NAMES, "figures": drawn}, allow_nan=False, separators=(",", ":")
    )
    return {
        "plotly": base64.b64encode(package.joinpath(BUNDLE).read_bytes()).decode(),
        "drawing": packed(package.joinpath(SCRIPT).read_bytes()),
        "figures": packed(text.encode()),
    }


def _place(name: str, figure: Figure | NotApplicable) -> Markup:
    """Return the place of a figure with its title and caption, or the reason why it is empty."""
    class_ = name.replace("_", "-")
    heading = tag("h3", plugins.load(FIGURES, name).TITLE)
    if isinstance(figure, NotApplicable):
        return tag("div", heading, note(f"{record_facts.capitalized(str(figure))}."), class_=class_)
    caption = figure.layout.meta["caption"]
    box = tag("div", id=f"explore-{name}", role="img", aria_label=caption)
    return tag("div", heading, box, note(caption), class_=class_)
