"""Curves: validation during training of each arm's chosen finalist, mean and range over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import (
    Axis,
    CostPoint,
    axis_near_the_best,
    band,
    grid,
    line,
    svg,
)
from hinet_search.report.drawing.html import join, note, tag
from hinet_search.report.facts import record as record_facts
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


def build(record: StudyRecord) -> Card:
    """Build one small plot per arm on shared axes, with the focus dashed behind the others."""
    focus = record_facts.focus_of(record)
    curves = []
    for arm, finalist in record_facts.finalists(record):
        curve = _curve(title(arm.name), finalist, is_focus=arm == focus)
        if len(curve.mean) > 1:
            curves.append(curve)
    if not curves:
        raise NotApplicable(
            "needs finalists with two evaluations; "
            "the launch command trains them once the trials are done"
        )
    x_axis = Axis(0.0, max(x for curve in curves for x, _ in curve.mean))
    y_axis = _y_axis(curves, maximize=record.maximize)
    ghost = next((_entered(curve, y_axis).mean for curve in curves if curve.is_focus), [])
    pictures = [
        _picture(curve, x_axis, y_axis, [] if curve.is_focus else ghost) for curve in curves
    ]
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
    body = [tag("div", *pictures, class_="many"), note(legend)]
    heading = _heading(curves, maximize=record.maximize)
    return Card("curves", "Search", heading, record_facts.capitalized(lead), join(body))


def _heading(curves: Sequence[Curve], *, maximize: bool) -> str:
    worsened = [curve.name for curve in curves if _fall(curve, maximize=maximize) > FELL]
    if not worsened:
        return "No learning curve has worsened by the end of training"
    have = "has" if len(worsened) == 1 else "have"
    count = f"{len(worsened)} of {numbers.plural(len(curves), 'learning curve')}"
    return f"{count} {have} worsened by the end of training"


def _fall(curve: Curve, *, maximize: bool) -> float:
    values = [y if maximize else -y for _, y in curve.mean]
    return max(values) - values[-1]


def _curve(name: str, finalist: FinalistRecord, *, is_focus: bool) -> Curve:
    steps: dict[int, list[CostPoint]] = {}
    for run in finalist.runs:
        for evaluation in run.evaluations:
            steps.setdefault(evaluation.step, []).append((evaluation.passes, evaluation.objective))
    columns = [
        (fmean(x for x, _ in points), [y for _, y in points]) for _, points in sorted(steps.items())
    ]
    return Curve(
        name,
        is_focus,
        record_facts.thinned([(x, fmean(values)) for x, values in columns], MOST_POINTS),
        record_facts.thinned([(x, min(values)) for x, values in columns], MOST_POINTS),
        record_facts.thinned([(x, max(values)) for x, values in columns], MOST_POINTS),
    )


def _y_axis(curves: Sequence[Curve], *, maximize: bool) -> Axis:
    """Return an axis for the late evaluations; the first are far off and would flatten the rest."""
    values: list[float] = []
    bests: list[float] = []
    for curve in curves:
        values += [y for points in (curve.lowest, curve.mean, curve.highest) for _, y in points]
        bests += [points[-1][1] for points in (curve.lowest, curve.highest)]
    return axis_near_the_best(values, bests, maximize=maximize)


def _entered(curve: Curve, y_axis: Axis) -> Curve:
    """Return the curve from where its mean enters the plot."""
    first = next((k for k, (_, y) in enumerate(curve.mean) if y_axis.low <= y <= y_axis.high), 0)
    return replace(
        curve, mean=curve.mean[first:], lowest=curve.lowest[first:], highest=curve.highest[first:]
    )


def _picture(curve: Curve, x_axis: Axis, y_axis: Axis, ghost: Sequence[CostPoint]) -> Markup:
    visible = _entered(curve, y_axis)
    me = " me" if curve.is_focus else ""
    shapes = [band(visible.lowest, visible.highest, x_axis, y_axis, f"band{me}")]
    if ghost:
        shapes.append(line(ghost, x_axis, y_axis, "ghost"))
    drawn = svg(*shapes, line(visible.mean, x_axis, y_axis, f"mid{me}"))
    labels = []
    for tick in x_axis.ticks(4):
        text = numbers.without_zero(f"{tick:g}")
        labels.append(tag("span", text, class_="tx", style=f"left:{x_axis.place(tick):.1f}%"))
    first, last = (numbers.metric(curve.mean[index][1]) for index in (0, -1))
    words = f"{curve.name}: {first} at the first evaluation, {last} at the last"
    content = [grid(y_axis, 3), *labels, drawn]
    picture = tag("div", *content, class_="plot-box", role="img", aria_label=words)
    return tag("div", tag("h3", curve.name, " ", tag("small", f"ends at {last}")), picture)
