"""Scatter plot: value against a cost on a log scale, with names beside the dots and the front.

The front is the staircase of the best value up to each cost.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log10

from markupsafe import Markup

from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import Axis, grid, line, svg
from hinet_search.report.drawing.html import tag
from hinet_search.report.facts.record import as_steps

LETTER = 1.75  # width of a letter of a label, per cent of the plot at its narrowest (430 px)
MOST_LABELS = 6
SIZES = tuple(
    tuple(tenth * 10**power / 10 for power in range(-3, 13) for tenth in tenths)
    for tenths in (
        (10, 11, 12, 13, 14, 15, 16, 18),
        range(10, 100, 2),
        (10, 15, 20, 30, 50, 70),
        (10, 20, 50),
        (10,),
    )
)
SIDES = ("right", "left", "above", "below", "above from", "below from")  # from: starts at the point
Box = tuple[float, float, float, float]  # left, right, bottom, top in per cent


@dataclass(frozen=True)
class ScatterPoint:
    """One dot; `size` is log10 of its cost, `kind` a CSS class, `label` the text beside it.

    A dot `is_small` to be less important.
    """

    name: str
    is_focus: bool
    size: float
    value: float
    kind: str = ""
    label: str | None = None
    is_small: bool = False

    @property
    def written(self) -> str:
        """The text beside the dot; empty for a dot without one."""
        return self.name if self.label is None else self.label


def plot(
    points: Sequence[ScatterPoint],
    axes: tuple[Axis, Axis],
    beneath: Iterable[Markup],
    words: tuple[str, str],
    *,
    maximize: bool,
    class_: str = "picture ship",
) -> Markup:
    """Draw the front of the points, what lies `beneath` them, and the dots with their names.

    `words` are those below the plot and those for screen readers.
    """
    x_axis, y_axis = axes
    below, label = words
    drawn = [
        grid(y_axis),
        svg(line(front(points, x_axis, maximize=maximize), x_axis, y_axis, "front"))
        if points
        else Markup(""),
        *beneath,
        *_marks(points, axes, maximize=maximize),
        tag("span", below, class_="xt"),
    ]
    box = tag("div", *drawn, class_="plot-box", role="img", aria_label=label)
    return tag("div", box, class_=class_)


def in_order(points: Iterable[ScatterPoint]) -> str:
    """Name points with their values, from left to right."""
    ordered = sorted(points, key=lambda point: point.size)
    return ", ".join(f"{point.name} {numbers.metric(point.value)}" for point in ordered)


def sides_of(points: Sequence[ScatterPoint], x_axis: Axis, y_axis: Axis) -> list[str]:
    """Return the side of each point that its name is on; "" for a name that does not fit."""
    places = [(x_axis.place(point.size), y_axis.place(point.value)) for point in points]
    scales = [0.5 if point.is_small else 1.0 for point in points]
    taken = [_dot_box(*place, scale) for place, scale in zip(places, scales, strict=True)]
    sides = []
    for point, (x, y) in zip(points, places, strict=True):
        side, box = _free_side(point.written, x, y, taken) if point.written else ("", None)
        sides.append(side)
        taken += [box] if side and box else []
    return sides


def _marks(
    points: Sequence[ScatterPoint], axes: tuple[Axis, Axis], *, maximize: bool
) -> Iterator[Markup]:
    """Yield a dot per point, a ring if another one is cheaper and better, and its name."""
    for point, side in zip(points, sides_of(points, *axes), strict=True):
        x = axes[0].place(point.size)
        y = axes[1].place(point.value)
        ring = " ring" if any(_beats(other, point, maximize=maximize) for other in points) else ""
        me = " me" if point.is_focus else ""
        at = f"left:{x:.1f}%;bottom:{y:.1f}%"
        kind = f" {point.kind}" if point.kind else ""
        kind += " small" if point.is_small else ""
        yield tag("i", class_=f"dot{kind}{me}{ring}", style=at, title=point.name)
        if side:
            yield tag("span", point.written, class_=f"tag {side}{me}", style=at)


def front(
    points: Sequence[ScatterPoint], x_axis: Axis, *, maximize: bool
) -> list[tuple[float, float]]:
    """Return the Pareto front as a staircase: the best value up to each size."""
    best = [
        point
        for point in points
        if not any(_beats(other, point, maximize=maximize) for other in points)
    ]
    steps = sorted((point.size, point.value) for point in best)
    return as_steps(steps, x_axis.high)


def _beats(left: ScatterPoint, right: ScatterPoint, *, maximize: bool) -> bool:
    better = left.value > right.value if maximize else left.value < right.value
    return better and left.size <= right.size


def size_labels(x_axis: Axis) -> list[Markup]:
    """Label round sizes inside the axis, by the finest steps that give at most six labels."""
    sizes: list[float] = []
    for steps in SIZES:
        sizes = [size for size in steps if x_axis.low <= log10(size) <= x_axis.high]
        if len(sizes) <= MOST_LABELS:
            break
    else:
        sizes = []
    labels = []
    for size in sizes:
        place = f"left:{x_axis.place(log10(size)):.1f}%"
        labels.append(tag("span", numbers.round_size(size), class_="tx", style=place))
    return labels


def _dot_box(x: float, y: float, scale: float = 1.0) -> Box:
    return x - 1.5 * scale, x + 1.5 * scale, y - 3 * scale, y + 3 * scale


def _free_side(name: str, x: float, y: float, taken: Sequence[Box]) -> tuple[str, Box]:
    """Return the first side of a point where its label fits, with its box; "" if there is none."""
    width = LETTER * len(name) + 1.5
    centred = (x - width / 2, x + width / 2)
    begun = (x - 1.5, x + width)
    above = (y + 3, y + 10)
    below = (y - 10, y - 3)
    boxes = {
        "right": (x + 1.5, x + width + 1, y - 3, y + 3),
        "left": (x - width - 1, x - 1.5, y - 3, y + 3),
        "above": (*centred, *above),
        "below": (*centred, *below),
        "above from": (*begun, *above),
        "below from": (*begun, *below),
    }
    for side in SIDES:
        box = boxes[side]
        is_inside = box[0] >= 0 and box[1] <= 100
        if is_inside and not any(_overlap(box, other) for other in taken):
            return side, box
    return "", _dot_box(x, y)


def _overlap(box: Box, other: Box) -> bool:
    left, right, bottom, top = other
    return box[0] < right and left < box[1] and box[2] < top and bottom < box[3]
