"""Slice: the value of every trial against one setting, which a menu chooses."""

from typing import Any

from hinet_search.common.amounts import counted
from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import numbers, plots
from hinet_search.report.drawing.plots import Cloud, Figure, PlotPoint
from hinet_search.report.facts import record as record_facts
from hinet_search.results.records import ParameterRange, TrialRecord
from hinet_search.results.study_record import StudyRecord

TITLE = "Values of one setting"
MOST_SETTINGS = 24  # in the menu


def figure(record: StudyRecord) -> Figure:
    """Return a point per complete trial by the most important setting, and a menu of the others.

    Of more than MOST_POINTS trials an even part of each arm is drawn, its best one included.
    """
    trials = {arm.name: record_facts.ranked(record, arm) for arm in record.arms}
    num_trials = sum(map(len, trials.values()))
    settings = _settings(record)
    if not settings or num_trials == 0:
        raise NotApplicable("needs a complete trial of an arm with searched parameters")
    step = -(-num_trials // plots.MOST_POINTS)
    drawn = {arm: best_first[::step] for arm, best_first in trials.items()}
    places = {
        searched.name: {arm: _places(of_arm, searched) for arm, of_arm in drawn.items()}
        for searched in settings
    }
    first = settings[0]
    points = {arm: _points(of_arm, places[first.name][arm]) for arm, of_arm in drawn.items()}
    cloud = Cloud(points, record.maximize)
    buttons = [
        {
            "label": plots.plain_text(searched.name),
            "args": [{"x": list(places[searched.name].values())}, {"xaxis": _axis(searched)}],
        }
        for searched in settings
    ]
    part = f"{len(cloud.all_points):,} of " if step > 1 else ""
    all_trials = counted(num_trials, "complete trial")
    caption = f"{part}{all_trials} by {first.name}; the menu has the other settings."
    value = plots.axis(record_facts.objective_in_words(record), range=list(cloud.value_range))
    traces = plots.cloud_traces(record, cloud, binned=False)
    return plots.figure(traces, caption, _axis(first), value, updatemenus=plots.menu(buttons))


def _settings(record: StudyRecord) -> list[ParameterRange]:
    """Return the searched settings, those that matter most for the focus arm first."""
    settings: dict[str, ParameterRange] = {}
    for arm in record_facts.ordered_arms(record):
        importance = arm.importances
        for searched in sorted(arm.ranges, key=lambda each: -importance.get(each.name, 0.0)):
            settings.setdefault(searched.name, searched)
    return list(settings.values())[:MOST_SETTINGS]


def _places(trials: list[TrialRecord], searched: ParameterRange) -> list[float | str | None]:
    """Return the value of a setting in every trial; None where the trial has none to draw."""
    return [_place(trial, searched) for trial in trials]


def _place(trial: TrialRecord, searched: ParameterRange) -> float | str | None:
    value = trial.parameters.get(searched.name)
    if value is None:
        return None
    if searched.low is None:
        return plots.plain_text(numbers.setting(value))
    return plots.rounded(value) if isinstance(value, int | float) else None


def _points(trials: list[TrialRecord], places: list[float | str | None]) -> list[PlotPoint]:
    return [
        PlotPoint(place, trial.value or 0.0, trial.number)
        for trial, place in zip(trials, places, strict=True)
    ]


def _axis(searched: ParameterRange) -> dict[str, Any]:
    numeric = "log" if searched.log else "linear"
    kind = "category" if searched.low is None else numeric
    return plots.axis(searched.name, type=kind, autorange=True)
