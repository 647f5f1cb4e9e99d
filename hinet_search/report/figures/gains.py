"""Gains: how much better the focus arm is than each other arm, with intervals."""

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import plots
from hinet_search.report.drawing.plots import Figure
from hinet_search.report.facts import record as record_facts
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title, verdict

TITLE = "Gain over every other arm"


def figure(record: StudyRecord) -> Figure:
    """Return a dot per arm with the interval of the verdict; above 0 the focus arm is better."""
    outcome = verdict(record)
    gains = [
        (contrast.arm, contrast.difference)
        for contrast in outcome.contrasts
        if contrast.difference is not None
    ]
    if not gains:
        raise NotApplicable("needs finalists of two arms, scored on test")
    gains.sort(key=lambda gain: gain[1].mean, reverse=True)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": "gain",
        "x": [plots.rounded(difference.mean) for _, difference in gains],
        "y": [plots.plain_text(title(arm)) for arm, _ in gains],
        "marker": {"color": plots.BETTER, "size": 10},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [_length(difference.mean, difference.high) for _, difference in gains],
            "arrayminus": [_length(difference.mean, difference.low) for _, difference in gains],
            "color": plots.MUTED,
        },
        "hovertemplate": "over %{y}<br>%{x}<extra></extra>",
    }
    zero = {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1}
    words = record_facts.headline_in_words(record)
    gain = plots.axis(f"gain in {words} on test, right of 0 is better")
    arms = plots.axis("", type="category", autorange="reversed")
    shapes = [{**zero, "line": {"color": plots.MUTED, "width": 1}}]
    return plots.figure([trace], outcome.sentence, gain, arms, shapes=shapes)


def _length(mean: float, end: float | None) -> float:
    """Return the length of a whisker; 0 for one seed, which has no interval."""
    return 0.0 if end is None else abs(end - mean)
