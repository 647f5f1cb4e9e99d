"""Pareto front: the trials and finalists of a study with several objectives."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from hinet_search.report.card import NotApplicable
from hinet_search.report.drawing import numbers, plots
from hinet_search.report.drawing.plots import Figure
from hinet_search.report.facts import record as record_facts
from hinet_search.results.front import Contender, finalists_of, objectives_of, trials_of
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import COSTS
from hinet_search.results.verdict import title

TITLE = "Trade-off of the objectives"
TRIALS, BEATEN, FRONT = "trials, one seed", "finalists that another beats", "front"
MARKERS = {
    TRIALS: {"color": plots.MUTED, "size": 4, "opacity": 0.5},
    BEATEN: {"color": plots.MUTED, "size": 9, "symbol": "circle-open"},
    FRONT: {"color": plots.BETTER, "size": 9},
}


def figure(record: StudyRecord) -> Figure:
    """Return the first objective against another one, which a menu chooses."""
    if not record.other_objectives:
        raise NotApplicable("needs several objectives: `objectives` of the study lists them")
    objectives = objectives_of(record)
    finalists, trials = finalists_of(record, objectives), list(trials_of(record, objectives))
    if not finalists and not trials:
        raise NotApplicable("needs a complete trial, which the launch command trains")
    groups = _groups(finalists, trials)
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "marker": MARKERS[name],
            "hovertemplate": "%{text}<br>%{x}<br>%{y}<extra></extra>",
            **_places(contenders, 1),
        }
        for name, contenders in groups.items()
    ]
    axes = [_axis(name) for name in record.other_objectives]
    buttons = [
        {
            "label": record_facts.metric_in_words(name),
            "args": [_all_places(groups, place), {"xaxis": axis}],
        }
        for place, (name, axis) in enumerate(zip(record.other_objectives, axes, strict=True), 1)
    ]
    caption = (
        f"{numbers.plural(len(groups[FRONT]), 'finalist')} on the front: nothing is as good in all "
        "objectives and better in one. Values are of validation, means over seeds."
    )
    menus = plots.menu(buttons) if len(buttons) > 1 else []
    value = plots.axis(record_facts.objective_in_words(record))
    return plots.figure(traces, caption, axes[0], value, updatemenus=menus)


def _groups(
    finalists: Sequence[Contender], trials: Sequence[Contender]
) -> dict[str, list[Contender]]:
    """Return what is drawn, the front last and so on top."""
    beaten = [contender for contender in finalists if not contender.is_on_front]
    on_front = [contender for contender in finalists if contender.is_on_front]
    return {TRIALS: list(trials), BEATEN: beaten, FRONT: on_front}


def _axis(name: str) -> dict[str, Any]:
    words = record_facts.metric_in_words(name)
    return plots.axis(words, type="log" if name in COSTS else "linear", autorange=True)


def _places(contenders: Sequence[Contender], place: int) -> dict[str, list[Any]]:
    """Return where contenders are with objective number `place` along the horizontal axis."""
    drawn = [contender for contender in contenders if isfinite(contender.values[place])]
    return {
        "x": [plots.rounded(contender.values[place]) for contender in drawn],
        "y": [plots.rounded(contender.values[0]) for contender in drawn],
        "text": [
            plots.plain_text(f"{title(each.arm.name)}, trial {each.trial_number}") for each in drawn
        ],
    }


def _all_places(groups: Mapping[str, Sequence[Contender]], place: int) -> dict[str, list[Any]]:
    """Return the places of all groups as a button changes them."""
    by_group = [_places(contenders, place) for contenders in groups.values()]
    return {name: [places[name] for places in by_group] for name in ("x", "y", "text")}
