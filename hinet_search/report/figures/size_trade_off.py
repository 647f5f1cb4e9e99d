"""Size trade-off: the value of every trial against its parameters, and the front of both."""

from collections.abc import Sequence

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import numbers, plots
from hinet_search.report.drawing.plots import Cloud, Figure, PlotPoint
from hinet_search.report.facts import record as record_facts
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord

TITLE = "Value against size"


def figure(record: StudyRecord) -> Figure:
    """Return a point per complete trial, and the staircase of trials that no smaller one reaches.

    Trees are left out: they have no parameters.
    """
    points = {arm.name: _points(record, arm) for arm in record.arms}
    cloud = Cloud(points, record.maximize, log=True)
    if not cloud.all_points:
        raise NotApplicable("needs a complete trial with a parameter count; no network has one")
    front = front_of(cloud.all_points, maximize=record.maximize)
    caption = (
        f"{plots.counted_in_words(cloud, 'by size, log scale')}; line: "
        f"{numbers.plural(len(front), 'trial')} that no smaller trial reaches."
    )
    line = plots.stairs(front, None, "no smaller trial reaches it", is_focus=True, group="front")
    value = plots.axis(record_facts.objective_in_words(record), range=list(cloud.value_range))
    size = plots.axis("parameters without embeddings", type="log")
    traces = plots.cloud_traces(record, cloud, binned=cloud.is_binned)
    return plots.figure([*traces, line], caption, size, value)


def front_of(points: Sequence[PlotPoint], *, maximize: bool) -> list[PlotPoint]:
    """Return the points that are better than all that are further left or at the same place."""
    sign = 1 if maximize else -1
    front: list[PlotPoint] = []
    for point in sorted(points, key=lambda point: (point.x or 0, -sign * point.y)):
        if not front or sign * point.y > sign * front[-1].y:
            front.append(point)
    return front


def _points(record: StudyRecord, arm: ArmRecord) -> list[PlotPoint]:
    return [
        PlotPoint(trial.cost.dense_parameters, trial.value or 0.0, trial.number)
        for trial in record_facts.ranked(record, arm)
        if trial.cost and trial.cost.flops_per_row and trial.cost.dense_parameters
    ]
