"""Budget curves: the best value of every arm so far against its training time."""

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import numbers, plots
from hinet_search.report.drawing.plots import Figure, PlotPoint
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.budget_curves import arm_curves
from hinet_search.results.study_record import StudyRecord

TITLE = "Best value against training time"


def figure(record: StudyRecord) -> Figure:
    """Return a staircase for every arm with a value, trial after trial as if on one slot."""
    arms = arm_curves(record)
    if not arms:
        raise NotApplicable("needs an evaluated trial; no arm has one yet")
    traces = [
        plots.stairs(
            [PlotPoint(seconds, value, 0) for seconds, value in arm.changes],
            arm.seconds,
            arm.name,
            is_focus=arm.is_focus,
            group=arm.name,
        )
        for arm in arms
    ]
    ends = ", ".join(
        f"{arm.name} {numbers.metric(arm.best)} in {numbers.duration(arm.seconds)}" for arm in arms
    )
    caption = f"Best value on validation so far, one seed each: {ends}."
    time = plots.axis("seconds of training, log scale", type="log")
    value = plots.axis(record_facts.objective_in_words(record))
    return plots.figure(traces, caption, time, value)
