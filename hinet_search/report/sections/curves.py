"""Curves: validation during training of each arm's chosen finalist, mean and range over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import (
    Axis,
    CostPoint,
    axis_near_the_best,
    band,
    grid,
    line,
    plot_box,
    svg,
    x_label,
)
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 53
MOST_POINTS = 60
FELL = 0.002  # a mean curve that ends this much worse than its best point has worsened


Point = tuple[float, float, float, float]  # epochs; mean, lowest, highest over the seeds there


@dataclass(frozen=True)
class Curve:
    """The points of an arm at each step that some of its seeds reached."""

    name: str
    is_focus: bool
    points: list[Point]

    def line(self, place: int, y_axis: Axis) -> list[CostPoint]:
        """Return (epochs, value) from where the mean enters the plot; `place` is of the value."""
        inside = [k for k, (_, y, _, _) in enumerate(self.points) if y_axis.low <= y <= y_axis.high]
        first = inside[0] if inside else 0
        return [(point[0], point[place]) for point in self.points[first:]]


def build(record: StudyRecord) -> Card:
    """Build one small plot per arm on shared axes, with the focus dashed behind the others."""
    curves = _curves(record)
    if not curves:
        raise NotApplicable(
            "needs finalists with two evaluations; "
            "the launch command trains them once the trials are done"
        )
    objective = record_facts.objective_in_words(record)
    several = record_facts.has_several_seeds(record)
    seeds = " Line: mean over seeds. Band: lowest to highest." if several else " One seed each."
    lead = f"{objective} on validation against epochs.{seeds}"
    legend = (
        "All plots share both axes; a line starts where it enters the plot. "
        "Dashed: the curve of the first plot."
    )
    if several:
        legend += " A seed that stopped early is not in the mean after its end."
    body = [html.tag("div", html.join(_pictures(record, curves)), class_="many"), html.note(legend)]
    heading = _heading(record, curves)
    return Card(
        "curves", "Search", heading, record_facts.capitalized(lead), html.join(body), folded=True
    )


def _heading(record: StudyRecord, curves: Sequence[Curve]) -> str:
    num_worsened = 0
    for curve in curves:
        values = [record.sign * y for _, y, _, _ in curve.points]
        num_worsened += max(values) - values[-1] > FELL
    if not num_worsened:
        return "No learning curve has worsened by the end of training"
    have = numbers.agree(num_worsened, "has", "have")
    count = f"{num_worsened} of {numbers.plural(len(curves), 'learning curve')}"
    return f"{count} {have} worsened by the end of training"


def _curves(record: StudyRecord) -> list[Curve]:
    """Return the curves of the arms that have two evaluations."""
    focus = record_facts.focus_of(record)
    curves = []
    for arm, finalist in record_facts.finalists(record):
        steps: dict[int, list[CostPoint]] = {}
        for run in finalist.runs:
            for each in run.evaluations:
                steps.setdefault(each.step, []).append((each.epochs, each.objective))
        points = []
        for _, of_seeds in sorted(steps.items()):
            values = [y for _, y in of_seeds]
            epochs = fmean(x for x, _ in of_seeds)
            points.append((epochs, fmean(values), min(values), max(values)))
        if len(points) > 1:
            curves.append(Curve(title(arm.name), arm == focus, thinned(points)))
    return curves


def thinned(points: list[Point]) -> list[Point]:
    """Return every k-th point and the last one, about `MOST_POINTS` in all, without smoothing."""
    stride = max(1, -(-len(points) // MOST_POINTS))
    last = [] if (len(points) - 1) % stride == 0 else points[-1:]
    return [*points[::stride], *last]


def _pictures(record: StudyRecord, curves: Sequence[Curve]) -> list[Markup]:
    x_axis = Axis(0.0, max(curve.points[-1][0] for curve in curves))
    # An axis for the late evaluations; the first are far off and would flatten the rest.
    values: list[float] = []
    bests: list[float] = []
    for curve in curves:
        for _, *of_point in curve.points:
            values += of_point
        bests += curve.points[-1][2:]
    y_axis = axis_near_the_best(values, bests, maximize=record.maximize)
    ghosts = [curve.line(1, y_axis) for curve in curves if curve.is_focus]
    pictures = []
    for curve in curves:
        behind = ghosts if not curve.is_focus else []
        pictures.append(_picture(curve, x_axis, y_axis, behind))
    return pictures


def _picture(
    curve: Curve, x_axis: Axis, y_axis: Axis, ghosts: Sequence[Sequence[CostPoint]]
) -> Markup:
    me = " me" if curve.is_focus else ""
    shapes = [band(curve.line(2, y_axis), curve.line(3, y_axis), x_axis, y_axis, f"band{me}")]
    shapes += [line(ghost, x_axis, y_axis, "ghost") for ghost in ghosts]
    shapes.append(line(curve.line(1, y_axis), x_axis, y_axis, f"mid{me}"))
    labels = [x_label(x_axis.place(tick), f"{tick:g}") for tick in x_axis.ticks(4)]
    content = [grid(y_axis, 3), *labels, svg(html.join(shapes))]
    first = numbers.metric(curve.points[0][1])
    last = numbers.metric(curve.points[-1][1])
    spoken = f"{curve.name}: {first} at the first evaluation, {last} at the last"
    heading = html.tag("h3", html.remarked(curve.name, f"ends at {last}"))
    return html.tag("div", heading, plot_box(content, spoken))
