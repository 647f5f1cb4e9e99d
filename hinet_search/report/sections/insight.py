"""Insight: what the chosen HiNet shows of itself, scenario attention and gates, as means over its seeds."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.compare import chosen, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, shown
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.markup import Content, head, join, note, row, scroll, table, tag, unnamed, words
from hinet_search.report.reading import focus_of, gate_in_words
from hinet_search.report.shown import Attention, Gate

ORDER = 40
MOST_SCENARIOS = 12  # beyond, a row lists its five strongest instead of a matrix nobody can read
DARKEST = 0.55  # opacity of the tint at weight 1, low enough for readable text


def build(record: StudyRecord) -> Card:
    """Attention and gates of the focus arm's chosen finalist."""
    arm = focus_of(record)
    finalist = chosen(arm) if arm else None
    if arm is None or finalist is None:
        raise NotApplicable("needs a HiNet finalist; the launch command trains finalists once the trials are done")
    attention, gates = shown.attention(finalist), shown.gates(finalist)
    if attention is None and not gates:
        raise NotApplicable(f"needs a model with attention or gates, {title(arm.name)} has neither")
    count = len(finalist.runs)
    figures = [] if attention is None else [_attention(record.data.scenarios, attention)]
    figures += _gate_tables(gates, several=count > 1)
    body = [tag("div", *figures, class_="gates"), note(_legend(attention, gates, several=count > 1))]
    seeds = f"mean over {count} seeds" if count > 1 else "1 seed"
    lead = join(
        [
            f"{title(arm.name)}, {seeds}, on validation rows. A weight shows where a scenario looks, ",
            tag("b", "not whether looking there helps"),
            ": attention is not effect; an arm without it, searched beside this one, would show that.",
        ]
    )
    return Card("insight", "Why", _heading(record.data.scenarios, attention), lead, join(body))


def _heading(scenarios: Sequence[str], attention: Attention | None) -> str:
    """The strongest look from one scenario to another, when it has most of the weight and more than an even share, whatever
    the seed."""
    question, others = "Where do scenarios look, and which experts do gates use?", len(scenarios) - 1
    if attention is None or others < 2:
        return question
    looks = [(weight, i, j) for i, weights in enumerate(attention.mean) for j, weight in enumerate(weights) if i != j]
    weight, looking, seen = max(looks)
    spread = attention.deviation[looking][seen] if attention.deviation else 0.0
    if weight - spread <= max(0.5, 1.5 / others):
        return question
    return f"{scenarios[looking]} looks mostly at {scenarios[seen]}"


def _attention(scenarios: Sequence[str], attention: Attention) -> Markup:
    if len(scenarios) < 2:
        return note("With one scenario there is no other one to attend to.")
    figure = _matrix(scenarios, attention) if len(scenarios) <= MOST_SCENARIOS else _strongest(scenarios, attention)
    return tag("div", tag("h3", "Who looks at whom"), scroll("Scenario attention", figure))


def _matrix(scenarios: Sequence[str], attention: Attention) -> Markup:
    header = head(unnamed("scenario that looks"), *scenarios)
    rows = [row(name, *(_look(attention, i, j) for j in range(len(scenarios)))) for i, name in enumerate(scenarios)]
    return table(header, rows, class_="att")


def _look(attention: Attention, looking: int, seen: int) -> Markup:
    weight = attention.mean[looking][seen]
    if looking == seen and weight == 0:
        return tag("td", numbers.DASH, class_="none")
    spread = attention.deviation[looking][seen] if attention.deviation else None
    return _weight(weight, "" if spread is None else tag("small", f"±{numbers.share(spread)}"))


def _weight(value: float, below: Content = "") -> Markup:
    return tag("td", numbers.share(value), below, style=f"--a:{DARKEST * value:.2f}")


def _strongest(scenarios: Sequence[str], attention: Attention) -> Markup:
    rows = []
    for name, weights in zip(scenarios, attention.mean, strict=True):
        order = sorted(range(len(scenarios)), key=lambda j: -weights[j])[:5]
        rows.append(row(name, words(", ".join(f"{scenarios[j]} {numbers.share(weights[j])}" for j in order))))
    return table(head("Scenario", "Five strongest", numeric_from=2), rows, class_="words")


def _gate_tables(gates: dict[tuple[str, ...], dict[str, Gate]], *, several: bool) -> list[Markup]:
    """One table for gates that mix the same experts; those of which each scenario has one stand below each other."""
    of_scenarios: list[Markup] = []
    others: list[Markup] = []
    for experts, found in gates.items():
        scenarios, kinds = zip(*(where.rpartition("/")[::2] for where in found), strict=True)
        one_each = all(scenarios) and len(set(kinds)) == 1
        of = kinds[0] if one_each else "cells" if all(scenarios) else "tasks"
        names = scenarios if one_each else [gate_in_words(where) for where in found]
        figure = _of_experts(experts, dict(zip(names, found.values(), strict=True)), several=several)
        (of_scenarios if one_each else others).append(tag("h3", f"Gates of {of}") + scroll(f"Gates of {of}", figure))
    stacked = [tag("div", *of_scenarios)] if of_scenarios else []
    return [*stacked, *(tag("div", one) for one in others)]


def _legend(attention: Attention | None, gates: dict[tuple[str, ...], dict[str, Gate]], *, several: bool) -> str:
    said = ["Every row sums to 1."]
    if attention is not None:
        said.append("Attention: a row is the scenario that looks.")
        said += ["Below a weight: standard deviation over seeds."] if attention.deviation is not None else []
    if gates:
        said.append("Gates: mean weight of each expert.")
    if gates and several:
        said.append(
            "Largest: that of each seed's own favourite, in the mean; experts of two seeds share no more than a name, so "
            "means over seeds are flatter than any gate."
        )
    return " ".join(said)


def _of_experts(experts: Sequence[str], gates: dict[str, Gate], *, several: bool) -> Markup:
    rows = [
        row(
            name,
            *(_weight(weight) for weight in gate.weights),
            *([numbers.share(gate.favourite)] if several else []),
        )
        for name, gate in gates.items()
    ]
    return table(head(unnamed("gate"), *experts, *(["Largest"] if several else [])), rows, class_="att")
