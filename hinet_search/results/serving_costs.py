"""Serving costs: which of several models costs less to serve, by time where known, else FLOPs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.trade_offs import COSTS, LATENCY

# Times are measured while other slots train. Between a fifth less and the same they are alike.
SHORTER = 0.8
TIME = "time"


@dataclass(frozen=True)
class ServingCosts:
    """The costs of models by name, in one measure; models whose cost is not known are left out.

    `measure` is `time`, that of scoring 100 rows as one request, or `FLOPs` per row. A cost is
    `below` another one if it is at most this share of it. Models of one `size` are alike, however
    their times differ: a student and its arm.
    """

    measure: str
    of: Mapping[str, float]
    below: float
    size: Mapping[str, tuple[int, int]]

    @property
    def is_of_time(self) -> bool:
        """Whether costs are times."""
        return self.measure == TIME

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


def serving_costs(models: Sequence[ArmRecord]) -> ServingCosts:
    """Return the times of the chosen finalists if all networks were timed on one kind of device.

    Otherwise return their FLOPs, which have no noise. Trees have none; they are left out there, and
    where they were timed on another kind of device than the networks.
    """
    finalists = {model.name: finalist for model in models if (finalist := chosen(model))}
    networks = {
        name: finalist for name, finalist in finalists.items() if finalist.cost.flops_per_row
    }
    size = {
        name: (network.cost.flops_per_row, network.cost.parameters)
        for name, network in networks.items()
    }
    devices = {_device(finalist) for finalist in (networks or finalists).values()}
    times = {
        name: time
        for name, finalist in finalists.items()
        if _device(finalist) in devices and (time := COSTS[LATENCY].of(finalist.cost))
    }
    if len(devices) == 1 and networks.keys() <= times.keys():
        return ServingCosts(TIME, times, SHORTER, size)
    flops = {name: float(number) for name, (number, _) in size.items()}
    return ServingCosts("FLOPs", flops, 1.0, size)


def _device(finalist: FinalistRecord) -> str:
    """Return the kinds of device that its runs were timed on: `cpu`, `cuda`."""
    return " ".join(sorted({run.cost.device.partition(":")[0] for run in finalist.runs}))
