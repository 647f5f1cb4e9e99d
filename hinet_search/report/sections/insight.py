"""Insight: scenario attention and gate weights of the chosen HiNet, as means over its seeds.

Shape legend: S seeds, K experts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from hinet_search.report import html, numbers
from hinet_search.report.record_facts import (
    AttentionMeans,
    attention_means,
    focus_of,
    gate_in_words,
)
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 40
MOST_SCENARIOS = 12  # with more, each row lists its five largest weights instead of a matrix
DARKEST = 0.55  # opacity of the tint at weight 1, low enough for readable text


@dataclass(frozen=True)
class GateMeans:
    """Mean weights of a gate over seeds, and `favourite`, the mean of each seed's largest weight.

    Experts of different seeds share only their names, so the means are flatter than any gate.
    """

    weights: list[float]
    favourite: float


def build(record: StudyRecord) -> Card:
    """Build the attention and gates of the focus arm's chosen finalist."""
    arm = focus_of(record)
    finalist = chosen(arm)
    if arm is None or finalist is None:
        raise NotApplicable(
            "needs a HiNet finalist; the launch command trains finalists once the trials are done"
        )
    attention = attention_means(finalist)
    gates = _gates(finalist)
    if attention is None and not gates:
        raise NotApplicable(f"needs a model with attention or gates, {title(arm.name)} has neither")
    count = len(finalist.runs)
    figures = [] if attention is None else [_attention(record.data.scenarios, attention)]
    figures += _gate_tables(gates, several=count > 1)
    sentences = _legend(attention, has_gates=bool(gates), several=count > 1)
    body = [html.tag("div", html.join(figures), class_="gates"), html.note(" ".join(sentences))]
    seeds = f"mean over {count} seeds" if count > 1 else "1 seed"
    lead = html.join(
        [
            f"{title(arm.name)}, {seeds}, on validation rows. ",
            "A weight shows what a scenario attends to, ",
            html.tag("b", "not whether that helps"),
            ": attention is not effect; a second arm without attention would show that.",
        ]
    )
    heading = _heading(record.data.scenarios, attention)
    return Card("insight", "Why", heading, lead, html.join(body), folded=True)


def _gates(finalist: FinalistRecord) -> dict[tuple[str, ...], dict[str, GateMeans]]:
    """Return gates by their experts, then by their place in the model."""
    collected: dict[tuple[tuple[str, ...], str], list[tuple[float, ...]]] = {}
    for run in finalist.runs:
        for gate in run.insight.gates:
            collected.setdefault((gate.experts, gate.where), []).append(gate.weights)
    means: dict[tuple[str, ...], dict[str, GateMeans]] = {}
    for (experts, where), weights in collected.items():
        weights_SK = np.array(weights)
        favourite = float(weights_SK.max(axis=1).mean())
        of_experts = means.setdefault(experts, {})
        of_experts[where] = GateMeans(weights_SK.mean(axis=0).tolist(), favourite)
    return means


def _heading(scenarios: Sequence[str], attention: AttentionMeans | None) -> str:
    """Name the largest weight between two scenarios if it is over half and over 1.5 equal shares.

    It must do so by more than its deviation over seeds.
    """
    neutral = "Scenario attention and gate weights"
    num_others = len(scenarios) - 1
    if attention is None or num_others < 2:
        return neutral
    weights = []
    for i, of_scenario in enumerate(attention.mean):
        weights += [(weight, i, j) for j, weight in enumerate(of_scenario) if i != j]
    largest, attending, attended = max(weights)
    spread = attention.deviation[attending][attended] if attention.deviation else 0.0
    if largest - spread <= max(0.5, 1.5 / num_others):
        return neutral
    return f"{scenarios[attending]} attends mostly to {scenarios[attended]}"


def _attention(scenarios: Sequence[str], attention: AttentionMeans) -> Markup:
    if len(scenarios) < 2:
        return html.note("With one scenario there is no other one to attend to.")
    is_listed = len(scenarios) > MOST_SCENARIOS
    header = html.head(html.unnamed("attending scenario"), html.columns(scenarios))
    if is_listed:
        header = html.head("Scenario", "Five largest weights", numeric_from=2)
    rows = []
    places = range(len(scenarios))
    for attending, weights in enumerate(attention.mean):
        cells = html.cells(_attention_cell(attention, attending, k) for k in places)
        if is_listed:
            order = sorted(places, key=weights.__getitem__, reverse=True)[:5]
            listed = ", ".join(f"{scenarios[j]} {numbers.share(weights[j])}" for j in order)
            cells = html.words(listed)
        rows.append(html.row(scenarios[attending], cells))
    class_ = "words" if is_listed else "att"
    drawn = html.table("Scenario attention", header, rows, class_=class_)
    return html.tag("div", html.tag("h3", "Scenario attention"), drawn)


def _attention_cell(attention: AttentionMeans, attending: int, attended: int) -> Markup:
    weight = attention.mean[attending][attended]
    if attending == attended and weight == 0:
        return html.tag("td", numbers.DASH, class_="none")
    if attention.deviation is None:
        return _weight(weight)
    spread = attention.deviation[attending][attended]
    return _weight(weight, html.tag("small", f"±{numbers.share(spread)}"))


def _weight(value: float, below: html.Content = "") -> Markup:
    return html.tag("td", numbers.share(value), below, style=f"--a:{DARKEST * value:.2f}")


def _gate_tables(
    gates: Mapping[tuple[str, ...], Mapping[str, GateMeans]], *, several: bool
) -> list[Markup]:
    """Return one table per set of mixed experts; tables with a gate per scenario are stacked."""
    stacked = []
    others = []
    for experts, by_place in gates.items():
        is_stacked, owner, names = _named(list(by_place))
        rows = []
        for name, gate in zip(names, by_place.values(), strict=True):
            values = [_weight(weight) for weight in gate.weights]
            if several:
                values.append(html.number(numbers.share(gate.favourite)))
            rows.append(html.row(name, html.join(values)))
        largest = html.column("Largest", "r") if several else Markup("")
        header = html.head(html.unnamed("gate"), html.columns(experts), largest)
        figure = html.table(f"Gates of {owner}", header, rows, class_="att")
        titled = html.tag("h3", f"Gates of {owner}") + figure
        if is_stacked:
            stacked.append(titled)
        else:
            others.append(html.tag("div", titled))
    return [html.tag("div", html.join(stacked)), *others] if stacked else others


def _named(places: Sequence[str]) -> tuple[bool, str, list[str]]:
    """Say of gates whether there is one per scenario, of what they are, and their names."""
    parts = [where.rpartition("/") for where in places]  # scenario, slash, gate or task
    kinds = {kind for _, _, kind in parts}
    if not all(scenario for scenario, _, _ in parts):
        return False, "tasks", [gate_in_words(where) for where in places]
    if len(kinds) > 1:
        return False, "cells", [gate_in_words(where) for where in places]
    return True, kinds.pop(), [scenario for scenario, _, _ in parts]


def _legend(attention: AttentionMeans | None, *, has_gates: bool, several: bool) -> Iterator[str]:
    yield "Every row sums to 1."
    if attention is not None:
        yield "Attention: each row is the attending scenario."
    if attention is not None and attention.deviation is not None:
        yield "Below a weight: standard deviation over seeds."
    if has_gates:
        yield "Gates: mean weight of each expert."
    if has_gates and several:
        yield (
            "Largest: mean of each seed's largest weight; experts of different seeds share only "
            "their names, so means over seeds are flatter than the gates of any seed."
        )
