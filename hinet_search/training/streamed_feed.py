"""Streamed feed: a split that stays on the host, whose batches are sent to a device one by one.

For rows that are too many for the device (feed.py decides). A thread reads the rows of the next
steps, mapped from disk perhaps, while the device works; a batch is one copy of pinned memory. What
a model sees is the same as with all rows on the device.
Shape legend: as in feed.py, and K bytes.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod
from typing import TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from hinet_search.models.layers.batch import Batch, count_by_scenario, to_device
from hinet_search.training.feed import Feed

Item = TypeVar("Item")
BATCHES_AHEAD = 4


@dataclass(frozen=True)
class Gathered:
    """The rows of a batch on the host, as the bytes of its tensors one after another."""

    rows_B: Int[Tensor, "B"]
    bytes_K: UInt8[Tensor, "K"]
    layouts: tuple[tuple[torch.dtype, torch.Size], ...]
    order_B: Int[Tensor, "B"] | None
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class StreamedFeed(Feed):
    """A feed whose tensors are on the host; its batches are on `target`."""

    target: torch.device = field(kw_only=True)
    _next: list[Gathered] = field(default_factory=list)  # the batch that `ahead` has read, if any

    @property
    def device(self) -> torch.device:
        """The device of the batches."""
        return self.target

    def ahead(self, rows: Iterator[Int[Tensor, "B"]]) -> Iterator[Int[Tensor, "B"]]:
        """Yield the same row numbers, which `select` then finds read; a thread reads the next."""
        for gathered in made_ahead(map(self._gathered, rows)):
            self._next[:] = [gathered]
            yield gathered.rows_B

    def select(self, rows_B: Int[Tensor, "B"]) -> tuple[Batch, Float[Tensor, "B T"]]:
        """Return inputs and labels of these rows on the device; `rows_B` is on the host."""
        is_read = bool(self._next) and self._next[0].rows_B is rows_B
        return self._sent(self._next.pop() if is_read else self._gathered(rows_B))

    def _gathered(self, rows_B: Int[Tensor, "B"]) -> Gathered:
        scenario_B = self.scenario_R.index_select(0, rows_B).long()
        is_sorted = bool((scenario_B[1:] >= scenario_B[:-1]).all())
        # From wide numbers to narrow ones, so that each begins where its type may.
        tensors = (
            scenario_B,
            *(
                tensor.index_select(0, rows_B)
                for tensor in (self.ids_RF, self.numeric_RN, self.lists_RS, self.labels_RT)
            ),
        )
        bytes_K = torch.cat([tensor.contiguous().flatten().view(torch.uint8) for tensor in tensors])
        return Gathered(
            rows_B,
            bytes_K.pin_memory() if self.target.type == "cuda" else bytes_K,
            tuple((tensor.dtype, tensor.shape) for tensor in tensors),
            None if is_sorted else scenario_B.argsort(stable=True),
            count_by_scenario(scenario_B),
        )

    def _sent(self, gathered: Gathered) -> tuple[Batch, Float[Tensor, "B T"]]:
        bytes_K = gathered.bytes_K.to(self.target, non_blocking=True)
        lengths = [prod(shape) * kind.itemsize for kind, shape in gathered.layouts]
        scenario_B, ids_BF, numeric_BN, lists_BS, labels_BT = (
            part.view(kind).view(shape)
            for part, (kind, shape) in zip(
                torch.split(bytes_K, lengths), gathered.layouts, strict=True
            )
        )
        order_B = gathered.order_B
        if order_B is not None:
            order_B = to_device(order_B, self.target)
        batch = Batch(ids_BF, numeric_BN, scenario_B, lists_BS, order_B, gathered.sizes)
        return batch, labels_BT.float()


def made_ahead(items: Iterator[Item], num_ahead: int = BATCHES_AHEAD) -> Iterator[Item]:
    """Yield the same items in the same order, each made by a thread before it is asked for."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as thread:
        waiting = deque(thread.submit(next, items, None) for _ in range(num_ahead))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, items, None))
            yield item
