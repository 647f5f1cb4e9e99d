"""Gates: experts that no gate uses, and gates that use one expert alone, where a mixture is no mixture any more."""

from collections.abc import Iterator

from hinet_search.compare import chosen, title
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading, shown
from hinet_search.report.finding import Finding, passed, warning

ORDER = 110
ALONE = 0.95  # mean weight of an expert beside which the others hardly count
DEAD = 0.02  # mean weight that an expert needs in some gate to be of use


def check(record: StudyRecord) -> Finding | None:
    """Warns of either in the chosen finalist of any arm; weights are means over seeds and validation rows."""
    arms = [arm for arm in record.arms if (one := chosen(arm)) and shown.mean_gates(one)]
    if not arms:
        return None
    found = [line for arm in arms for line in (*_dead(arm), *_collapsed(arm))]
    if not found:
        return passed("No gate has collapsed and no expert is dead.")
    return warning(
        "Gates have collapsed or experts are dead.",
        found,
        remedy="Search fewer experts, more dropout in the experts, or a lower learning rate.",
    )


def _tables(arm: ArmRecord) -> dict[tuple[str, ...], dict[str, list[float]]]:
    finalist = chosen(arm)
    found = shown.mean_gates(finalist) if finalist else {}
    return {experts: gates for experts, gates in found.items() if len(experts) > 1}


def _dead(arm: ArmRecord) -> Iterator[str]:
    for experts, gates in _tables(arm).items():
        for position, expert in enumerate(experts):
            most = max(weights[position] for weights in gates.values())
            if most < DEAD:
                yield f"{title(arm.name)}: no gate gives {expert} more than {numbers.share(most)}."


def _collapsed(arm: ArmRecord) -> Iterator[str]:
    for experts, gates in _tables(arm).items():
        for where, weights in gates.items():
            if max(weights) > ALONE:
                expert = experts[weights.index(max(weights))]
                name = reading.gate_in_words(where)
                yield f"{title(arm.name)}: the gate of {name} gives {expert} {numbers.share(max(weights))}."
