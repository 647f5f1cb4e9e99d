"""Rows by scenario: sort a batch so that the rows of a scenario lie together, and undo it.

Layers that own parameters per scenario work on such runs of rows: no masks, no row is computed for a scenario that it
does not belong to. Shape legend: B rows, M scenarios, ... any further axes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hinet_search.schema import Batch, sizes_of


@dataclass(frozen=True)
class RowsByScenario:
    """`order_B` lists the rows scenario by scenario; `sizes[m]` counts the rows of scenario m, 0 when it is absent."""

    order_B: Int[Tensor, "B"]
    sizes: tuple[int, ...]

    def sort(self, batch: Batch) -> Batch:
        """The same rows in sorted order."""
        return batch.select(self.order_B)

    def runs(self, batch: Batch) -> tuple[Batch, ...]:
        """The rows of each scenario, as M batches."""
        return self.sort(batch).split(self.sizes)

    def restore(self, sorted_B: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """Sorted rows back in the order in which the batch had them."""
        inverse_B = torch.empty_like(self.order_B)
        inverse_B[self.order_B] = torch.arange(len(self.order_B), device=self.order_B.device)
        return sorted_B[inverse_B]


def rows_by_scenario(batch: Batch, num_scenarios: int) -> RowsByScenario:
    """Groups rows by scenario; within a scenario they keep their order."""
    order_B = torch.argsort(batch.scenario_B, stable=True)
    sizes = sizes_of(batch.scenario_B) if batch.sizes is None else batch.sizes
    return RowsByScenario(order_B, (*sizes, *[0] * (num_scenarios - len(sizes))))
