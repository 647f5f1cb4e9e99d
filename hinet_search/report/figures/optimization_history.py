"""Optimization history: the value of every trial in order, and the best value so far."""

from collections.abc import Iterator
from typing import Any

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import plots
from hinet_search.report.drawing.plots import Cloud, Figure, PlotPoint
from hinet_search.report.facts import record as record_facts
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

TITLE = "Search history"


def figure(record: StudyRecord) -> Figure:
    """Return a point per complete trial, and a staircase of every arm's best value so far."""
    cloud = Cloud({arm.name: _points(record, arm) for arm in record.arms}, record.maximize)
    if not cloud.all_points:
        raise NotApplicable("needs a complete trial, which the launch command trains")
    points = plots.cloud_traces(record, cloud, binned=cloud.is_binned)
    caption = (
        f"{plots.counted_in_words(cloud)}; line: best so far. The worst tenth is outside the "
        "first view; double-click to show all."
    )
    value = plots.axis(record_facts.objective_in_words(record), range=list(cloud.value_range))
    return plots.figure([*points, *_best_so_far(record)], caption, plots.axis("trial"), value)


def _points(record: StudyRecord, arm: ArmRecord) -> list[PlotPoint]:
    trials = sorted(record_facts.ranked(record, arm), key=lambda trial: trial.number)
    return [PlotPoint(trial.number, trial.value or 0.0, trial.number) for trial in trials]


def _best_so_far(record: StudyRecord) -> Iterator[dict[str, Any]]:
    for arm in record.arms:
        best = record_facts.best_so_far(record, arm)
        if best is not None:
            steps = [PlotPoint(number, value, number) for number, value in best.changes]
            is_focus = arm == record_facts.focus_of(record)
            name = f"{title(arm.name)}, best so far"
            line = plots.stairs(steps, best.last_trial, name, is_focus=is_focus, group=arm.name)
            yield {**line, "showlegend": False}
