"""Insight: what the chosen HiNet shows of itself, scenario attention and gates, as means over its seeds."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from hinet_search.compare import chosen, title
from hinet_search.records import FinalistRecord, StudyRecord
from hinet_search.report import numbers
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.markup import details, head, join, note, row, scroll, table, tag, unnamed, words
from hinet_search.report.reading import focus_of, gate_in_words

ORDER = 40
MOST_SCENARIOS = 12  # beyond, a row lists its five strongest instead of a matrix nobody can read
DARKEST = 0.55  # opacity of the tint at weight 1, low enough for readable text

Rows = Sequence[Sequence[float]]


def build(record: StudyRecord) -> Card:
    """Attention and gates of the focus arm's chosen finalist."""
    arm = focus_of(record)
    finalist = chosen(arm) if arm else None
    if arm is None or finalist is None:
        raise NotApplicable("needs a HiNet finalist; the launch command trains finalists once the trials are done")
    attention, spread = _mean_attention(finalist)
    gates = _mean_gates(finalist)
    if attention is None and not gates:
        raise NotApplicable(f"needs a model with attention or gates, {title(arm.name)} has neither")
    body = [] if attention is None else [_attention(record.data.scenarios, attention, spread)]
    body += [_gates(gates)] if gates else []
    count = len(finalist.runs)
    seeds = f"mean over {count} seeds" if count > 1 else "1 seed"
    lead = join(
        [
            f"{title(arm.name)}, {seeds}, on validation rows. A weight shows where a scenario looks, ",
            tag("b", "not whether looking there helps"),
            ": attention is not effect; an arm without it, searched beside this one, would show that.",
        ]
    )
    return Card("insight", "Why", _heading(record.data.scenarios, attention), lead, join(body))


def _mean_attention(finalist: FinalistRecord) -> tuple[Rows | None, float | None]:
    """Mean over seeds, and the largest standard deviation of an entry (None with one seed)."""
    found = [run.insight.attention for run in finalist.runs if run.insight.attention is not None]
    if not found:
        return None, None
    stacked_SMM = np.array(found, dtype=float)
    spread = float(stacked_SMM.std(axis=0, ddof=1).max()) if len(found) > 1 else None
    mean: list[list[float]] = stacked_SMM.mean(axis=0).tolist()
    return mean, spread


def _mean_gates(finalist: FinalistRecord) -> dict[tuple[str, ...], dict[str, list[float]]]:
    """Experts -> gate -> mean weights over seeds; gates with the same experts share a table."""
    collected: dict[tuple[str, ...], dict[str, list[tuple[float, ...]]]] = {}
    for run in finalist.runs:
        for gate in run.insight.gates:
            collected.setdefault(gate.experts, {}).setdefault(gate.where, []).append(gate.weights)
    return {
        experts: {where: [float(weight) for weight in np.mean(weights, axis=0)] for where, weights in gates.items()}
        for experts, gates in collected.items()
    }


def _heading(scenarios: Sequence[str], attention: Rows | None) -> str:
    """The strongest look from one scenario to another, when it is more than twice an even share."""
    others = len(scenarios) - 1
    looks = [
        (weight, scenarios[i], scenarios[j])
        for i, weights in enumerate(attention or [])
        for j, weight in enumerate(weights)
        if i != j
    ]
    if not looks or others < 2 or max(looks)[0] < 2 / others:
        return "Where do scenarios look, and which experts do gates use?"
    _, looking, seen = max(looks)
    return f"{looking} looks mostly at {seen}"


def _attention(scenarios: Sequence[str], attention: Rows, spread: float | None) -> Markup:
    if len(scenarios) < 2:
        return note("With one scenario there is no other one to attend to.")
    figure = _matrix(scenarios, attention) if len(scenarios) <= MOST_SCENARIOS else _strongest(scenarios, attention)
    deviation = "" if spread is None else f" Standard deviation over seeds at most {_two_digits(spread)}."
    legend = f"Row: the scenario that looks. Column: the scenario looked at. Rows sum to 1.{deviation}"
    return join([tag("h3", "Who looks at whom"), scroll("Scenario attention", figure), note(legend)])


def _matrix(scenarios: Sequence[str], attention: Rows) -> Markup:
    header = head(unnamed("scenario that looks"), *scenarios)
    rows = [
        row(name, *(_weight(value, own=i == j) for j, value in enumerate(attention[i])))
        for i, name in enumerate(scenarios)
    ]
    return table(header, rows, class_="att")


def _weight(value: float, *, own: bool = False) -> Markup:
    if own and value == 0:
        return tag("td", numbers.DASH, class_="none")
    return tag("td", _two_digits(value), style=f"--a:{DARKEST * value:.2f}")


def _two_digits(weight: float) -> str:
    return f"{weight:.2f}".removeprefix("0")


def _strongest(scenarios: Sequence[str], attention: Rows) -> Markup:
    rows = []
    for i, name in enumerate(scenarios):
        order = sorted(range(len(scenarios)), key=lambda j: -attention[i][j])[:5]
        rows.append(
            row(name, words(", ".join(f"{scenarios[j]} {_two_digits(attention[i][j])}" for j in order if j != i)))
        )
    return table(head("Scenario", "Five strongest", numeric_from=2), rows, class_="words")


def _gates(gates: dict[tuple[str, ...], dict[str, list[float]]]) -> Markup:
    tables = [
        scroll(
            "Gate weights",
            table(
                head("Gate", *experts),
                [
                    row(gate_in_words(where), *(_weight(weight) for weight in weights))
                    for where, weights in members.items()
                ],
                class_="att",
            ),
        )
        for experts, members in gates.items()
    ]
    explained = note("Mean weight that each gate gives to its experts on validation rows; a row sums to 1.")
    return details("Which experts the gates use", join([explained, *tables]), opened=True)
