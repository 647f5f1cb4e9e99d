"""Explore: the card whose figures plotly draws on a click, and its scripts.

The page holds the scripts gzipped, as text that browsers do not run; data.js inflates them on a
click. plotly is its cartesian bundle (MIT, plotly/LICENSE), which needs no `eval`.
"""

import base64
from collections.abc import Mapping
from importlib.resources import files

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing.html import join, note, prose, tag
from hinet_search.report.facts import record as record_facts
from hinet_search.report.json_document import packed
from hinet_search.results.study_record import StudyRecord

ID = "explore"
BUNDLE = "plotly/cartesian-4.1.1.min.js.gz"
FIGURES = ("templates/explore_marks.js", "templates/explore.js")


def card(record: StudyRecord) -> Card:
    """Return placeholders for the figures, and a note that is shown without JavaScript."""
    if not any(record_facts.ranked(record, arm) for arm in record.arms):
        raise NotApplicable("needs a finished trial; no arm has one yet")
    count = sum(len(arm.trials) for arm in record.arms)
    alternative = prose(
        "These figures need JavaScript. The same trials: `hinet-search report --format csv`."
    )
    without = tag("p", alternative, class_="note", id="undrawn")  # hidden by the script that draws
    button = tag("button", "Draw the figures", id="draw", hidden=True)
    measure = record_facts.objective_in_words(record)
    figures = tag(
        "div",
        _controls(),
        *_places(),
        id="explore-figures",
        class_="explore",
        hidden=True,
        data_measure=measure,
    )
    heading = f"Explore {count:,} trial{'' if count == 1 else 's'}"
    lead = (
        "Drawn on a click from the trials in this file; nothing is downloaded. Drag to zoom, "
        "double-click to reset."
    )
    return Card(ID, "Search", heading, lead, join([without, button, figures]))


def scripts() -> Mapping[str, str]:
    """Return the scripts as the page holds them, by the id of their script element."""
    package = files("hinet_search.report")
    return {
        "plotly": base64.b64encode(package.joinpath(BUNDLE).read_bytes()).decode(),
        "figures": packed(b"".join(package.joinpath(name).read_bytes() for name in FIGURES)),
    }


def _controls() -> Markup:
    pairs = (("explore-arm", "Arm"), ("explore-setting", "Setting"))
    return tag(
        "p",
        *(tag("label", f"{text} ", tag("select", id=name)) for name, text in pairs),
        class_="pick",
    )


def _places() -> list[Markup]:
    """Return one placeholder per figure; its caption is written when it is drawn."""
    titles = {
        "history": "Search history",
        "importance": "Importance of settings",
        "slice": "Values of one setting",
        "pareto": "Value against size",
        "timeline": "How trials ended over time",
    }
    return [
        tag(
            "div",
            tag("h3", title),
            tag("div", id=f"explore-{name}", role="img", aria_label=title),
            note(),
            class_=name,
        )
        for name, title in titles.items()
    ]
