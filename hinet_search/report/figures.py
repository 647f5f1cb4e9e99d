"""Figures: HTML positioned in per cent, and SVG without text, so phones show legible labels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, isfinite, log10
from statistics import median, quantiles

from markupsafe import Markup

from hinet_search.report import html
from hinet_search.report.numbers import DASH, gain, interval, metric, spread, ticks
from hinet_search.results.statistics.paired_difference import Difference, Summary

CostPoint = tuple[float, float]

SYMBOLS = {"better": "▲", "unclear": "≈", "worse": "▼", "observation": "○"}
LAST_LABEL = 97  # per cent of a forest's axis; a label beyond it would leave the page
CLASSES = {"better": "win", "unclear": "tie", "worse": "loss", "observation": "seen"}
# With half of all times in the first eighth, a linear axis would show one step and a flat line.
CROWDED = 8
MOST_LABELS = 6
UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "m"), (1.0, "s"))
ROUND = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 18_000, 36_000)
ROUND_DAYS = (86_400, 172_800, 432_000, 864_000)


def marked(difference: Difference) -> Markup:
    """Return a gain with its mark: a shape, and a word for screen readers."""
    shape = html.tag("i", SYMBOLS[difference.mark], role="img", aria_label=difference.mark)
    return html.join([shape, f" {gain(difference.mean)}"])


def over_seeds(reached: Summary | None) -> Markup:
    """Return a cell with a mean over seeds and the standard deviation; a dash without any."""
    if reached is None:
        return html.number(DASH)
    return html.number(html.remarked(metric(reached.mean), spread(reached.deviation)))


@dataclass(frozen=True)
class Axis:
    """A linear axis from `low` to `high`; positions on it are in per cent of its length."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return the position of a value in per cent, clipped to the axis."""
        return min(100.0, max(0.0, 100 * (value - self.low) / (self.high - self.low)))

    def ticks(self, most: int = 5) -> list[float]:
        """Return at most `most` round values inside the axis."""
        raw = (self.high - self.low) / most
        size = 10.0 ** floor(log10(raw))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
        first = -floor(-self.low / step)
        return [round(k * step, 12) for k in range(first, floor(self.high / step) + 1)]


def axis_over(values: Sequence[float], margin: float = 0.06) -> Axis:
    """Return an axis over all finite values with a margin; a single value is centred."""
    finite = [value for value in values if isfinite(value)] or [0.0]
    low = min(finite)
    high = max(finite)
    padding = (high - low) * margin or abs(high) * 0.01 or 0.001
    return Axis(low - padding, high + padding)


def axis_near_the_best(values: Sequence[float], bests: Sequence[float], *, maximize: bool) -> Axis:
    """Return an axis from the worse quartile of all values to the best.

    The first draws may be far off and would flatten the rest.
    """
    if len(values) < 4:
        return axis_over(values)
    lower, _, upper = quantiles(values, n=4)
    if maximize:
        shown = [value for value in values if value >= lower]
    else:
        shown = [value for value in values if value <= upper]
    return axis_over([*shown, *bests], margin=0.12)


def spread_apart(places: Sequence[float], gap: float) -> list[float]:
    """Move positions (per cent) until they are `gap` apart, in an upward and a downward sweep."""
    gap = min(gap, 100 / max(1, len(places) - 1))
    order = sorted(range(len(places)), key=lambda k: places[k])
    moved = list(places)
    for before, current in pairwise(order):
        moved[current] = max(moved[current], moved[before] + gap)
    highest = 100.0
    for current in reversed(order):
        moved[current] = min(moved[current], highest)
        highest = moved[current] - gap
    return moved


@dataclass(frozen=True)
class ForestRow:
    """One row: name, remark, and a difference; `reason` says why it or its interval is missing."""

    name: str
    remark: str
    difference: Difference | None
    reason: str = ""


def forest(rows: Sequence[ForestRow], first: str, second: str) -> Markup:
    """Draw a dot and an interval per row around a zero line, with the numbers as text beside them.

    Of too few seeds it draws a small dot per seed instead: their interval says little.
    `first` and `second` head the columns of names and of values.
    """
    differences = [row.difference for row in rows if row.difference is not None]
    axis = _forest_axis(differences)
    alike = len({difference.lacks for difference in differences}) == 1
    values = axis.ticks()
    labels = []
    for value, text in zip(values, ticks(values, signed=True), strict=True):
        place = axis.place(value)
        if place < LAST_LABEL:
            labels.append(html.tag("span", text, style=f"left:{place:.1f}%"))
    drawn = html.join(
        [html.tag("span", "drawn", class_="sr"), html.tag("div", html.join(labels), class_="ax")]
    )
    header = html.tag(
        "tr",
        html.column(first),
        html.column(second, "r"),
        html.column("Interval", "iv-text"),
        html.column(drawn, "plot"),
    )
    body = html.tag("tbody", html.join(_forest_row(row, axis, alike=alike) for row in rows))
    caption = html.caption(f"{second}, with its interval")
    return html.tag("table", caption, html.tag("thead", header), body, class_="forest")


def _forest_axis(differences: Sequence[Difference]) -> Axis:
    """Return an axis over all means, and over the intervals up to three times the largest mean."""
    reach = 3 * max([abs(difference.mean) for difference in differences], default=0.0) or 0.001
    values = [0.0]
    for difference in differences:
        known: Sequence[float | None] = difference.by_seed
        known = known or (difference.low, difference.mean, difference.high)
        values += [min(reach, max(-reach, value)) for value in known if value is not None]
    return axis_over(values)


def leaves_the_picture(differences: Sequence[Difference]) -> bool:
    """Whether a forest plot of the differences cuts off an interval."""
    axis = _forest_axis(differences)
    return any(
        difference.low < axis.low or (difference.high or 0.0) > axis.high
        for difference in differences
        if difference.low is not None and not difference.by_seed
    )


def _forest_row(row: ForestRow, axis: Axis, *, alike: bool) -> Markup:
    """Draw one row; what an observation lacks is written unless all rows are `alike` in it."""
    remark = html.tag("small", row.remark) if row.remark else ""
    name = html.tag("th", row.name, " ", remark, scope="row")
    zero = html.tag("i", class_="z", style=f"left:{axis.place(0):.1f}%")
    difference = row.difference
    if difference is None:
        plot = html.tag("td", html.tag("div", zero, class_="iv"), class_="plot")
        return html.tag("tr", name, html.tag("td", row.reason, class_="t why", colspan="2"), plot)
    span = interval(difference.low, difference.high)
    if difference.low is None and row.reason:
        span = row.reason
    spoken = f"{gain(difference.mean)}, interval {span}"
    text: html.Content = span
    if difference.lacks:
        spoken += ", an observation"
        if not alike:
            text = html.remarked(span, f"observation: {difference.lacks}")
    kind = CLASSES[difference.mark]
    dot = html.tag("i", class_="d", style=f"left:{axis.place(difference.mean):.1f}%")
    drawn = html.join([zero, _whisker(difference, axis), dot])
    plot = html.tag("div", drawn, class_=f"iv {kind}", role="img", aria_label=spoken)
    return html.tag(
        "tr",
        name,
        html.tag("td", marked(difference), class_=f"gain {kind}"),
        html.tag("td", text, class_="iv-text"),
        html.tag("td", plot, class_="plot"),
    )


def _whisker(difference: Difference, axis: Axis) -> Markup:
    if difference.by_seed:
        places = [f"left:{axis.place(each):.1f}%" for each in difference.by_seed]
        return html.join(html.tag("i", class_="s", style=place) for place in places)
    if difference.low is None or difference.high is None:
        return Markup("")
    left = axis.place(difference.low)
    right = axis.place(difference.high)
    classes = "w"
    if difference.low < axis.low:
        classes += " cut-left"
    if difference.high > axis.high:
        classes += " cut-right"
    return html.tag("i", class_=classes, style=f"left:{left:.1f}%;width:{right - left:.1f}%")


def bar(share: float) -> Markup:
    """Return a table cell with a bar over that share of its width."""
    width = 100 * min(1.0, max(0.0, share))
    drawn = html.tag("i", style=f"width:{width:.0f}%")
    return html.tag("td", drawn, class_="bar")


def path(points: Sequence[CostPoint], x_axis: Axis, y_axis: Axis) -> str:
    """Return SVG path data in a 100 x 100 box, y upwards.

    Horizontal and vertical segments take a single number.
    """
    places = []
    for x, y in points:
        places.append((round(x_axis.place(x), 1), round(100 - y_axis.place(y), 1)))
    x, y = places[0]
    written = f"M{x:g} {y:g}"
    for (before_x, before_y), (x, y) in pairwise(places):
        if x != before_x and y != before_y:
            written += f"L{x:g} {y:g}"
        elif x != before_x:
            written += f"H{x:g}"
        elif y != before_y:
            written += f"V{y:g}"
    return written


def svg(*shapes: Markup) -> Markup:
    """Return a drawing that fills its box; it has no text, so it may be stretched."""
    return html.tag(
        "svg", *shapes, viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true"
    )


def plot_box(content: Iterable[Markup], spoken: str) -> Markup:
    """Return the box of a plot; `spoken` says what it shows to screen readers."""
    return html.tag("div", html.join(content), class_="plot-box", role="img", aria_label=spoken)


def x_label(place: float, text: str, class_: str = "tx") -> Markup:
    """Return a label below a plot, at a place in per cent."""
    return html.tag("span", text, class_=class_, style=f"left:{place:.1f}%")


def line(points: Sequence[CostPoint], x_axis: Axis, y_axis: Axis, class_: str = "") -> Markup:
    """Return a line through points."""
    return html.tag("path", d=path(points, x_axis, y_axis), class_=class_)


def dots(points: Iterable[CostPoint], x_axis: Axis, y_axis: Axis, class_: str = "dots") -> Markup:
    """Return a round dot at each point inside the axes: lines of length 0 with round ends."""
    drawn = []
    for x, y in points:
        if x_axis.low <= x <= x_axis.high and y_axis.low <= y <= y_axis.high:
            drawn.append(f"M{x_axis.place(x):.1f} {100 - y_axis.place(y):.1f}h0")
    return html.tag("path", d="".join(drawn), class_=class_)


def band(
    lower: Sequence[CostPoint], upper: Sequence[CostPoint], x_axis: Axis, y_axis: Axis, class_: str
) -> Markup:
    """Return the area between two lines over the same x."""
    return html.tag("path", d=path([*upper, *reversed(lower)], x_axis, y_axis) + "Z", class_=class_)


def grid(y_axis: Axis, most: int = 5) -> Markup:
    """Return horizontal lines at round values, labelled at the left."""
    values = y_axis.ticks(most)
    return html.join(
        html.tag(
            "i", html.tag("span", text), class_="gy", style=f"bottom:{y_axis.place(value):.1f}%"
        )
        for value, text in zip(values, ticks(values), strict=True)
    )


@dataclass(frozen=True)
class TimeAxis:
    """A time axis; `axis` is in seconds, or in log10 of seconds if `log`."""

    axis: Axis
    log: bool

    @property
    def words(self) -> str:
        """Label of the axis."""
        return f"training time of the arm{', log scale' if self.log else ''}"

    def along(self, seconds: float) -> float:
        """Convert seconds to the unit of the axis; a log axis clips times before its start."""
        if not self.log:
            return seconds
        return max(self.axis.low, log10(seconds)) if seconds > 0 else self.axis.low

    def labels(self) -> Iterator[Markup]:
        """Yield round times as labels; every second one is shown on wide screens only."""
        for k, (seconds, text) in enumerate(self._round_times()):
            place = self.axis.place(self.along(seconds))
            yield x_label(place, text, "tx wide" if k % 2 else "tx")

    def _round_times(self) -> Iterator[tuple[float, str]]:
        if self.log:
            sizes = (*ROUND, *ROUND_DAYS)
            inside = [size for size in sizes if self.axis.low <= log10(size) <= self.axis.high]
            for seconds in inside[:: max(1, -(-len(inside) // MOST_LABELS))]:
                size, unit = next((unit for unit in UNITS if seconds >= unit[0]), UNITS[-1])
                yield float(seconds), f"{seconds / size:g} {unit}"
            return
        size, unit = next((unit for unit in UNITS if self.axis.high >= 2 * unit[0]), UNITS[-1])
        for tick in Axis(self.axis.low / size, self.axis.high / size).ticks(MOST_LABELS):
            yield size * tick, f"{tick:g} {unit}" if tick else "0"


def time_axis_over(times: Sequence[float], longest: float) -> TimeAxis:
    """Return an axis up to `longest` seconds on which most of `times` are distinguishable.

    It is linear from 0, or logarithmic from the first time if half of the times lie in the first
    eighth.
    """
    later = sorted(time for time in times if time > 0)
    if later and later[0] < longest and median(later) < longest / CROWDED:
        return TimeAxis(Axis(log10(later[0]), log10(longest)), log=True)
    return TimeAxis(Axis(0.0, longest or 1.0), log=False)
