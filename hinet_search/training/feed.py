"""Feed: one split as tensors on the device, and batches of it by index.

Columns are copied to the device once; a batch is four `index_select`, there is no per-row Python.
Shape legend: R rows of the split, B rows of a batch, F categorical fields, N numeric inputs, T tasks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hinet_search.data.columns import Columns
from hinet_search.schema import Batch, Schema
from hinet_search.training.seeding import Purpose, derived_seed


@dataclass(frozen=True)
class Feed:
    """One split on one device. Ids stay int32 (half the memory); scenarios are int64, as they index other tensors."""

    ids_RF: Int[Tensor, "R F"]
    numeric_RN: Float[Tensor, "R N"]
    scenario_R: Int[Tensor, "R"]
    labels_RT: Float[Tensor, "R T"]

    def __len__(self) -> int:
        return self.scenario_R.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.scenario_R.device

    def select(self, rows_B: Int[Tensor, "B"]) -> tuple[Batch, Float[Tensor, "B T"]]:
        """Inputs and labels of the given rows."""
        batch = Batch(
            ids_BF=self.ids_RF.index_select(0, rows_B),
            numeric_BN=self.numeric_RN.index_select(0, rows_B),
            scenario_B=self.scenario_R.index_select(0, rows_B),
        )
        return batch, self.labels_RT.index_select(0, rows_B)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """All inputs in stored order, as views."""
        parts = (torch.split(column, batch_size) for column in (self.ids_RF, self.numeric_RN, self.scenario_R))
        return map(Batch, *parts)


def make_feed(columns: Columns, schema: Schema, device: torch.device) -> Feed:
    """Copies a split to the device. Ids that `schema` has no room for (too rare for its cut-off) become 0 = unknown."""
    ids_RF = torch.tensor(columns.ids_RF)
    sizes_F = torch.tensor(schema.vocabulary_sizes, dtype=ids_RF.dtype)
    return Feed(
        ids_RF=ids_RF.masked_fill_(ids_RF >= sizes_F, 0).to(device),
        numeric_RN=torch.tensor(columns.numeric_RN).to(device),
        scenario_R=torch.tensor(columns.scenario_R).to(device, torch.int64),
        labels_RT=torch.tensor(columns.labels_RT).to(device, torch.float32),
    )


def row_order(num_rows: int, *, seed: int, pass_number: int, device: torch.device) -> Int[Tensor, "R"]:
    """The order of rows in a pass. Depends on seed and pass only, so that every model of a study sees the same."""
    generator = torch.Generator().manual_seed(derived_seed(seed, Purpose.DATA_ORDER, pass_number))
    return torch.randperm(num_rows, generator=generator).to(device)
