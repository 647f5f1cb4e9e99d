"""Timeline: how trials ended over the time of the study."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import plots
from hinet_search.report.drawing.plots import Figure
from hinet_search.results.records import TrialRecord
from hinet_search.results.study_record import StudyRecord

TITLE = "How trials ended over time"
NUM_BARS = 60
UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))
STATES = {  # colour and pattern
    "complete": (plots.BETTER, ""),
    "pruned": (plots.MUTED, ""),
    "failed": (plots.WORSE, "x"),
    "outside": (plots.MUTED, "/"),
}


def figure(record: StudyRecord) -> Figure:
    """Return stacked bars of the trials of all arms that ended in each part of the time."""
    ended = [trial for arm in record.arms for trial in arm.trials if trial.finished]
    if not ended:
        raise NotApplicable("needs trials whose ends were recorded")
    seconds = np.array(_seconds_since_the_first(record, ended))
    states = np.array([_state(trial) for trial in ended])
    length = max(1.0, float(seconds.max()))
    size, unit = next((size, unit) for size, unit in UNITS if length >= 2 * size or size == 1)
    edges = np.linspace(0.0, length, NUM_BARS + 1)
    middles = (edges[:-1] + edges[1:]) / 2 / size
    traces = []
    sums = []
    for state, (color, shape) in STATES.items():
        of_state = seconds[states == state]
        counts, _ = np.histogram(of_state, bins=edges)
        sums.append(f"{len(of_state):,} {state}")
        traces.append(
            {
                "type": "bar",
                "name": state,
                "x": [plots.rounded(middle) for middle in middles.tolist()],
                "y": counts.tolist(),
                "marker": {"color": color, "pattern": {"shape": shape}},
                "hovertemplate": f"%{{y}} {state}<extra></extra>",
            }
        )
    caption = (
        f"{', '.join(sums)}. Blue: complete, grey: pruned, orange crosses: failed, "
        "hatched: drawn but outside the budget."
    )
    across = plots.axis(f"{unit} since the first trial began", range=[0, length / size])
    up = plots.axis("trials that ended", rangemode="tozero", tickformat="d")
    return plots.figure(traces, caption, across, up, barmode="stack", bargap=0)


def _seconds_since_the_first(record: StudyRecord, ended: Sequence[TrialRecord]) -> list[float]:
    """Return when trials ended, in seconds since the first trial of the study began."""
    starts = [trial.started for arm in record.arms for trial in arm.trials if trial.started]
    first = datetime.fromisoformat(min(starts or [trial.finished for trial in ended]))
    ends = [datetime.fromisoformat(trial.finished) for trial in ended]
    return [(end - first).total_seconds() for end in ends]


def _state(trial: TrialRecord) -> str:
    return trial.state if trial.counts else "outside"
