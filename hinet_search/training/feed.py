"""Feed: one split as tensors on the device, and batches of it by index.

Columns are copied to the device once; a batch is four `index_select`, there is no per-row Python.
Shape legend: R rows of the split, B rows of a batch, F categorical fields, N numeric inputs, S slots of
all lists, T tasks.
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

    inputs_R: Batch
    labels_RT: Float[Tensor, "R T"]

    def __len__(self) -> int:
        return len(self.inputs_R)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.labels_RT.device

    def select(self, rows_B: Int[Tensor, "B"]) -> tuple[Batch, Float[Tensor, "B T"]]:
        """Inputs and labels of the given rows."""
        return self.inputs_R.select(rows_B), self.labels_RT.index_select(0, rows_B)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """All inputs in stored order, as views."""
        return iter(self.inputs_R.split(batch_size))


def make_feed(columns: Columns, schema: Schema, device: torch.device) -> Feed:
    """Copies a split to the device. Ids that `schema` has no room for (too rare for its cut-off) become 0 = unknown."""
    ids_RF, lists_RS = torch.tensor(columns.ids_RF), torch.tensor(columns.lists_RS)
    sizes_F = torch.tensor(schema.vocabulary_sizes, dtype=ids_RF.dtype)
    fields_S = torch.tensor([one.field for one in schema.lists for _ in range(one.length)], dtype=torch.int64)
    inputs_R = Batch(
        ids_BF=ids_RF.masked_fill_(ids_RF >= sizes_F, 0).to(device),
        numeric_BN=torch.tensor(columns.numeric_RN).to(device),
        scenario_B=torch.tensor(columns.scenario_R).to(device, torch.int64),
        lists_BS=lists_RS.masked_fill_(lists_RS >= sizes_F[fields_S], 0).to(device),
    )
    return Feed(inputs_R, torch.tensor(columns.labels_RT).to(device, torch.float32))


def row_order(num_rows: int, *, seed: int, pass_number: int, device: torch.device) -> Int[Tensor, "R"]:
    """The order of rows in a pass. Depends on seed and pass only, so that every model of a study sees the same."""
    generator = torch.Generator().manual_seed(derived_seed(seed, Purpose.DATA_ORDER, pass_number))
    return torch.randperm(num_rows, generator=generator).to(device)
