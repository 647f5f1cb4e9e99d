"""Gates: experts that no gate uses, and gates that use one expert alone, where a mixture is no mixture any more."""

from collections import Counter
from collections.abc import Iterator

from hinet_search.compare import chosen, title
from hinet_search.insight import GateUsage
from hinet_search.records import FinalistRecord, FinalistRun, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 110
ALONE = 0.95  # mean weight of an expert beside which the others hardly count
DEAD = 0.02  # mean weight that an expert needs in some gate to be of use


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


def _mixtures(run: FinalistRun) -> dict[tuple[str, ...], list[GateUsage]]:
    """Gates over several experts, those over the same ones together."""
    found: dict[tuple[str, ...], list[GateUsage]] = {}
    for gate in run.insight.gates:
        if len(gate.experts) > 1:
            found.setdefault(gate.experts, []).append(gate)
    return found


def _dead(run: FinalistRun) -> Iterator[str]:
    for experts, gates in _mixtures(run).items():
        most = [max(gate.weights[position] for gate in gates) for position in range(len(experts))]
        if dead := sum(weight < DEAD for weight in most):
            yield f"no gate gives {numbers.spelled(dead)} of {', '.join(experts)} more than {numbers.share(DEAD)}"


def _collapsed(run: FinalistRun) -> Iterator[str]:
    for gates in _mixtures(run).values():
        for gate in gates:
            if max(gate.weights) > ALONE:
                where = reading.gate_in_words(gate.where)
                yield f"the gate of {where} gives one expert more than {numbers.share(ALONE)}"
