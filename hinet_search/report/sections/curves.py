"""Curves: validation during training of each arm's chosen finalist, mean and range over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from hinet_search.results.records import FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 53
MOST_POINTS = 60
FELL = 0.002  # a mean curve that ends this much worse than its best point has worsened


@dataclass(frozen=True)
class Curve:
    """(passes, value) points: mean, lowest and highest over the seeds that reached each step."""

    name: str
    is_focus: bool
    mean: list[CostPoint]
    lowest: list[CostPoint]
    highest: list[CostPoint]

    def entered(self, y_axis: Axis) -> "Curve":
        """Return the curve from where its mean enters the plot."""
        inside = [k for k, (_, y) in enumerate(self.mean) if y_axis.low <= y <= y_axis.high]
        first = inside[0] if inside else 0
        return replace(
            self, mean=self.mean[first:], lowest=self.lowest[first:], highest=self.highest[first:]
        )


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
    lead = f"{objective} on validation against passes over the training data.{seeds}"
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
        values = [record.sign * y for _, y in curve.mean]
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
        curve = _curve(title(arm.name), finalist, is_focus=arm == focus)
        if len(curve.mean) > 1:
            curves.append(curve)
    return curves


def _curve(name: str, finalist: FinalistRecord, *, is_focus: bool) -> Curve:
    steps: dict[int, list[CostPoint]] = {}
    for run in finalist.runs:
        for evaluation in run.evaluations:
            steps.setdefault(evaluation.step, []).append((evaluation.passes, evaluation.objective))
    mean = []
    lowest = []
    highest = []
    for _, points in sorted(steps.items()):
        passes = fmean(x for x, _ in points)
        values = [y for _, y in points]
        mean.append((passes, fmean(values)))
        lowest.append((passes, min(values)))
        highest.append((passes, max(values)))
    return Curve(
        name,
        is_focus,
        record_facts.thinned(mean, MOST_POINTS),
        record_facts.thinned(lowest, MOST_POINTS),
        record_facts.thinned(highest, MOST_POINTS),
    )


def _pictures(record: StudyRecord, curves: Sequence[Curve]) -> list[Markup]:
    x_axis = Axis(0.0, max(curve.mean[-1][0] for curve in curves))
    # An axis for the late evaluations; the first are far off and would flatten the rest.
    values: list[float] = []
    bests: list[float] = []
    for curve in curves:
        for points in (curve.lowest, curve.mean, curve.highest):
            values += [y for _, y in points]
        bests += [curve.lowest[-1][1], curve.highest[-1][1]]
    y_axis = axis_near_the_best(values, bests, maximize=record.maximize)
    ghosts = [curve.entered(y_axis).mean for curve in curves if curve.is_focus]
    pictures = []
    for curve in curves:
        behind = ghosts if not curve.is_focus else []
        pictures.append(_picture(curve, x_axis, y_axis, behind))
    return pictures


def _picture(
    curve: Curve, x_axis: Axis, y_axis: Axis, ghosts: Sequence[Sequence[CostPoint]]
) -> Markup:
    visible = curve.entered(y_axis)
    me = " me" if curve.is_focus else ""
    shapes = [band(visible.lowest, visible.highest, x_axis, y_axis, f"band{me}")]
    shapes += [line(ghost, x_axis, y_axis, "ghost") for ghost in ghosts]
    shapes.append(line(visible.mean, x_axis, y_axis, f"mid{me}"))
    labels = [
        x_label(x_axis.place(tick), numbers.without_zero(f"{tick:g}")) for tick in x_axis.ticks(4)
    ]
    content = [grid(y_axis, 3), *labels, svg(html.join(shapes))]
    first = numbers.metric(curve.mean[0][1])
    last = numbers.metric(curve.mean[-1][1])
    spoken = f"{curve.name}: {first} at the first evaluation, {last} at the last"
    heading = html.tag("h3", html.remarked(curve.name, f"ends at {last}"))
    return html.tag("div", heading, plot_box(content, spoken))
