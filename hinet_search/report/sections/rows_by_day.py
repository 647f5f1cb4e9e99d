"""Rows by day: how many rows each day has in every split, and how label rates move from day to day.

The split is marked by colour, so any kind of split is.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from markupsafe import Markup

from hinet_search.report import html, numbers
from hinet_search.report.figures import (
    Axis,
    CostPoint,
    axis_over,
    band,
    dots,
    grid,
    line,
    plot_box,
    svg,
    x_label,
)
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.data_record import DataRecord, Timeline
from hinet_search.results.study_record import StudyRecord

ORDER = 62
FEW = 0.01  # of the rows of the fullest period: fewer have no dot
CLASSES = ("", " valid", " me")  # of train, valid, test


def build(record: StudyRecord) -> Card:
    """Build a picture of the rows, and one of every task's mean label."""
    timeline = record.data.timeline
    if timeline is None or len(timeline.rows) < 2:
        raise NotApplicable(
            "needs rows of two days: the data name their `time`, with `time_unit` if it has "
            "numbers, and were encoded by this release"
        )
    pictures = [_rows(timeline), *(_means(timeline, task) for task in timeline.means)]
    period = "a day" if timeline.days == 1 else f"{timeline.days} days each"
    legend = (
        f"Bars: rows of {period}. Dots: mean label of {period}, in the colour of the "
        "split with most of these rows. Grey: train. Strong: validation. Blue: test. Few "
        "rows, under a hundredth of the longest bar, have no dot. Only rows of the study count."
    )
    lead = f"The split: {record.data.split}."
    body = html.tag("div", html.join(pictures), class_="many three") + html.note(legend)
    return Card("rows-by-day", "Trust", _heading(record.data), lead, body, folded=True)


def _heading(data: DataRecord) -> str:
    """Say how the mean label of every task moves from train to test, over all scenarios."""
    moves = []
    for task in data.tasks:
        train, _, test = (_mean_label(data, task, split) for split in range(3))
        moves.append(f"{task} {numbers.metric(train)} → {numbers.metric(test)}")
    return f"Mean label from train to test: {', '.join(moves)}"


def _mean_label(data: DataRecord, task: str, split: int) -> float | None:
    rows = 0
    total = 0.0
    for cell in data.cells:
        if cell.task == task:
            rows += cell.rows[split]
            of_amounts = cell.means[split] * cell.rows[split] if cell.means else 0.0
            total += of_amounts if cell.means else cell.positives[split]
    return total / rows if rows else None


def _rows(timeline: Timeline) -> Markup:
    """Draw a bar per period; rows of the splits stand one on another."""
    x_axis = Axis(0.0, len(timeline.rows))
    y_axis = Axis(0.0, 1.05 * max(map(sum, timeline.rows)))
    below = [0] * len(timeline.rows)
    shapes = []
    for split, class_ in enumerate(CLASSES):
        above = [low + rows[split] for low, rows in zip(below, timeline.rows, strict=True)]
        shapes.append(band(_steps(below), _steps(above), x_axis, y_axis, f"band{class_}"))
        below = above
    content = [_grid_of_counts(y_axis), *_dates(timeline), svg(*shapes)]
    spoken = f"{numbers.compact(sum(map(sum, timeline.rows)))} rows by time"
    return html.tag("div", html.tag("h3", "Rows"), plot_box(content, spoken))


def _steps(heights: Sequence[int]) -> list[CostPoint]:
    corners: list[CostPoint] = []
    for place, height in enumerate(heights):
        corners += [(place, height), (place + 1, height)]
    return corners


def _means(timeline: Timeline, task: str) -> Markup:
    """Draw a dot per period, coloured by the split of most of its rows, on a line."""
    by_split: tuple[list[CostPoint], ...] = ([], [], [])
    points: list[CostPoint] = []
    most = max(map(sum, timeline.rows))
    for place, (rows, mean) in enumerate(zip(timeline.rows, timeline.means[task], strict=True)):
        if mean is not None and sum(rows) >= FEW * most:
            points.append((place + 0.5, mean))
            by_split[rows.index(max(rows))].append(points[-1])
    x_axis = Axis(0.0, len(timeline.rows))
    y_axis = axis_over([0.0, *(mean for _, mean in points)])
    shapes = [line(points, x_axis, y_axis, "ghost")] if points else []
    for class_, of_split in zip(CLASSES, by_split, strict=True):
        shapes.append(dots(of_split, x_axis, y_axis, f"dots{class_}"))
    content = [grid(y_axis, 3), *_dates(timeline), svg(*shapes)]
    spoken = f"mean label of {task} in {len(points)} periods"
    return html.tag("div", html.tag("h3", f"Mean label of {task}"), plot_box(content, spoken))


def _grid_of_counts(y_axis: Axis) -> Markup:
    lines = []
    for value in y_axis.ticks(3):
        text = html.tag("span", numbers.round_size(value))
        lines.append(html.tag("i", text, class_="gy", style=f"bottom:{y_axis.place(value):.1f}%"))
    return html.join(lines)


def _dates(timeline: Timeline) -> Iterator[Markup]:
    """Yield three dates below a picture, or numbers of days since the first one."""
    num_periods = len(timeline.rows)
    for place in sorted({0, num_periods // 2, num_periods - 1}):
        text = f"day {place * timeline.days + 1}"
        if timeline.begin:
            begin = date.fromisoformat(timeline.begin) + timedelta(place * timeline.days)
            text = begin.isoformat()[5:]
        yield x_label(100 * (place + 0.5) / num_periods, text)
