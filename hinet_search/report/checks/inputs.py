"""Inputs: whether chance may have decided which groups of inputs were kept or dropped."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from hinet_search.report.drawing import numbers
from hinet_search.report.facts.measured_inputs import MeasuredInputs, measured_inputs
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.study_record import StudyRecord

ORDER = 26


@dataclass(frozen=True)
class Doubt:
    """A group whose interval has both signs. `loss` is the largest that the choice may cost."""

    group: str
    fate: str
    worth: Difference
    loss: float

    @property
    def text(self) -> str:
        """The group, what became of it, and its worth with interval."""
        span = numbers.interval(self.worth.low, self.worth.high)
        return f"{self.group} ({self.fate}): {numbers.gain(self.worth.mean)} ({span})."


def check(record: StudyRecord) -> Finding | None:
    """Warn of groups that were kept or dropped although their interval includes 0."""
    measured = measured_inputs(record)
    if measured is None:
        return None
    if not measured.followers:
        return passed("Groups of inputs were only measured: no arm follows the choice.")
    doubts = sorted(_doubts(measured), key=lambda doubt: -doubt.loss)
    seeds = numbers.plural(measured.num_seeds, "seed")
    if not doubts:
        return passed(f"Every group of inputs is kept or dropped beyond doubt over {seeds}.")
    first = doubts[0]
    cost = f": up to {numbers.metric(first.loss)} may be lost" if first.loss < inf else ""
    return warning(
        "Chance may have decided on groups of inputs; "
        f"the riskiest is {first.group} ({first.fate}){cost}.",
        [doubt.text for doubt in doubts],
        remedy="Under another study name, raise `inputs: {seeds: 10}`, which narrows the "
        "intervals, or set `fixed: {features.groups: ...}` yourself.",
    )


def _doubts(measured: MeasuredInputs) -> Iterator[Doubt]:
    for group in measured.choice.worths:
        worth = measured.worth([group])
        if worth is None or worth.direction != "unclear":
            continue
        is_dropped = group in measured.dropped
        worst = worth.high if is_dropped else worth.low
        loss = inf if worst is None else abs(worst)
        yield Doubt(group, "dropped" if is_dropped else "kept", worth, loss)
