"""Gates: experts that no gate uses, and gates that use one expert alone, where a mixture is no mixture any more."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from hinet_search.compare import chosen, title
from hinet_search.insight import GateUsage
from hinet_search.records import FinalistRecord, FinalistRun, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 110
ALONE = 0.95  # mean weight of an expert beside which the others hardly count
DEAD = 0.02  # mean weight that an expert needs in some gate to be of use
EVERYONE = "/"  # the owner of an expert of all scenarios and gates


def check(record: StudyRecord) -> Finding | None:
    """Warns of either in the chosen finalist of any arm. Each seed is looked at alone: its experts are its own."""
    finalists = [(title(arm.name), one) for arm in record.arms if (one := chosen(arm)) and one.runs[0].insight.gates]
    if not finalists:
        return None
    found = [f"{name}: {line}" for name, finalist in finalists for line in _lines(finalist)]
    if not found:
        return passed("No gate has collapsed and no expert is dead.")
    return warning(
        "Gates have collapsed or experts are dead.",
        found,
        remedy="Search fewer experts, more dropout in the experts, or a lower learning rate.",
    )


def _lines(finalist: FinalistRecord) -> Iterator[str]:
    """What was found, and in how many of the seeds."""
    counts = Counter(line for run in finalist.runs for line in (*_dead(run), *_collapsed(run)))
    for line, count in counts.items():
        yield f"{line} in {count} of {numbers.plural(len(finalist.runs), 'seed')}."


def _mixtures(run: FinalistRun) -> list[GateUsage]:
    """Gates over several experts, as shares: a gate of kind `sum` gives each expert a weight of 1."""
    several = [gate for gate in run.insight.gates if len(gate.experts) > 1 and sum(gate.weights) > 0]
    return [replace(gate, weights=tuple(one / sum(gate.weights) for one in gate.weights)) for gate in several]


def _most(run: FinalistRun) -> dict[tuple[tuple[str, ...], str], dict[str, float]]:
    """The most that a gate gives to each expert; experts of one owner stand together, apart from those of other gates."""
    found: dict[tuple[tuple[str, ...], str], dict[str, float]] = {}
    for gate in _mixtures(run):
        owners = gate.owners or (EVERYONE,) * len(gate.experts)
        for expert, owner, weight in zip(gate.experts, owners, gate.weights, strict=True):
            most = found.setdefault((gate.experts, owner), {})
            most[expert] = max(weight, most.get(expert, 0.0))
    return found


def _dead(run: FinalistRun) -> Iterator[str]:
    for (_, owner), most in _most(run).items():
        if dead := sum(weight < DEAD for weight in most.values()):
            of = "" if owner == EVERYONE else f" of {' · '.join(filter(None, owner.rpartition('/')[::2]))}"
            experts = ", ".join(most)
            unused = experts if len(most) == 1 else f"{numbers.spelled(dead)} of {experts}"
            yield f"no gate{of} gives {unused} more than {numbers.share(DEAD)}"


def _collapsed(run: FinalistRun) -> Iterator[str]:
    for gate in _mixtures(run):
        if max(gate.weights) > ALONE:
            where = reading.gate_in_words(gate.where)
            yield f"the gate of {where} gives one expert more than {numbers.share(ALONE)}"
