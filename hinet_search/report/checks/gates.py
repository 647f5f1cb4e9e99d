"""Gates: experts that no gate uses, and gates that have collapsed onto one expert."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from hinet_search.report.drawing import numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import FinalistRecord, FinalistRun, GateUsage
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
    pairs = [(title(arm.name), chosen(arm)) for arm in record.arms]
    finalists = [
        (name, finalist)
        for name, finalist in pairs
        if finalist is not None and finalist.runs[0].insight.gates
    ]
    if not finalists:
        return None
    details = [f"{name}: {line}" for name, finalist in finalists for line in _lines(finalist)]
    if not details:
        return passed("No gate has collapsed and no expert is dead.")
    return warning(
        "Gates have collapsed or experts are dead.",
        details,
        remedy="Search fewer experts, more dropout in the experts, or a lower learning rate.",
    )


def _lines(finalist: FinalistRecord) -> Iterator[str]:
    """Yield each defect with the number of seeds that have it."""
    counts = Counter(line for run in finalist.runs for line in (*_dead(run), *_collapsed(run)))
    for line, count in counts.items():
        yield f"{line} in {count} of {numbers.plural(len(finalist.runs), 'seed')}."


def _mixtures(run: FinalistRun) -> list[GateUsage]:
    """Return gates over several experts, with weights scaled to sum to 1."""
    mixtures = []
    for gate in run.insight.gates:
        total = sum(gate.weights)
        if len(gate.experts) > 1 and total > 0:
            shares = tuple(weight / total for weight in gate.weights)
            mixtures.append(replace(gate, weights=shares))
    return mixtures


def _most(run: FinalistRun) -> dict[tuple[tuple[str, ...], str], dict[str, float]]:
    """Return the largest weight of each expert, by (experts of the gate, owner) and expert."""
    largest: dict[tuple[tuple[str, ...], str], dict[str, float]] = {}
    for gate in _mixtures(run):
        owners = gate.owners or (EVERYONE,) * len(gate.experts)
        for expert, owner, weight in zip(gate.experts, owners, gate.weights, strict=True):
            of_owner = largest.setdefault((gate.experts, owner), {})
            of_owner[expert] = max(weight, of_owner.get(expert, 0.0))
    return largest


def _dead(run: FinalistRun) -> Iterator[str]:
    for (_, owner), most in _most(run).items():
        dead = sum(weight < DEAD for weight in most.values())
        if not dead:
            continue
        scenario, _, task = owner.rpartition("/")  # either may be empty
        owner_in_words = " · ".join(name for name in (scenario, task) if name)
        of = f" of {owner_in_words}" if owner_in_words else ""
        experts = ", ".join(most)
        unused = experts if len(most) == 1 else f"{numbers.spelled(dead)} of {experts}"
        yield f"no gate{of} gives {unused} more than {numbers.share(DEAD)}"


def _collapsed(run: FinalistRun) -> Iterator[str]:
    for gate in _mixtures(run):
        if max(gate.weights) > ALONE:
            where = record_facts.gate_in_words(gate.where)
            yield f"the gate of {where} gives one expert more than {numbers.share(ALONE)}"
