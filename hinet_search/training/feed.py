"""Feed: one split as tensors on the device, and batches of it by index.

On the CPU the tensors are the memory-mapped columns themselves, which all slots of a machine share; another device gets
a copy that lives as long as the columns do. Rows are chosen and counted on the host, so that no step asks the device.
Ids stay as they are stored: those that a schema has no room for are taken for unknown by the embedding.
Shape legend: R rows of the split, B rows of a batch, T tasks.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.data.columns import Columns
from hinet_search.nn.sending import sent
from hinet_search.schema import Batch, sizes_of


@dataclass(frozen=True)
class Feed:
    """One split on one device, as it is stored. `scenario_R` is that of the host."""

    stored_R: Batch
    labels_RT: UInt8[Tensor, "R T"]
    scenario_R: Int[Tensor, "R"]

    def __len__(self) -> int:
        return len(self.stored_R)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.labels_RT.device

    def select(self, rows_B: Int[Tensor, "B"]) -> tuple[Batch, Float[Tensor, "B T"]]:
        """Inputs and labels of the given rows, whose numbers are on the host."""
        scenario_B, rows_B = self.scenario_R.index_select(0, rows_B), sent(rows_B, self.device)
        return _ready(self.stored_R.select(rows_B), scenario_B), self.labels_RT.index_select(0, rows_B).float()

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """All inputs in stored order."""
        return map(_ready, self.stored_R.split(batch_size), torch.split(self.scenario_R, batch_size))


def _ready(stored: Batch, on_host_B: Int[Tensor, "B"]) -> Batch:
    """Ids stay int32 (half the memory); scenarios become int64, as they index other tensors."""
    return replace(stored, scenario_B=stored.scenario_B.long(), sizes=sizes_of(on_host_B))


_copies: WeakKeyDictionary[Columns, Feed] = WeakKeyDictionary()  # the last one of every split that is in use


def make_feed(columns: Columns, device: torch.device) -> Feed:
    """A split on a device. A slot's full data set is copied there once, for all of its trials."""
    if device.type == "cpu":
        return _on(device, columns)
    feed = _copies.get(columns)
    if feed is None or feed.device != device:
        feed = _copies[columns] = _on(device, columns)
    return feed


def forget_copies() -> None:
    """Frees what other devices hold beside the feeds in use."""
    _copies.clear()


def _on(device: torch.device, columns: Columns) -> Feed:
    stored_R = Batch(
        ids_BF=_tensor(columns.ids_RF).to(device),
        numeric_BN=_tensor(columns.numeric_RN).to(device),
        scenario_B=_tensor(columns.scenario_R).to(device),
        lists_BS=_tensor(columns.lists_RS).to(device),
    )
    return Feed(stored_R, _tensor(columns.labels_RT).to(device), _tensor(columns.scenario_R))


def _tensor(array: NDArray[np.generic]) -> Tensor:
    """A view. Torch warns that a mapped array must not be written to; a feed only reads."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(array)
