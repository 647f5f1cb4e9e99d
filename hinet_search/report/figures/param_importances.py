"""Importance of settings: the share of the variation between trials that goes with each."""

from collections.abc import Mapping
from math import isfinite

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import plots
from hinet_search.report.drawing.plots import Figure
from hinet_search.report.facts import record as record_facts
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

TITLE = "Importance of settings"
MOST_SETTINGS = 12  # of an arm


def figure(record: StudyRecord) -> Figure:
    """Return bars for the focus arm; those of other arms are hidden until the legend is clicked."""
    arms = [arm for arm in record_facts.ordered_arms(record) if arm.importances]
    if not arms:
        raise NotApplicable("needs several complete trials of an arm with searched parameters")
    traces = []
    for arm in arms:
        shares = _most_important(arm.importances)
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": plots.plain_text(title(arm.name)),
                "x": [round(share, 4) for share in shares.values()],
                "y": [plots.plain_text(name) for name in shares],
                "marker": {"color": plots.marker_of(record, arm)["color"]},
                "hovertemplate": "%{fullData.name}: %{y}<br>%{x:.0%}<extra></extra>",
                "visible": True if arm is arms[0] else "legendonly",
            }
        )
    caption = (
        f"Share of the variation between trials of {title(arms[0].name)} that goes with a setting. "
        "Click the legend for another arm."
    )
    share = plots.axis("importance", rangemode="tozero", tickformat=".0%")
    return plots.figure(traces, caption, share, plots.axis("", type="category"), showlegend=True)


def _most_important(importances: Mapping[str, float]) -> dict[str, float]:
    """Return the most important settings, the first of them last: bars go upwards."""
    known = [pair for pair in importances.items() if isfinite(pair[1])]
    in_order = sorted(known, key=lambda pair: pair[1])
    return dict(in_order[-MOST_SETTINGS:])
