"""Curves: validation during training of every arm's chosen finalist, mean and lowest to highest over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.records import FinalistRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import Axis, Point, axis_near_the_best, band, grid, line, svg
from hinet_search.report.markup import join, note, tag

ORDER = 53
MOST_POINTS = 60
FELL = 0.002  # a mean curve that ends this far below its best point has turned


@dataclass(frozen=True)
class Curve:
    """Points by passes: mean, lowest and highest over the seeds that reached that step."""

    name: str
    is_focus: bool
    mean: list[Point]
    lowest: list[Point]
    highest: list[Point]


def build(record: StudyRecord) -> Card:
    """One small picture per arm on shared axes; the focus is drawn dashed behind the others."""
    focus = reading.focus_of(record)
    found = [_curve(title(arm.name), finalist, is_focus=arm == focus) for arm, finalist in reading.finalists(record)]
    curves = [curve for curve in found if len(curve.mean) > 1]
    if not curves:
        raise NotApplicable(
            "needs finalists with two evaluations; the launch command trains them once the trials are done"
        )
    x_axis = Axis(0.0, max(x for curve in curves for x, _ in curve.mean))
    y_axis = _y_axis(curves, maximize=record.maximize)
    ghost = next((_entered(curve, y_axis).mean for curve in curves if curve.is_focus), [])
    pictures = [_picture(curve, x_axis, y_axis, [] if curve.is_focus else ghost) for curve in curves]
    objective = reading.objective_in_words(record)
    several = any(len(finalist.runs) > 1 for _, finalist in reading.finalists(record))
    seeds = " Line: mean over seeds. Band: lowest to highest." if several else " One seed each."
    lead = f"{objective} on validation against passes over the training data.{seeds}"
    left = " A seed that stopped early leaves the mean from there on." if several else ""
    legend = f"All pictures share both axes; a line begins where it enters them. Dashed: the first picture again.{left}"
    body = [tag("div", *pictures, class_="many"), note(legend)]
    return Card("curves", "Search", _heading(curves, maximize=record.maximize), reading.capitalized(lead), join(body))


def _heading(curves: Sequence[Curve], *, maximize: bool) -> str:
    turned = [curve.name for curve in curves if _fall(curve, maximize=maximize) > FELL]
    if not turned:
        return "No learning curve has turned by the end of training"
    have = "has" if len(turned) == 1 else "have"
    return f"{len(turned)} of {numbers.plural(len(curves), 'learning curve')} {have} turned by the end of training"


def _fall(curve: Curve, *, maximize: bool) -> float:
    values = [y if maximize else -y for _, y in curve.mean]
    return max(values) - values[-1]


def _curve(name: str, finalist: FinalistRecord, *, is_focus: bool) -> Curve:
    steps: dict[int, list[Point]] = {}
    for run in finalist.runs:
        for evaluation in run.evaluations:
            steps.setdefault(evaluation.step, []).append((evaluation.passes, evaluation.objective))
    columns = [(fmean(x for x, _ in points), [y for _, y in points]) for _, points in sorted(steps.items())]
    return Curve(
        name,
        is_focus,
        reading.thinned([(x, fmean(values)) for x, values in columns], MOST_POINTS),
        reading.thinned([(x, min(values)) for x, values in columns], MOST_POINTS),
        reading.thinned([(x, max(values)) for x, values in columns], MOST_POINTS),
    )


def _y_axis(curves: Sequence[Curve], *, maximize: bool) -> Axis:
    """Over what was learned late: the first evaluations are far away and would flatten the rest."""
    values = [y for curve in curves for points in (curve.lowest, curve.mean, curve.highest) for _, y in points]
    bests = [y for curve in curves for points in (curve.lowest, curve.highest) for _, y in points[-1:]]
    return axis_near_the_best(values, bests, maximize=maximize)


def _entered(curve: Curve, y_axis: Axis) -> Curve:
    """The curve from where its mean enters the picture."""
    first = next((k for k, (_, y) in enumerate(curve.mean) if y_axis.low <= y <= y_axis.high), 0)
    return replace(curve, mean=curve.mean[first:], lowest=curve.lowest[first:], highest=curve.highest[first:])


def _picture(curve: Curve, x_axis: Axis, y_axis: Axis, ghost: Sequence[Point]) -> Markup:
    me, shown = " me" if curve.is_focus else "", _entered(curve, y_axis)
    shapes = [band(shown.lowest, shown.highest, x_axis, y_axis, f"band{me}")]
    shapes += [line(ghost, x_axis, y_axis, "ghost")] if ghost else []
    drawn = svg(*shapes, line(shown.mean, x_axis, y_axis, f"mid{me}"))
    last = curve.mean[-1][1]
    passes = [
        tag("span", f"{tick:g}", class_="tx", style=f"left:{x_axis.place(tick):.1f}%") for tick in x_axis.ticks(4)
    ]
    words = (
        f"{curve.name}: {numbers.metric(curve.mean[0][1])} at the first evaluation, {numbers.metric(last)} at the last"
    )
    picture = tag("div", grid(y_axis, 3), *passes, drawn, class_="plot-box", role="img", aria_label=words)
    return tag("div", tag("h3", curve.name, " ", tag("small", f"ends at {numbers.metric(last)}")), picture)
