"""Plots: colours, layout and traces that the figures of plotly share.

plotly is imported in the functions: reports without the Explore card and `--help` start without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np

from hinet_search.report.facts.record import focus_of
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

# The light colours of the page by their names in its style; its script puts in those of its theme.
INK, MUTED, LINE, GROUND = "#191d21", "#56616c", "#dfe4e9", "#ffffff"
BETTER, WORSE, FAINT = "#0a5fa3", "#b04a00", "#e1ebf4"
STYLE_NAMES = {
    INK: "--ink",
    MUTED: "--mut",
    LINE: "--line",
    GROUND: "--bg",
    BETTER: "--win",
    WORSE: "--loss",
    FAINT: "--faint",
}
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "cross",
    "x",
    "triangle-up",
    "star",
    "hexagon",
    "pentagon",
)
MOST_POINTS = 2_000  # above it trials are counted in bins
BINS_ACROSS, BINS_UP = 80, 48
LONGEST_NAME = 40
SHOWN = 0.9  # of the trials, the best, are inside the first view
DIGITS = 5
MENU_HEIGHT = 0.16  # as a share of the plot

Figure = Any  # plotly.graph_objects.Figure; plotly has no types


@dataclass(frozen=True)
class PlotPoint:
    """A trial at a place: `x` is a number, a text on an axis of categories, or None for nowhere."""

    x: float | str | None
    y: float
    trial: int


@dataclass(frozen=True)
class Cloud:
    """The trials of every arm as points, and which part of the values the first view shows."""

    points: Mapping[str, Sequence[PlotPoint]]  # by the name of an arm
    maximize: bool
    log: bool = False

    @cached_property
    def all_points(self) -> list[PlotPoint]:
        """The points of all arms."""
        return [point for points in self.points.values() for point in points]

    @property
    def is_binned(self) -> bool:
        """Whether there are too many points to draw each."""
        return len(self.all_points) > MOST_POINTS

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """From the best value to the worst, without the worst tenth: it would flatten the rest."""
        values = sorted((point.y for point in self.all_points), reverse=self.maximize)
        ends = (values[0], values[ceil(SHOWN * len(values)) - 1])
        margin = 0.06 * (max(ends) - min(ends)) or 0.001
        return min(ends) - margin, max(ends) + margin

    def thinned(self, arm: str) -> list[PlotPoint]:
        """Return the points of an arm, of too many an even part; its best one is kept."""
        points = self.points[arm]
        if not self.is_binned:
            return list(points)
        step = max(1, ceil(len(self.all_points) / MOST_POINTS))
        best = (max if self.maximize else min)(points, key=lambda point: point.y, default=None)
        return [point for at, point in enumerate(points) if at % step == 0 or point is best]


def plain_text(text: str) -> str:
    """Return a name in which plotly finds no tags, shortened if it is long."""
    return escaped(text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…")


def escaped(text: str) -> str:
    """Return a text in which plotly finds no tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def rounded(value: float) -> float:
    """Return a value with the digits that a figure can show."""
    return float(f"{value:.{DIGITS}g}")


def figure(traces: Sequence[Any], caption: str, x: Any, y: Any, **layout: Any) -> Figure:
    """Return a figure of traces with its caption; `x` and `y` are axes.

    The legend is above the plot, and above a menu if there is one.
    """
    from plotly.graph_objects import Figure

    above = MENU_HEIGHT if layout.get("updatemenus") else 0.0
    around = {
        "height": 380,
        "margin": {"l": 64, "r": 16, "t": 12, "b": 56},
        "xaxis": x,
        "yaxis": y,
        "hovermode": "closest",
        "paper_bgcolor": GROUND,
        "plot_bgcolor": GROUND,
        "font": {"color": INK, "size": 12},
        "hoverlabel": {"bgcolor": GROUND, "bordercolor": MUTED, "font": {"color": INK}},
        "legend": {"orientation": "h", "y": 1.02 + above, "yanchor": "bottom", "x": 0},
        "meta": {"caption": caption},
        "template": {},
    }
    return Figure(data=list(traces), layout={**around, **layout})


def axis(text: str, **more: Any) -> dict[str, Any]:
    """Return an axis with a title."""
    title_of_axis = {"text": escaped(text), "standoff": 8}
    lines = {"gridcolor": LINE, "linecolor": MUTED, "zeroline": False}
    return {"title": title_of_axis, **lines, "automargin": True, **more}


def marker_of(record: StudyRecord, arm: ArmRecord) -> dict[str, Any]:
    """Return colour and symbol of an arm's points: the focus is blue, all others are grey."""
    is_focus = arm == focus_of(record)
    symbol = SYMBOLS[record.arms.index(arm) % len(SYMBOLS)]
    color = BETTER if is_focus else MUTED
    return {"color": color, "symbol": symbol, "size": 7, "opacity": 0.65}


def cloud_traces(record: StudyRecord, cloud: Cloud, *, binned: bool) -> list[dict[str, Any]]:
    """Return a trace of points for each arm, with `binned` after the counts of all in bins.

    The points of the arms are then hidden until the legend is clicked.
    """
    traces = [bins_trace(cloud)] if binned else []
    for arm in record.arms:
        trace = points_trace(cloud.thinned(arm.name))
        hidden = {"visible": "legendonly"} if binned else {}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": plain_text(title(arm.name)),
                "legendgroup": plain_text(arm.name),
                "marker": marker_of(record, arm),
                "hovertemplate": "%{fullData.name}, trial %{text}<br>%{x}<br>%{y}<extra></extra>",
                **trace,
                **hidden,
            }
        )
    return traces


def points_trace(points: Sequence[PlotPoint]) -> dict[str, Any]:
    """Return where points are, and their trials."""
    return {
        "x": [rounded(point.x) if isinstance(point.x, float) else point.x for point in points],
        "y": [rounded(point.y) for point in points],
        "text": [str(point.trial) for point in points],
    }


def bins_trace(cloud: Cloud) -> dict[str, Any]:
    """Return a map of the numbers of trials in bins of both axes."""
    return {
        "type": "heatmap",
        "name": "all arms, counted in bins",
        "showlegend": True,
        "showscale": False,
        "colorscale": [[0, FAINT], [1, BETTER]],
        "hovertemplate": "%{z} trials<extra></extra>",
        **counts_in_bins(cloud),
    }


def counts_in_bins(cloud: Cloud) -> dict[str, Any]:
    """Return the bins of a cloud of numbers and the trials in each; empty ones are NaN."""
    points = [point for point in cloud.all_points if isinstance(point.x, int | float)]
    places = np.array([point.x for point in points], dtype=np.float64)
    places = np.log10(places) if cloud.log else places
    low, high = cloud.value_range
    across = np.histogram_bin_edges(places, bins=BINS_ACROSS)
    up = np.linspace(low, high, BINS_UP + 1)
    values = [point.y for point in points]
    counts, _, _ = np.histogram2d(places, values, bins=(across, up))
    edges = 10**across if cloud.log else across
    return {
        "x": [rounded(edge) for edge in edges.tolist()],
        "y": [rounded(edge) for edge in up.tolist()],
        "z": np.where(counts > 0, counts, np.nan).T.astype(np.float32),
    }


def stairs(
    points: Sequence[PlotPoint], end: float | None, name: str, *, is_focus: bool, group: str
) -> dict[str, Any]:
    """Return the staircase of a value that stays until it changes, up to `end`."""
    x = [point.x for point in points]
    y = [rounded(point.y) for point in points]
    if points and end is not None:
        x, y = [*x, end], [*y, y[-1]]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain_text(name),
        "legendgroup": plain_text(group),
        "x": x,
        "y": y,
        "line": {
            "shape": "hv",
            "color": INK if is_focus else MUTED,
            "width": 2 if is_focus else 1,
        },
        "hovertemplate": "%{fullData.name}<br>%{x}<br>%{y}<extra></extra>",
    }


def menu(buttons: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a menu whose buttons change traces and layout (`args` of each)."""
    return [
        {
            "type": "dropdown",
            "buttons": [{"method": "update", **button} for button in buttons],
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "bgcolor": GROUND,
            "bordercolor": MUTED,
            "font": {"color": INK},
            "showactive": False,
        }
    ]


def counted_in_words(cloud: Cloud, by: str = "") -> str:
    """Return how many trials a cloud has, `by` what, and whether they are counted in bins."""
    count = len(cloud.all_points)
    trials = " ".join(filter(None, [f"{count:,} complete trial{'' if count == 1 else 's'}", by]))
    if not cloud.is_binned:
        return trials
    return f"{trials}, counted in bins (the legend shows an even part of each arm's)"
