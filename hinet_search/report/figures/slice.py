"""Slice: the value of every trial against one setting, which a menu chooses."""

from collections.abc import Iterator, Sequence
from typing import Any

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import numbers, plots
from hinet_search.report.drawing.plots import Cloud, Figure, PlotPoint
from hinet_search.report.facts import record as record_facts
from hinet_search.results.records import ArmRecord, ParameterRange
from hinet_search.results.study_record import StudyRecord

TITLE = "Values of one setting"
MOST_SETTINGS = 24  # in the menu


def figure(record: StudyRecord) -> Figure:
    """Return a point per complete trial by the most important setting, and a menu of the others."""
    clouds = {searched.name: _cloud(record, searched) for searched in _settings(record)}
    clouds = {name: cloud for name, cloud in clouds.items() if cloud.all_points}
    if not clouds:
        raise NotApplicable("needs a complete trial of an arm with searched parameters")
    first, cloud = next(iter(clouds.items()))
    binned = any(of_setting.is_binned for of_setting in clouds.values())
    across = {name: _axis(name, of_setting) for name, of_setting in clouds.items()}
    buttons = [
        {
            "label": plots.plain_text(name),
            "args": [_values(of_setting, binned=binned), {"xaxis": across[name]}],
        }
        for name, of_setting in clouds.items()
    ]
    caption = f"{plots.counted_in_words(cloud, f'by {first}')}; the menu has the other settings."
    value = plots.axis(record_facts.objective_in_words(record), range=list(cloud.value_range))
    traces = plots.cloud_traces(record, cloud, binned=binned)
    return plots.figure(traces, caption, across[first], value, updatemenus=plots.menu(buttons))


def _settings(record: StudyRecord) -> list[ParameterRange]:
    """Return the searched settings, those that matter most for the focus arm first."""
    settings: dict[str, ParameterRange] = {}
    for arm in record_facts.ordered_arms(record):
        importance = arm.importances
        for searched in sorted(arm.ranges, key=lambda each: -importance.get(each.name, 0.0)):
            settings.setdefault(searched.name, searched)
    return list(settings.values())[:MOST_SETTINGS]


def _cloud(record: StudyRecord, searched: ParameterRange) -> Cloud:
    """Return the trials of all arms by one setting; arms without it have no points."""
    points = {arm.name: list(_points(record, arm, searched)) for arm in record.arms}
    return Cloud(points, record.maximize, log=searched.log)


def _points(record: StudyRecord, arm: ArmRecord, searched: ParameterRange) -> Iterator[PlotPoint]:
    for trial in record_facts.ranked(record, arm):
        value = trial.parameters.get(searched.name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or is_number != (searched.low is not None):
            continue
        place = value if is_number else plots.plain_text(numbers.setting(value))
        yield PlotPoint(place, trial.value or 0.0, trial.number)


def _axis(name: str, cloud: Cloud) -> dict[str, Any]:
    is_number = not isinstance(cloud.all_points[0].x, str)
    kind = "category" if not is_number else "log" if cloud.log else "linear"
    return plots.axis(name, type=kind, autorange=True)


def _values(cloud: Cloud, *, binned: bool) -> dict[str, Sequence[Any]]:
    """Return what a button changes in the traces: a list of values, one a trace, by attribute."""
    traces = [plots.counts_in_bins(cloud)] if binned else []
    traces += [plots.points_trace(cloud.thinned(arm)) for arm in cloud.points]
    names = ("x", "y", "text", "z") if binned else ("x", "y", "text")
    return {name: [trace.get(name) for trace in traces] for name in names}
