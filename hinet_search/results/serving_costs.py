"""Serving costs: what models cost to serve, in one measure that all of them have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hinet_search.results.ensemble_records import RunKey
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ArmRecord, ServingCost
from hinet_search.results.study_record import StudyRecord

# Times are measured while other slots train. Between a fifth less and the same they are alike.
SHORTER = 0.8
TIME = "time"


@dataclass(frozen=True)
class ServingCosts:
    """The costs of models by name, in one measure; models whose cost is not known are left out.

    `measure` is `time`, to score 100 rows as one request, or `FLOPs` per row. A cost is
    `below` another one if it is at most this share of it. Models of one `size` are alike, however
    their times differ: a student and its arm.
    """

    measure: str
    of: Mapping[str, float]
    below: float
    size: Mapping[str, tuple[int, int]]

    def share(self, model: ArmRecord, other: ArmRecord) -> float | None:
        """Return the cost of a model as a share of another one's; None if one is not known."""
        ours = self.of.get(model.name)
        theirs = self.of.get(other.name)
        return ours / theirs if ours and theirs else None

    def is_cheaper(self, model: ArmRecord, than: ArmRecord) -> bool:
        """Whether a model costs less, by more than the noise of the measure."""
        share = self.share(model, than)
        ours = self.size.get(model.name)
        theirs = self.size.get(than.name)
        if share is None or (ours is not None and ours == theirs):
            return False
        return share < 1 and share <= self.below

    def in_words(self, model: ArmRecord, other: ArmRecord) -> str:
        """Say a cost beside another one: `18 % of its time`, `3.0 times its time`."""
        share = self.share(model, other) or 1.0
        if share > 1:
            return f"{share:.1f} times its {self.measure}"
        return f"{percent(share)} of its {self.measure}"


def serving_costs(models: Sequence[ArmRecord]) -> ServingCosts:
    """Return the times of the chosen finalists if all networks were timed on one kind of device.

    Otherwise return their FLOPs, which have no noise. Trees have none; they are left out there, and
    where they were timed on another kind of device than the networks.
    """
    finalists = {model.name: finalist for model in models if (finalist := chosen(model))}
    costs = {name: finalist.cost for name, finalist in finalists.items()}
    networks = {name: cost for name, cost in costs.items() if cost.flops_per_row}
    size = {name: (cost.flops_per_row, cost.parameters) for name, cost in networks.items()}
    timed_on = {}  # the kinds of device of all runs: `cpu`, `cuda`
    for name, finalist in finalists.items():
        kinds = {run.cost.device.partition(":")[0] for run in finalist.runs}
        timed_on[name] = frozenset(kinds)
    devices = {timed_on[name] for name in networks or finalists}
    times = {}
    for name, cost in costs.items():
        if cost.milliseconds_per_100 and timed_on[name] in devices:
            times[name] = cost.milliseconds_per_100
    if len(devices) == 1 and networks.keys() <= times.keys():
        return ServingCosts(TIME, times, SHORTER, size)
    flops = {name: float(cost.flops_per_row) for name, cost in networks.items()}
    return ServingCosts("FLOPs", flops, 1.0, size)


def cost_of_runs(record: StudyRecord, runs: Sequence[RunKey]) -> ServingCost:
    """Return what all runs together cost."""
    finalists = {}
    for arm in record.arms_and_students:
        for finalist in arm.finalists:
            finalists[arm.name, finalist.trial_number] = finalist
    costs = [finalists[run.arm, run.trial_number].cost for run in runs]
    times = [cost.milliseconds_per_100 for cost in costs]
    known = [time for time in times if time is not None]
    return ServingCost(
        flops_per_row=sum(cost.flops_per_row for cost in costs),
        milliseconds_per_100=sum(known) if len(known) == len(times) else None,
    )


def percent(share: float) -> str:
    """Format a share: `18 %`, `2.4 %`."""
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"
