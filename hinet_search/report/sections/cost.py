"""Cost: what each arm's chosen finalist weighs and takes, beside what it reaches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10
from statistics import fmean

from markupsafe import Markup

from hinet_search.compare import Split, headline_by_seed, title
from hinet_search.records import Cost, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import Axis, axis_over, grid, line, svg
from hinet_search.report.markup import head, join, note, row, scroll, table, tag

ORDER = 30
LETTER = 1.75  # width of a letter of a label, per cent of the picture where it is narrowest (430 px)
MOST_LABELS = 6
ALIKE = 0.05
SIZES = tuple(
    tuple(tenth * 10**power / 10 for power in range(13) for tenth in tenths)
    for tenths in ((10, 11, 12, 13, 14, 15, 16, 18), range(10, 100, 2), (10, 15, 20, 30, 50, 70), (10, 20, 50), (10,))
)
SIDES = ("right", "left", "above", "below", "above from", "below from")  # from: it begins at the point
Box = tuple[float, float, float, float]  # left, right, bottom, top in per cent


@dataclass(frozen=True)
class Entry:
    """One arm: costs as means over its seeds, and the measure of the verdict."""

    name: str
    is_focus: bool
    cost: Cost
    milliseconds: float | None  # for 100 rows
    value: float | None


@dataclass(frozen=True)
class Point:
    """One arm in the picture; `size` is log10 of its parameters without embeddings."""

    name: str
    is_focus: bool
    size: float
    value: float


def build(record: StudyRecord) -> Card:
    """A table of costs and a picture of value against size."""
    opened = any(run.test_cells is not None for _, finalist in reading.finalists(record) for run in finalist.runs)
    split: Split = "test" if opened else "valid"
    entries = _entries(record, split)
    if not entries:
        raise NotApplicable("needs finalists; the launch command trains them once the trials are done")
    several = any(len(finalist.runs) > 1 for _, finalist in reading.finalists(record))
    lead = (
        f"{'Means over the seeds' if several else 'One seed'} of each arm's chosen finalist. Rows per second and time are of "
        "training, on the machine that ran it."
    )
    if any(entry.milliseconds is not None for entry in entries):
        devices = ", ".join(sorted({entry.cost.device for entry in entries}))
        beside = " beside other slots" if record.slots > 1 else ""
        lead += f" The time for 100 rows is that of one request, a median, on {devices}{beside}."
    if not all(entry.cost.flops_per_row for entry in entries):
        lead += " A dash: no torch model, so neither parameters nor FLOPs."
    parts = [one for one in (_table(entries), _picture(record, entries, split)) if one]
    body = tag("div", *(tag("div", one) for one in parts), class_="two") if len(parts) > 1 else parts[0]
    return Card("cost", "Cost", _heading(entries), lead, body)


def _entries(record: StudyRecord, split: Split) -> list[Entry]:
    focus, found = reading.focus_of(record), []
    for arm, finalist in reading.finalists(record):
        costs = [run.cost for run in finalist.runs]
        values = list(headline_by_seed(record, finalist, split).values())
        mean = Cost(
            parameters=costs[0].parameters,
            dense_parameters=costs[0].dense_parameters,
            flops_per_row=costs[0].flops_per_row,
            rows_per_second=fmean(cost.rows_per_second for cost in costs),
            seconds=fmean(cost.seconds for cost in costs),
            peak_memory_bytes=max(cost.peak_memory_bytes for cost in costs),
            device=costs[0].device,
        )
        spent, value = reading.milliseconds_per_100(finalist), fmean(values) if values else None
        found.append(Entry(title(arm.name), arm == focus, mean, spent, value))
    return found


def _heading(entries: Sequence[Entry]) -> str:
    focus = next((entry for entry in entries if entry.is_focus), entries[0])
    timed = [entry for entry in entries if entry.milliseconds]
    if focus in timed and len(timed) > 1:
        rival = next(entry for entry in timed if entry is not focus)
        times = _times((focus.milliseconds or 0.0) / (rival.milliseconds or 1.0), "long")
        return f"{focus.name} takes {times} as {rival.name} to score 100 rows"
    others = [entry for entry in entries if not entry.is_focus and entry.cost.flops_per_row]
    if not others or not focus.cost.flops_per_row:
        return f"What does {focus.name} cost?"
    rival = others[0]
    times = _times(focus.cost.flops_per_row / rival.cost.flops_per_row, "much")
    return f"{focus.name} computes {times} per row as {rival.name}"


def _times(ratio: float, how: str) -> str:
    """`1.5 times as long`, or `about as long` where they are within a twentieth."""
    return f"about as {how}" if abs(ratio - 1) < ALIKE else f"{numbers.ratio(ratio)} times as {how}"


def _table(entries: Sequence[Entry]) -> Markup:
    timed = any(entry.milliseconds is not None for entry in entries)
    columns = (
        "Parameters",
        "without embeddings",
        "FLOPs per row",
        *(["100 rows"] if timed else []),
        "Rows/s",
        "Time",
        "Peak memory",
    )
    header = head("Arm", *columns)
    rows = [
        row(
            entry.name,
            *_sizes(entry.cost),
            *([_time(entry)] if timed else []),
            numbers.compact(entry.cost.rows_per_second),
            numbers.duration(entry.cost.seconds),
            f"{numbers.compact(entry.cost.peak_memory_bytes)}B" if entry.cost.peak_memory_bytes else numbers.DASH,
            class_="me" if entry.is_focus else "",
        )
        for entry in entries
    ]
    return scroll("Cost of all arms", table(header, rows, class_="cost"))


def _time(entry: Entry) -> str:
    return numbers.DASH if entry.milliseconds is None else numbers.milliseconds(entry.milliseconds)


def _sizes(cost: Cost) -> list[str]:
    """Parameters, those without embeddings, and FLOPs; dashes for what is no torch model."""
    if not cost.flops_per_row:
        return [numbers.DASH] * 3
    return [numbers.compact(count) for count in (cost.parameters, cost.dense_parameters, cost.flops_per_row)]


def _picture(record: StudyRecord, entries: Sequence[Entry], split: Split) -> Markup:
    """Value against size, every arm with its name."""
    points = [
        Point(entry.name, entry.is_focus, log10(entry.cost.dense_parameters), entry.value)
        for entry in entries
        if entry.value is not None and entry.cost.dense_parameters and entry.cost.flops_per_row
    ]
    if len(points) < 2:
        return Markup("")
    x_axis = axis_over([point.size for point in points], margin=0.18)
    y_axis = axis_over([point.value for point in points], margin=0.14)
    spoken = ", ".join(f"{point.name} {numbers.metric(point.value)}" for point in sorted(points, key=lambda p: p.size))
    sides = _sides(points, x_axis, y_axis)
    drawn = [
        grid(y_axis),
        svg(line(_front(points, x_axis, maximize=record.maximize), x_axis, y_axis, "front")),
        *_size_labels(x_axis),
        *_marks(points, sides, (x_axis, y_axis), maximize=record.maximize),
        tag("span", "parameters without embeddings, log scale", class_="xt"),
    ]
    label = f"Value against size, smallest first: {spoken}"
    picture = tag("div", tag("div", *drawn, class_="plot-box", role="img", aria_label=label), class_="picture")
    name = f"{reading.capitalized(reading.headline_in_words(record))} on {'test' if split == 'test' else 'validation'}"
    pointed = "" if all(sides) else " A name without room shows when its dot is pointed at."
    legend = f"Filled: no other arm is both smaller and better. Ring: one is.{pointed}"
    return join([tag("h3", f"{name} and size"), scroll("Value against size", picture), note(legend)])


def _sides(points: Sequence[Point], x_axis: Axis, y_axis: Axis) -> list[str]:
    """Where the name of each point stands; an empty string where it has no room."""
    places = [(x_axis.place(point.size), y_axis.place(point.value)) for point in points]
    taken, sides = [_dot_box(x, y) for x, y in places], []
    for point, (x, y) in zip(points, places, strict=True):
        side, box = _free_side(point.name, x, y, taken)
        sides.append(side)
        taken += [box] if side else []
    return sides


def _marks(
    points: Sequence[Point], sides: Sequence[str], axes: tuple[Axis, Axis], *, maximize: bool
) -> Iterator[Markup]:
    for point, side in zip(points, sides, strict=True):
        x, y = axes[0].place(point.size), axes[1].place(point.value)
        ring = " ring" if any(_beats(other, point, maximize=maximize) for other in points) else ""
        me, at = " me" if point.is_focus else "", f"left:{x:.1f}%;bottom:{y:.1f}%"
        yield tag("i", class_=f"dot{me}{ring}", style=at, title=point.name)
        if side:
            yield tag("span", point.name, class_=f"tag {side}{me}", style=at)


def _front(points: Sequence[Point], x_axis: Axis, *, maximize: bool) -> list[tuple[float, float]]:
    """The staircase of what can be reached with a size."""
    best = [one for one in points if not any(_beats(other, one, maximize=maximize) for other in points)]
    steps = sorted((one.size, one.value) for one in best)
    return reading.as_steps(steps, x_axis.high)


def _beats(left: Point, right: Point, *, maximize: bool) -> bool:
    better = left.value > right.value if maximize else left.value < right.value
    return better and left.size <= right.size


def _size_labels(x_axis: Axis) -> list[Markup]:
    """Round sizes inside the axis: the finest steps that give at most six labels."""
    choices = [[size for size in steps if x_axis.low <= log10(size) <= x_axis.high] for steps in SIZES]
    shown = next((sizes for sizes in choices if len(sizes) <= MOST_LABELS), [])
    return [
        tag("span", numbers.round_size(size), class_="tx", style=f"left:{x_axis.place(log10(size)):.1f}%")
        for size in shown
    ]


def _dot_box(x: float, y: float) -> Box:
    return x - 1.5, x + 1.5, y - 3, y + 3


def _free_side(name: str, x: float, y: float, taken: Sequence[Box]) -> tuple[str, Box]:
    """The first side of a point where its label covers nothing and stays inside; an empty string if there is none."""
    width = LETTER * len(name) + 1.5
    centred = (x - width / 2, x + width / 2)
    begun = (x - 1.5, x + width)
    above, below = (y + 3, y + 10), (y - 10, y - 3)
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
        inside = box[0] >= 0 and box[1] <= 100
        if inside and not any(box[0] < r and left < box[1] and box[2] < t and b < box[3] for left, r, b, t in taken):
            return side, box
    return "", _dot_box(x, y)
