"""Feed: one split as tensors on the device, and batches of it by index.

On the CPU the tensors are the memory-mapped columns themselves, which all slots of a machine share; another device gets
one copy, which its slot keeps for the next trial. What differs between trials is done to a batch.
Shape legend: R rows of the split, B rows of a batch, F categorical fields, N numeric inputs, S slots of
all lists, T tasks.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.data.columns import SPLITS, Columns
from hinet_search.schema import Batch, Schema


@dataclass(frozen=True)
class Feed:
    """One split on one device, as it is stored. Ids from `sizes_F` (and `sizes_S` in lists) on become 0 = unknown."""

    stored_R: Batch
    labels_RT: UInt8[Tensor, "R T"]
    sizes_F: Int[Tensor, "F"]
    sizes_S: Int[Tensor, "S"]

    def __len__(self) -> int:
        return len(self.stored_R)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.labels_RT.device

    def select(self, rows_B: Int[Tensor, "B"]) -> tuple[Batch, Float[Tensor, "B T"]]:
        """Inputs and labels of the given rows."""
        return self._inputs(self.stored_R.select(rows_B)), self.labels_RT.index_select(0, rows_B).float()

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """All inputs in stored order."""
        return map(self._inputs, self.stored_R.split(batch_size))

    def _inputs(self, stored: Batch) -> Batch:
        """Ids stay int32 (half the memory); scenarios become int64, as they index other tensors."""
        return Batch(
            ids_BF=stored.ids_BF.masked_fill(stored.ids_BF >= self.sizes_F, 0),
            numeric_BN=stored.numeric_BN,
            scenario_B=stored.scenario_B.long(),
            lists_BS=stored.lists_BS.masked_fill(stored.lists_BS >= self.sizes_S, 0),
        )


def make_feed(columns: Columns, schema: Schema, device: torch.device) -> Feed:
    """A split as a model of this schema sees it: ids that the schema has no room for are too rare to be known."""
    stored_R, labels_RT = _on_device(columns, device)
    sizes_F = torch.tensor(schema.vocabulary_sizes, dtype=torch.int32, device=device)
    fields_S = torch.tensor(
        [one.field for one in schema.lists for _ in range(one.length)], dtype=torch.int64, device=device
    )
    return Feed(stored_R, labels_RT, sizes_F, sizes_F[fields_S])


@lru_cache(maxsize=2 * len(SPLITS))  # the splits of a data set, and of a restriction of it
def _on_device(columns: Columns, device: torch.device) -> tuple[Batch, UInt8[Tensor, "R T"]]:
    stored_R = Batch(
        ids_BF=_tensor(columns.ids_RF).to(device),
        numeric_BN=_tensor(columns.numeric_RN).to(device),
        scenario_B=_tensor(columns.scenario_R).to(device),
        lists_BS=_tensor(columns.lists_RS).to(device),
    )
    return stored_R, _tensor(columns.labels_RT).to(device)


def _tensor(array: NDArray[np.generic]) -> Tensor:
    """A view. Torch warns that a mapped array must not be written to; a feed only reads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(array)
