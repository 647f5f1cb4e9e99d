"""Feed: a split as tensors on the device, and batches of it by row numbers.

make_feed.py decides where the tensors are; where the device has no room, a streamed feed sends them
batch by batch. Rows are chosen, ordered by scenario and counted on the host, so that no step reads
from the device. Ids stay as stored, int32 (half the memory): the embedding turns those beyond the
schema's vocabulary into unknown.
Shape legend: R rows of the split, B rows of a batch, W rows of a window, F categorical fields, N
numeric inputs, S slots of all lists, T tasks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from hinet_search.models.layers.batch import Batch, count_by_scenario, to_device

# Rows that are ordered by scenario at once when a whole split is scored. A split can be larger than
# memory, and a window of its mapped files is read once.
WINDOW_ROWS = 2**18


@dataclass(frozen=True)
class Feed:
    """A split on one device, as it is stored; `scenario_R` is on the host."""

    ids_RF: Int[Tensor, "R F"]
    numeric_RN: Float[Tensor, "R N"]
    lists_RS: Int[Tensor, "R S"]
    labels_RT: Shaped[Tensor, "R T"]  # uint8, or float32 if a task has amounts
    scenario_R: Int[Tensor, "R"]

    def __len__(self) -> int:
        return len(self.scenario_R)

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return self.labels_RT.device

    def select(self, rows_B: Int[Tensor, "B"]) -> tuple[Batch, Float[Tensor, "B T"]]:
        """Return inputs and labels of these rows; `rows_B` is on the host."""
        scenario_B = self.scenario_R.index_select(0, rows_B).long()  # it indexes other tensors
        order_B = None
        if not (scenario_B[1:] >= scenario_B[:-1]).all():
            order_B = to_device(scenario_B.argsort(stable=True), self.device)
        both_2B = torch.stack([rows_B, scenario_B])  # one copy to the device instead of two
        rows_B, scenario_there_B = to_device(both_2B, self.device).unbind(0)
        return self.gather(rows_B, scenario_there_B, count_by_scenario(scenario_B), order_B)

    def gather(
        self,
        rows_B: Int[Tensor, "B"],
        scenario_B: Int[Tensor, "B"],
        sizes: tuple[int, ...],
        order_B: Int[Tensor, "B"] | None = None,
    ) -> tuple[Batch, Float[Tensor, "B T"]]:
        """Return the same, given what is on the device; `sizes` and `order_B` are as in Batch."""
        batch = Batch(
            ids_BF=self.ids_RF.index_select(0, rows_B),
            numeric_BN=self.numeric_RN.index_select(0, rows_B),
            scenario_B=scenario_B,
            lists_BS=self.lists_RS.index_select(0, rows_B),
            order_B=order_B,
            sizes=sizes,
        )
        return batch, self.labels_RT.index_select(0, rows_B).float()

    def by_scenario(self, rows_B: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        """Return these row numbers scenario by scenario; a batch of such rows is never reordered.

        Within a scenario they keep their order. All is on the host.
        """
        return rows_B[self.scenario_R.index_select(0, rows_B).argsort(stable=True)]

    def all_rows(self, batch_size: int) -> Iterator[tuple[Int[Tensor, "B"], Batch]]:
        """Yield all inputs with their row numbers, which are on the host.

        Rows of a window come scenario by scenario: most batches then have rows of one scenario, for
        which a layer of all scenarios is a single product.
        """
        for rows_B in self.ahead(self._by_window(batch_size)):
            yield rows_B, self.select(rows_B)[0]

    def _by_window(self, batch_size: int) -> Iterator[Int[Tensor, "B"]]:
        for first in range(0, len(self), WINDOW_ROWS):
            rows_W = torch.arange(first, min(first + WINDOW_ROWS, len(self)))
            yield from torch.split(self.by_scenario(rows_W), batch_size)

    def ahead(self, rows: Iterator[Int[Tensor, "B"]]) -> Iterator[Int[Tensor, "B"]]:
        """Yield the row numbers of the batches that will be selected; here they need no reading."""
        return rows
