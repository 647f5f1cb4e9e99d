"""Gates: experts that no gate uses, and gates that have collapsed onto one expert."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import FinalistRun, GateUsage
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 110
ALONE = 0.95  # mean weight of one expert above which a gate counts as collapsed
DEAD = 0.02  # an expert with no larger mean weight in any gate counts as dead
EVERYONE = "/"  # the owner of an expert shared by all scenarios and gates


def check(record: StudyRecord) -> Finding | None:
    """Warn of either in the chosen finalist of any arm.

    Each seed is checked separately, since experts of different seeds share only their names.
    """
    has_gates = False
    details = []
    for arm in record.arms:
        finalist = chosen(arm)
        if finalist is None or not finalist.runs[0].insight.gates:
            continue
        has_gates = True
        defects: Counter[str] = Counter()
        for run in finalist.runs:
            mixtures = _mixtures(run)
            defects.update(_dead(mixtures))
            for gate in mixtures:
                if max(gate.weights) > ALONE:
                    where = record_facts.gate_in_words(gate.where)
                    alone = numbers.share(ALONE)
                    defects[f"the gate of {where} gives one expert more than {alone}"] += 1
        seeds = numbers.plural(len(finalist.runs), "seed")
        for defect, count in defects.items():
            details.append(f"{title(arm.name)}: {defect} in {count} of {seeds}.")
    if not has_gates:
        return None
    if not details:
        return passed("No gate has collapsed and no expert is dead.")
    return warning(
        "Gates have collapsed or experts are dead.",
        details,
        remedy="Search fewer experts, more dropout in the experts, or a lower learning rate.",
    )


def _mixtures(run: FinalistRun) -> list[GateUsage]:
    """Return gates over several experts, with weights scaled to sum to 1."""
    mixtures = []
    for gate in run.insight.gates:
        total = sum(gate.weights)
        if len(gate.experts) > 1 and total > 0:
            shares = tuple(weight / total for weight in gate.weights)
            mixtures.append(replace(gate, weights=shares))
    return mixtures


def _dead(mixtures: Sequence[GateUsage]) -> Iterator[str]:
    """Yield the experts of each owner that no gate uses."""
    # The largest weight of each expert, by (experts of the gate, owner) and expert.
    largest: dict[tuple[tuple[str, ...], str], dict[str, float]] = {}
    for gate in mixtures:
        owners = gate.owners or (EVERYONE,) * len(gate.experts)
        for expert, owner, weight in zip(gate.experts, owners, gate.weights, strict=True):
            of_owner = largest.setdefault((gate.experts, owner), {})
            of_owner[expert] = max(weight, of_owner.get(expert, 0.0))
    for (_, owner), most in largest.items():
        dead = sum(weight < DEAD for weight in most.values())
        if not dead:
            continue
        scenario, _, task = owner.rpartition("/")  # either may be empty
        owner_in_words = " · ".join(name for name in (scenario, task) if name)
        of = f" of {owner_in_words}" if owner_in_words else ""
        experts = ", ".join(most)
        unused = experts if len(most) == 1 else f"{numbers.spelled(dead)} of {experts}"
        yield f"no gate{of} gives {unused} more than {numbers.share(DEAD)}"
