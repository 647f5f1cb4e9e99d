"""Explore: the card whose figures are drawn by plotly when they are asked for, and the scripts that do it.

Scripts stand in the page gzipped, as text that no browser runs; script.js inflates them on a click. plotly is its
cartesian bundle (MIT, plotly/LICENSE), which needs no `eval`.
"""

import base64
from collections.abc import Mapping
from importlib.resources import files

from markupsafe import Markup

from hinet_search.records import StudyRecord
from hinet_search.report import reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.embedded import packed
from hinet_search.report.markup import join, note, prose, tag

ID = "explore"
BUNDLE = "plotly/cartesian-4.1.1.min.js.gz"
FIGURES = ("templates/explore_marks.js", "templates/explore.js")


def card(record: StudyRecord) -> Card:
    """Places for the figures; they need JavaScript, and the card says so where there is none."""
    if not any(reading.ranked(record, arm) for arm in record.arms):
        raise NotApplicable("needs a finished trial; no arm has one yet")
    count = sum(len(arm.trials) for arm in record.arms)
    said = prose("These figures need JavaScript. The same trials: `hinet-search report --format csv`.")
    without = tag("p", said, class_="note", id="undrawn")  # hidden by the script that draws
    button = tag("button", "Draw the figures", id="draw", hidden=True)
    measure = reading.objective_in_words(record)
    places = tag(
        "div", _controls(), *_places(), id="explore-figures", class_="explore", hidden=True, data_measure=measure
    )
    body = [without, button, places]
    lead = "Drawn on a click from the trials inside this file; nothing is loaded. Zoom by dragging, a double click goes back."
    return Card(ID, "Search", f"Explore {count:,} trial{'' if count == 1 else 's'}", lead, join(body))


def scripts() -> Mapping[str, str]:
    """Id of a script element -> the script as the page holds it."""
    package = files("hinet_search.report")
    return {
        "plotly": base64.b64encode(package.joinpath(BUNDLE).read_bytes()).decode(),
        "figures": packed(b"".join(package.joinpath(name).read_bytes() for name in FIGURES)),
    }


def _controls() -> Markup:
    pairs = (("explore-arm", "Arm"), ("explore-setting", "Setting"))
    return tag("p", *(tag("label", f"{said} ", tag("select", id=name)) for name, said in pairs), class_="pick")


def _places() -> list[Markup]:
    """One place a figure; its sentence is written below it when it is drawn."""
    titles = {
        "history": "Search history",
        "importance": "Importance of settings",
        "slice": "Values of one setting",
        "pareto": "Value against size",
        "timeline": "How trials ended over time",
    }
    return [
        tag("div", tag("h3", said), tag("div", id=f"explore-{name}", role="img", aria_label=said), note(), class_=name)
        for name, said in titles.items()
    ]
