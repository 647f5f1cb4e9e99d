"""Batch: the input rows of a model, sorting by scenario, and transfer to the model's device.

Layers with parameters per scenario work on runs of rows of one scenario: they need no masks and
compute no row for a scenario that it does not belong to. A step never reads from its device:
whatever decides shapes is counted on the host, so that a GPU never waits for the host.
Shape legend: B rows of a batch, F categorical fields, N numeric inputs, S slots of all lists
together, M scenarios, R selected rows or repeated numbers, ... any further axes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Inputs of B rows on one device. `lists_BS` holds the slots of all lists of the schema.

    `sizes[m]` counts the rows of scenario m, without scenarios after the last one present, and
    `order_B` lists the rows scenario by scenario, None if they are in that order. A feed sets both
    on the host, because asking a GPU takes longer than a layer; without `sizes` the model sorts.
    """

    ids_BF: Int[Tensor, "B F"]
    numeric_BN: Float[Tensor, "B N"]
    scenario_B: Int[Tensor, "B"]
    lists_BS: Int[Tensor, "B S"]
    order_B: Int[Tensor, "B"] | None = None
    sizes: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return self.num_rows

    @property
    def num_rows(self) -> int:
        """B; unlike `len`, it stays a variable when a graph is exported."""
        return self.scenario_B.shape[0]

    def select(self, order_B: Int[Tensor, "B"]) -> "Batch":
        """Return the rows with these numbers, in this order."""
        return Batch(
            ids_BF=self.ids_BF.index_select(0, order_B),
            numeric_BN=self.numeric_BN.index_select(0, order_B),
            scenario_B=self.scenario_B.index_select(0, order_B),
            lists_BS=self.lists_BS.index_select(0, order_B),
        )

    def split(self, sizes: Sequence[int] | int) -> "tuple[Batch, ...]":
        """Return consecutive runs of rows as views, of `sizes[i]` rows or all of `sizes` rows."""
        lengths = sizes if isinstance(sizes, int) else list(sizes)
        columns = (self.ids_BF, self.numeric_BN, self.scenario_B, self.lists_BS)
        split_columns = [torch.split(column, lengths) for column in columns]
        return tuple(Batch(*run) for run in zip(*split_columns, strict=True))


def count_by_scenario(scenario_B: Int[Tensor, "B"]) -> tuple[int, ...]:
    """Return the number of rows of scenario 0, 1, ..., up to the last one present."""
    counts: list[int] = torch.bincount(scenario_B).tolist()
    return tuple(counts)


@dataclass(frozen=True)
class RowsByScenario:
    """An order of rows by scenario.

    `order_B` lists the rows scenario by scenario, None if they are in that order; `sizes[m]` counts
    the rows of scenario m, 0 if it is absent.
    """

    order_B: Int[Tensor, "B"] | None
    sizes: tuple[int, ...]

    def sort(self, batch: Batch) -> Batch:
        """Return the rows in sorted order."""
        return batch if self.order_B is None else batch.select(self.order_B)

    def runs(self, batch: Batch) -> tuple[Batch, ...]:
        """Return the rows of each scenario, as M batches."""
        return self.sort(batch).split(self.sizes)

    def restore(self, sorted_B: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """Return sorted rows in the batch's original order."""
        if self.order_B is None:
            return sorted_B
        inverse_B = torch.empty_like(self.order_B)
        inverse_B[self.order_B] = torch.arange(len(self.order_B), device=self.order_B.device)
        return sorted_B[inverse_B]


def rows_by_scenario(batch: Batch, num_scenarios: int) -> RowsByScenario:
    """Group rows by scenario; within a scenario they keep their order."""
    order_B = batch.order_B
    sizes = batch.sizes
    if sizes is None:
        order_B = torch.argsort(batch.scenario_B, stable=True)
        sizes = count_by_scenario(batch.scenario_B)
    num_absent_at_end = num_scenarios - len(sizes)
    return RowsByScenario(order_B, (*sizes, *[0] * num_absent_at_end))


def to_device(host: Tensor, device: torch.device) -> Tensor:
    """Copy a host tensor to the device; return it as it is if it is there.

    Memory is pinned for CUDA, since only then does the host continue during the copy. A CUDA graph
    would copy what lies there at each replay, so it must not be captured: RuntimeError.
    """
    if device.type == "cuda" and not host.is_cuda:
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("a copy from the host's memory cannot be captured")
        return host.pin_memory().to(device, non_blocking=True)
    return host.to(device)


def repeat_each(
    numbers: Sequence[int], times: Sequence[int], device: torch.device
) -> Int[Tensor, "R"]:
    """Repeat `numbers[i]` `times[i]` times, in order."""
    if torch.compiler.is_exporting():  # a tensor cannot hold `times`, which may be variables
        runs = [
            torch.full((count,), number, dtype=torch.int64, device=device)
            for number, count in zip(numbers, times, strict=True)
        ]
        return torch.cat(runs)
    pair_2N = to_device(torch.tensor([list(numbers), list(times)], dtype=torch.int64), device)
    return torch.repeat_interleave(pair_2N[0], pair_2N[1], output_size=sum(times))
