"""Parallel coordinates: the settings of the focus arm's trials beside their values."""

from collections.abc import Sequence
from math import log10
from typing import Any

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import numbers, plots
from hinet_search.report.drawing.plots import Figure
from hinet_search.report.facts import record as record_facts
from hinet_search.results.records import ParameterRange, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

TITLE = "Settings beside values"
MOST_SETTINGS = 8
MOST_TRIALS = 300  # the best ones: more are a blot


def figure(record: StudyRecord) -> Figure:
    """Return a line per complete trial of the focus arm, over its most important settings."""
    arm = record_facts.focus_of(record)
    trials = record_facts.ranked(record, arm)[:MOST_TRIALS] if arm else []
    if arm is None or not trials or not arm.ranges:
        raise NotApplicable("needs a complete trial of an arm with searched parameters")
    ranges = sorted(arm.ranges, key=lambda searched: -arm.importances.get(searched.name, 0.0))
    dimensions = [_dimension(searched, trials) for searched in ranges[:MOST_SETTINGS]]
    values = [plots.rounded(trial.value or 0.0) for trial in trials]
    objective = {"label": record_facts.objective_in_words(record), "values": values}
    best, worst = (1, 0) if record.maximize else (0, 1)
    trace = {
        "type": "parcoords",
        "dimensions": [objective, *dimensions],
        "labelangle": -12,  # long names beside one another
        "line": {
            "color": values,
            "colorscale": sorted([[worst, plots.LINE], [best, plots.BETTER]]),
        },
    }
    caption = f"{numbers.plural(len(trials), 'complete trial')} of {title(arm.name)}, best in blue."
    margin = {"l": 64, "r": 64, "t": 96, "b": 32}
    return plots.figure([trace], caption, {}, {}, margin=margin)


def _dimension(searched: ParameterRange, trials: Sequence[TrialRecord]) -> dict[str, Any]:
    """Return one setting as an axis; values that are no numbers, or missing, are numbered."""
    label = plots.plain_text(searched.name)
    drawn = [trial.parameters.get(searched.name) for trial in trials]
    are_numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in drawn
    )
    if not are_numbers:
        texts = [plots.plain_text(numbers.setting(value)) for value in drawn]
        known = sorted(set(texts))
        places = list(range(len(known)))
        values = [known.index(text) for text in texts]
        return {"label": label, "values": values, "tickvals": places, "ticktext": known}
    found = [float(value) for value in drawn if value is not None]
    if not searched.log:
        return {"label": label, "values": [plots.rounded(value) for value in found]}
    ends = (min(found), max(found))
    return {
        "label": label,
        "values": [plots.rounded(log10(value)) for value in found],
        "tickvals": [log10(end) for end in ends],
        "ticktext": [numbers.setting(end) for end in ends],
    }
