"""Intermediate values: the value of trials while they trained."""

from collections.abc import Iterator

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import plots
from hinet_search.report.drawing.plots import Figure
from hinet_search.report.facts import record as record_facts
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

TITLE = "Values while training"
MOST_LINES = 120  # of all arms together: more are a wall of lines


def figure(record: StudyRecord) -> Figure:
    """Return a line per trial, of an even part of the trials of each arm if there are too many."""
    arms = {arm.name: [trial for trial in arm.trials if trial.evaluations] for arm in record.arms}
    num_trials = sum(map(len, arms.values()))
    if num_trials == 0:
        raise NotApplicable("needs an evaluated trial; no arm has one yet")
    step = -(-num_trials // MOST_LINES)
    traces = []
    for arm in record.arms:
        shown = arms[arm.name][::step]
        is_first = iter([True])
        traces += [
            {**line, "showlegend": next(is_first, False)} for line in _lines(record, arm, shown)
        ]
    part = f"{len(traces):,} of " if step > 1 else ""
    caption = (
        f"{part}{num_trials:,} trials, a point per evaluation on validation; "
        "a line that ends early was pruned."
    )
    value = plots.axis(record_facts.objective_in_words(record))
    return plots.figure(traces, caption, plots.axis("passes over the training data"), value)


def _lines(
    record: StudyRecord, arm: ArmRecord, trials: list[TrialRecord]
) -> Iterator[dict[str, object]]:
    marker = plots.marker_of(record, arm)
    for trial in trials:
        yield {
            "type": "scatter",
            "mode": "lines+markers",
            "name": plots.plain_text(title(arm.name)),
            "legendgroup": plots.plain_text(arm.name),
            "opacity": 0.5,
            "x": [plots.rounded(evaluation.passes) for evaluation in trial.evaluations],
            "y": [plots.rounded(evaluation.objective) for evaluation in trial.evaluations],
            "line": {"color": marker["color"], "width": 1},
            "marker": {"color": marker["color"], "symbol": marker["symbol"], "size": 4},
            "hovertemplate": f"%{{fullData.name}}, trial {trial.number}<br>%{{y}}<extra></extra>",
        }
