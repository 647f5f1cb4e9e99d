"""Figures: HTML placed in per cent and small inline SVG without text, so that a phone can read every label."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10
from statistics import quantiles

from markupsafe import Markup

from hinet_search.compare import Difference
from hinet_search.report.markup import join, tag
from hinet_search.report.numbers import gain, interval, ticks

Point = tuple[float, float]

SYMBOLS = {"better": "▲", "unclear": "≈", "worse": "▼"}
LAST_LABEL = 97  # per cent of a forest's axis beyond which a label would leave the page
CLASSES = {"better": "win", "unclear": "tie", "worse": "loss"}


def marked(found: Difference) -> Markup:
    """A gain behind its mark, which is a shape to see and a word to hear."""
    shape = tag("i", SYMBOLS[found.mark], role="img", aria_label=found.mark)
    return join([shape, f" {gain(found.mean)}"])


@dataclass(frozen=True)
class Axis:
    """A linear axis from `low` to `high`; places are per cent of its length."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Per cent from the start, clipped to the axis."""
        return min(100.0, max(0.0, 100 * (value - self.low) / (self.high - self.low)))

    def ticks(self, most: int = 5) -> list[float]:
        """At most `most` round values inside the axis."""
        raw = (self.high - self.low) / most
        size = 10.0 ** floor(log10(raw))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
        first = -floor(-self.low / step)
        return [round(k * step, 12) for k in range(first, floor(self.high / step) + 1)]


def axis_over(values: Sequence[float], margin: float = 0.06) -> Axis:
    """An axis that holds all values with a margin; a single value gets room on both sides."""
    low, high = min(values), max(values)
    room = (high - low) * margin or abs(high) * 0.01 or 0.001
    return Axis(low - room, high + room)


def axis_near_the_best(values: Sequence[float], bests: Sequence[float], *, maximize: bool) -> Axis:
    """From the worse quartile of all values to the best: first draws may be far away and would flatten the rest."""
    if len(values) < 4:
        return axis_over(values)
    lower, _, upper = quantiles(values, n=4)
    shown = [value for value in values if (value >= lower if maximize else value <= upper)]
    return axis_over([*shown, *bests], margin=0.12)


def spread_apart(places: Sequence[float], gap: float) -> list[float]:
    """Places in per cent, moved as little as an upward and a downward sweep can so that they are `gap` apart."""
    gap = min(gap, 100 / max(1, len(places) - 1))
    order = sorted(range(len(places)), key=lambda k: places[k])
    moved = list(places)
    for before, here in pairwise(order):
        moved[here] = max(moved[here], moved[before] + gap)
    highest = 100.0
    for here in reversed(order):
        moved[here] = min(moved[here], highest)
        highest = moved[here] - gap
    return moved


@dataclass(frozen=True)
class ForestRow:
    """One row: a name with a remark, and a difference, or the reason why there is none or no interval."""

    name: str
    remark: str
    difference: Difference | None
    reason: str = ""


def forest(rows: Sequence[ForestRow], first: str, second: str) -> Markup:
    """Dots and intervals around a zero line, one row each; values and intervals stand beside them as text."""
    axis = _forest_axis([row.difference for row in rows if row.difference is not None])
    found = axis.ticks()
    labels = [
        tag("span", text, style=f"left:{axis.place(tick):.1f}%")
        for tick, text in zip(found, ticks(found, signed=True), strict=True)
        if axis.place(tick) < LAST_LABEL
    ]
    header = tag(
        "tr",
        tag("th", first, scope="col"),
        tag("th", second, scope="col", class_="r"),
        tag("th", "Interval", scope="col", class_="iv-text"),
        tag("th", tag("span", "drawn", class_="sr"), tag("div", *labels, class_="ax"), scope="col", class_="plot"),
    )
    body = tag("tbody", *(_forest_row(row, axis) for row in rows))
    return tag("table", tag("thead", header), body, class_="forest")


def _forest_axis(found: Sequence[Difference]) -> Axis:
    """Wide enough for every mean and, as far as three times the largest mean, for the intervals."""
    reach = 3 * max([abs(difference.mean) for difference in found], default=0.0) or 0.001
    ends = [
        end for difference in found for end in (difference.low, difference.mean, difference.high) if end is not None
    ]
    return axis_over([0.0, *(min(reach, max(-reach, end)) for end in ends)])


def leaves_the_picture(found: Sequence[Difference]) -> bool:
    """Whether an interval is longer than the forest of these differences draws it."""
    axis = _forest_axis(found)
    return any(one.low is not None and (one.low < axis.low or (one.high or 0.0) > axis.high) for one in found)


def _forest_row(row: ForestRow, axis: Axis) -> Markup:
    name = tag("th", row.name, " ", tag("small", row.remark) if row.remark else "", scope="row")
    zero = tag("i", class_="z", style=f"left:{axis.place(0):.1f}%")
    if row.difference is None:
        plot = tag("td", tag("div", zero, class_="iv"), class_="plot")
        return tag("tr", name, tag("td", row.reason, class_="t why", colspan="2"), plot)
    found, kind = row.difference, CLASSES[row.difference.mark]
    span = row.reason if found.low is None and row.reason else interval(found.low, found.high)
    spoken = f"{gain(found.mean)}, interval {span}"
    drawn = [zero, _whisker(found, axis), tag("i", class_="d", style=f"left:{axis.place(found.mean):.1f}%")]
    return tag(
        "tr",
        name,
        tag("td", marked(found), class_=f"gain {kind}"),
        tag("td", span, class_="iv-text"),
        tag("td", tag("div", *drawn, class_=f"iv {kind}", role="img", aria_label=spoken), class_="plot"),
    )


def _whisker(found: Difference, axis: Axis) -> Markup:
    if found.low is None or found.high is None:
        return Markup("")
    left, right = axis.place(found.low), axis.place(found.high)
    cut = (" cut-left" if found.low < axis.low else "") + (" cut-right" if found.high > axis.high else "")
    return tag("i", class_=f"w{cut}", style=f"left:{left:.1f}%;width:{right - left:.1f}%")


def bar(share: float, class_: str = "") -> Markup:
    """A table cell with a bar of that share of its width."""
    return tag("td", tag("i", style=f"width:{100 * min(1.0, max(0.0, share)):.0f}%"), class_=f"bar {class_}".strip())


def path(points: Sequence[Point], x_axis: Axis, y_axis: Axis) -> str:
    """SVG path data in a 100 x 100 box, y upwards."""
    places = [(_short(x_axis.place(x)), _short(100 - y_axis.place(y))) for x, y in points]
    return f"M{places[0][0]} {places[0][1]}" + "".join(_stroke(*pair) for pair in pairwise(places))


def _stroke(before: tuple[str, str], here: tuple[str, str]) -> str:
    """One piece of a path; level and upright ones, of which staircases are made, take one number."""
    if before[1] == here[1]:
        return "" if before == here else f"H{here[0]}"
    return f"V{here[1]}" if before[0] == here[0] else f"L{here[0]} {here[1]}"


def _short(place: float) -> str:
    return f"{round(place, 1):g}"


def svg(*shapes: Markup) -> Markup:
    """A drawing that fills its box; it carries no text, so stretching it does no harm."""
    return tag("svg", *shapes, viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true")


def line(points: Sequence[Point], x_axis: Axis, y_axis: Axis, class_: str = "") -> Markup:
    """A line through points."""
    return tag("path", d=path(points, x_axis, y_axis), class_=class_)


def band(lower: Sequence[Point], upper: Sequence[Point], x_axis: Axis, y_axis: Axis, class_: str = "band") -> Markup:
    """The area between two lines with the same x."""
    return tag("path", d=path([*upper, *reversed(lower)], x_axis, y_axis) + "Z", class_=class_)


def grid(y_axis: Axis, most: int = 5) -> Markup:
    """Horizontal lines at round values with their labels at the left."""
    found = y_axis.ticks(most)
    return join(
        tag("i", tag("span", text), class_="gy", style=f"bottom:{y_axis.place(value):.1f}%")
        for value, text in zip(found, ticks(found), strict=True)
    )
