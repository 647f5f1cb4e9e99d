"""Scatter plot: value against a cost on a log scale, with names beside the dots and the front.

The front is a staircase: at each step a model is better than the cheaper one before it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import log10

from markupsafe import Markup

from hinet_search.report import html, numbers
from hinet_search.report.figures import Axis, axis_over, grid, line, plot_box, svg, x_label
from hinet_search.report.record_facts import as_steps

LETTER = 7.5  # width of a letter of a label in pixels
DOT = 6.0  # half the width of a dot in pixels
WIDE = 400.0  # the narrowest plot beside a table, in pixels
NARROW = 290.0  # the plot on a phone
MOST_LABELS = 6
TENTHS = (
    (10, 11, 12, 13, 14, 15, 16, 18),
    range(10, 100, 2),
    (10, 15, 20, 30, 50, 70),
    (10, 20, 50),
    (10,),
)
Box = tuple[float, float, float, float]  # left, right, bottom, top in per cent
Name = tuple[str, str]  # text beside a dot, and the side that it is on


@dataclass(frozen=True)
class ScatterPoint:
    """One dot; `size` is log10 of its cost, `label` the text beside it, `kind` a CSS class.

    Its bar reaches from `value` by `spread` up and down.
    """

    name: str
    is_focus: bool
    size: float
    value: float
    label: str  # empty for a dot without one
    kind: str = ""
    spread: float = 0.0


# Whether the first point is better than the second one, by the value.
Better = Callable[[ScatterPoint, ScatterPoint], bool]


@dataclass(frozen=True)
class ScatterAxes:
    """The axes of a scatter plot: of costs in log10, and of values.

    Where x is no cost but better the larger it is, its sizes are negative on an axis that falls.
    """

    x: Axis
    y: Axis

    def style(self, point: ScatterPoint) -> str:
        """Return where a point lies, as CSS."""
        return f"left:{self.x.place(point.size):.1f}%;bottom:{self.y.place(point.value):.1f}%"


def axes_over(points: Sequence[ScatterPoint], further_sizes: Sequence[float] = ()) -> ScatterAxes:
    """Return axes on which points have room for their names."""
    sizes = [point.size for point in points]
    values = []
    for point in points:
        values += [point.value - point.spread, point.value + point.spread]
    return ScatterAxes(axis_over([*sizes, *further_sizes], 0.18), axis_over(values, 0.14))


def plot(
    points: Sequence[ScatterPoint],
    axes: ScatterAxes,
    beneath: Iterable[Markup],
    words: tuple[str, str],
    is_better: Better,
) -> Markup:
    """Draw the front of the points, what lies `beneath` them, and the dots with their names.

    `words` are those below the plot and those for screen readers.
    """
    drawn = [grid(axes.y)]
    steps = front(points, axes.x, is_better)
    if steps:
        drawn.append(svg(line(steps, axes.x, axes.y, "front")))
    drawn += beneath
    names = zip(names_of(points, axes), names_of(points, axes, NARROW), strict=True)
    for point, (name, on_a_phone) in zip(points, names, strict=True):
        me = " me" if point.is_focus else ""
        kind = f"dot {point.kind}" if point.kind else "dot"
        is_beaten = any(each.size <= point.size and is_better(each, point) for each in points)
        ring = " ring" if is_beaten else ""
        style = axes.style(point)
        if point.spread:
            low = axes.y.place(point.value - point.spread)
            height = axes.y.place(point.value + point.spread) - low
            bar = f"left:{axes.x.place(point.size):.1f}%;bottom:{low:.1f}%;height:{height:.1f}%"
            drawn.append(html.tag("i", class_="span", style=bar))
        drawn.append(html.tag("i", class_=f"{kind}{me}{ring}", style=style, title=point.name))
        places = {name: ""} if name == on_a_phone else {name: " wide", on_a_phone: " narrow"}
        for (text, side), only in places.items():
            if text:
                tag = f"tag {side}{only}{me}"
                drawn.append(html.tag("span", text, class_=tag, style=style))
    below, label = words
    drawn.append(html.tag("span", below, class_="xt"))
    return html.tag("div", plot_box(drawn, label), class_="picture")


def spans(x_axis: Axis, y_axis: Axis, x: tuple[float, float], y: tuple[float, float]) -> Markup:
    """Return the intervals of a point along both axes, as two bars that cross."""
    left, right = map(x_axis.place, x)
    low, high = map(y_axis.place, y)
    across = f"left:{left:.1f}%;width:{right - left:.1f}%;bottom:{(low + high) / 2:.1f}%"
    upright = f"left:{(left + right) / 2:.1f}%;bottom:{low:.1f}%;height:{high - low:.1f}%"
    return html.join(html.tag("i", class_="span", style=style) for style in (across, upright))


def in_order(points: Iterable[ScatterPoint]) -> str:
    """Name points with their values, from left to right."""
    ordered = sorted(points, key=lambda point: point.size)
    return ", ".join(f"{point.name} {numbers.metric(point.value)}" for point in ordered)


def names_of(points: Sequence[ScatterPoint], axes: ScatterAxes, width: float = WIDE) -> list[Name]:
    """Return the text beside each point and its side, in a plot of that width in pixels.

    A name that does not fit is replaced by the point's number, which `numbered` explains.
    """
    places = [(axes.x.place(point.size), axes.y.place(point.value)) for point in points]
    taken = []
    for x, y in places:
        half = 100 * DOT / width
        taken.append((x - half, x + half, y - 3, y + 3))
    names = []
    for number, (point, (x, y)) in enumerate(zip(points, places, strict=True), start=1):
        name = ("", "")
        texts = [point.label, str(number)] if point.label else []
        boxes = [(text, *each) for text in texts for each in _boxes(text, x, y, width).items()]
        for text, side, box in boxes:
            is_inside = box[0] >= 0 and box[1] <= 100
            if is_inside and not any(_overlap(box, other) for other in taken):
                name = (text, side)
                taken.append(box)
                break
        names.append(name)
    return names


def numbered(points: Sequence[ScatterPoint], axes: ScatterAxes) -> Markup:
    """Return the names of the points that have a number, some on a phone alone."""
    explained = []
    names = zip(names_of(points, axes), names_of(points, axes, NARROW), strict=True)
    for number, (point, (wide, narrow)) in enumerate(zip(points, names, strict=True), start=1):
        if str(number) in (wide[0], narrow[0]):
            only = "" if wide[0] == str(number) else "narrow"
            explained.append(html.tag("span", f" {number}: {point.name}.", class_=only))
    return html.join(explained)


def front(
    points: Sequence[ScatterPoint], x_axis: Axis, is_better: Better
) -> list[tuple[float, float]]:
    """Return the Pareto front as a staircase, which rises to points better than the last one.

    It is empty where it does not rise.
    """
    steps: list[ScatterPoint] = []
    for point in sorted(points, key=lambda each: each.size):
        if not steps or is_better(point, steps[-1]):
            steps.append(point)
    if len(steps) < 2:
        return []
    places = [(point.size, point.value) for point in steps]
    return as_steps(places, max(x_axis.low, x_axis.high))


def size_labels(x_axis: Axis) -> list[Markup]:
    """Label round sizes inside the axis, by the finest steps that give at most six labels."""
    for tenths in TENTHS:
        sizes = []
        for power in range(-3, 13):
            steps = [tenth * 10**power / 10 for tenth in tenths]
            sizes += [size for size in steps if x_axis.low <= log10(size) <= x_axis.high]
        if len(sizes) <= MOST_LABELS:
            return [x_label(x_axis.place(log10(size)), numbers.round_size(size)) for size in sizes]
    return []


def _boxes(name: str, x: float, y: float, pixels: float) -> dict[str, Box]:
    """Return the box of a label at each side of a point; none for an empty label.

    At `above from` and `below from` it starts at the point.
    """
    if not name:
        return {}
    dot = 100 * DOT / pixels
    width = 100 * LETTER * len(name) / pixels + dot
    return {
        "right": (x + dot, x + dot + width, y - 3, y + 3),
        "left": (x - dot - width, x - dot, y - 3, y + 3),
        "above": (x - width / 2, x + width / 2, y + 3, y + 10),
        "below": (x - width / 2, x + width / 2, y - 10, y - 3),
        "above from": (x - dot, x + width, y + 3, y + 10),
        "below from": (x - dot, x + width, y - 10, y - 3),
    }


def _overlap(box: Box, other: Box) -> bool:
    left, right, bottom, top = other
    return box[0] < right and left < box[1] and box[2] < top and bottom < box[3]
