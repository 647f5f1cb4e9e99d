"""Feed: a split as tensors on the device, batches of it by row numbers, and logits of all rows.

On the CPU the tensors are the memory-mapped columns themselves, which all slots of a machine share.
A GPU gets a copy that lives as long as the columns, if that leaves room for a training; else the
rows stay on the host and are sent batch by batch. A training takes the same steps either way.
Rows are chosen, ordered by scenario and counted on the host, so that no step reads from the device.
Ids stay as stored, int32 (half the memory): the embedding turns those beyond the schema's
vocabulary into unknown.
Shape legend: R rows of the split, B rows of a batch, W rows of a window, F categorical fields, N
numeric inputs, S slots of all lists, T tasks, K bytes.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search.common import heartbeat, quiet
from hinet_search.data.columns import Columns
from hinet_search.executors.processes.environment import SLOTS_OF_GPU
from hinet_search.models.layers.batch import Batch, count_by_scenario, to_device

# Rows that are ordered by scenario at once when a whole split is scored. A split can be larger than
# memory, and a window of its mapped files is read once.
WINDOW_ROWS = 2**18
BATCHES_AHEAD = 4
ROWS_AT_ONCE = 4096  # activations of 50 scenarios with 4 sub-experts still fit in half a gigabyte
SCORED_ROW_BYTES = 2**29 // ROWS_AT_ONCE
SCORED_SHARE = 1 / 8  # of the free memory of a GPU: 80 GB hold 76,000 rows
ROWS_SHARE = 0.5  # of the memory of a GPU, at most; weights and activations need the rest
Item = TypeVar("Item")


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
        """Return inputs and labels of rows; `rows_B` is on the host."""
        scenario_B, order_B = self._scenarios(rows_B)
        if order_B is not None:
            order_B = to_device(order_B, self.device)
        both_2B = torch.stack([rows_B, scenario_B])  # one copy to the device instead of two
        rows_B, scenario_there_B = to_device(both_2B, self.device).unbind(0)
        return self.gather(rows_B, scenario_there_B, count_by_scenario(scenario_B), order_B)

    def _scenarios(
        self, rows_B: Int[Tensor, "B"]
    ) -> tuple[Int[Tensor, "B"], Int[Tensor, "B"] | None]:
        """Return the scenarios of rows, and their `order_B` as in Batch, on the host."""
        scenario_B = self.scenario_R.index_select(0, rows_B).long()  # it indexes other tensors
        is_sorted = (scenario_B[1:] >= scenario_B[:-1]).all()
        return scenario_B, None if is_sorted else scenario_B.argsort(stable=True)

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
        """Yield all inputs with their row numbers on the host.

        Rows of a window come scenario by scenario: most batches then have rows of one scenario, for
        which a layer of all scenarios is a single product.
        """

        def by_window() -> Iterator[Int[Tensor, "B"]]:
            for first in range(0, len(self), WINDOW_ROWS):
                rows_W = torch.arange(first, min(first + WINDOW_ROWS, len(self)))
                yield from torch.split(self.by_scenario(rows_W), batch_size)

        for rows_B in self.ahead(by_window()):
            yield rows_B, self.select(rows_B)[0]

    def ahead(self, rows: Iterator[Int[Tensor, "B"]]) -> Iterator[Int[Tensor, "B"]]:
        """Yield the row numbers of the batches that will be selected; here they need no reading."""
        return rows


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
        """Return inputs and labels of the rows on the device; `rows_B` is on the host."""
        is_read = bool(self._next) and self._next[0].rows_B is rows_B
        gathered = self._next.pop() if is_read else self._gathered(rows_B)
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

    def _gathered(self, rows_B: Int[Tensor, "B"]) -> Gathered:
        scenario_B, order_B = self._scenarios(rows_B)
        # From wide numbers to narrow ones, so that each begins where its type may.
        columns = (self.ids_RF, self.numeric_RN, self.lists_RS, self.labels_RT)
        tensors = [scenario_B, *(column.index_select(0, rows_B) for column in columns)]
        bytes_K = torch.cat([tensor.contiguous().flatten().view(torch.uint8) for tensor in tensors])
        return Gathered(
            rows_B,
            bytes_K.pin_memory() if self.target.type == "cuda" else bytes_K,
            tuple((tensor.dtype, tensor.shape) for tensor in tensors),
            order_B,
            count_by_scenario(scenario_B),
        )


def made_ahead(items: Iterator[Item], num_ahead: int = BATCHES_AHEAD) -> Iterator[Item]:
    """Yield the same items in the same order, each made by a thread before it is asked for."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as thread:
        waiting = deque(thread.submit(next, items, None) for _ in range(num_ahead))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, items, None))
            yield item


def bytes_on_device(columns: Columns) -> int:
    """Return the bytes of a copy of a split on another device."""
    return sum(array.nbytes for array in _copied_arrays(columns))


# The latest copy of every split in use, on a device other than the CPU.
_copies: WeakKeyDictionary[Columns, Feed] = WeakKeyDictionary()


def make_feed(columns: Columns, device: torch.device) -> Feed:
    """Return a split for a device; a slot copies each split of its data set to a GPU once."""
    if device.type == "cpu":
        return _copy_to(device, columns)
    feed = _copies.get(columns)
    if feed is None or feed.device != device:
        feed = _feed_of_device(columns, device)
        _copies[columns] = feed
    return feed


def forget_copies() -> None:
    """Free the copies on other devices that no feed uses."""
    _copies.clear()


def _feed_of_device(columns: Columns, device: torch.device) -> Feed:
    has_room = True
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        num_bytes = bytes_on_device(columns)
        slots = int(os.environ.get(SLOTS_OF_GPU, "1"))  # which start at the same time
        has_room = free - num_bytes >= (1 - ROWS_SHARE) * total
        has_room &= slots * num_bytes <= ROWS_SHARE * total
    if has_room:
        try:
            return _copy_to(device, columns)
        except torch.OutOfMemoryError:  # another process took what was free
            torch.cuda.empty_cache()
    return StreamedFeed(**vars(_copy_to(torch.device("cpu"), columns)), target=device)


def _copied_arrays(columns: Columns) -> tuple[NDArray[np.generic], ...]:
    return columns.ids_RF, columns.numeric_RN, columns.lists_RS, columns.labels_RT


def _copy_to(device: torch.device, columns: Columns) -> Feed:
    ids_RF, numeric_RN, lists_RS, labels_RT = (
        _tensor(array).to(device) for array in _copied_arrays(columns)
    )
    return Feed(ids_RF, numeric_RN, lists_RS, labels_RT, _tensor(columns.scenario_R))


def _tensor(array: NDArray[np.generic]) -> Tensor:
    """Return a view. Torch warns of arrays that must not be written to; a feed only reads."""
    with quiet.without(UserWarning, beginning="The given NumPy array is not writable"):
        return torch.from_numpy(array)


def rows_at_once(device: torch.device) -> int:
    """Return the rows of a batch that is only scored; on a GPU few take as long as many."""
    if device.type != "cuda":
        return ROWS_AT_ONCE
    free, _ = torch.cuda.mem_get_info(device)
    return min(max(int(SCORED_SHARE * free) // SCORED_ROW_BYTES, ROWS_AT_ONCE), WINDOW_ROWS)


def predict(model: nn.Module, feed: Feed, batch_size: int | None = None) -> NDArray[np.float32]:
    """Return logits (R, T) in the order of the feed, without dropout."""
    scores_RT: NDArray[np.float32] = logits(model, feed, batch_size).cpu().numpy()
    return scores_RT


def logits(model: nn.Module, feed: Feed, batch_size: int | None = None) -> Float[Tensor, "R T"]:
    """Return the same as `predict`, left on the feed's device and not read."""
    was_training = model.training
    model.eval()
    logits_RT: Tensor | None = None
    with torch.inference_mode():
        for rows_B, batch in feed.all_rows(batch_size or rows_at_once(feed.device)):
            logits_BT = model(batch).float()
            if logits_RT is None:
                logits_RT = logits_BT.new_empty(len(feed), logits_BT.shape[1])
            logits_RT.index_copy_(0, to_device(rows_B, feed.device), logits_BT)
            heartbeat.send_heartbeat()  # a whole split takes longer than a training step
    model.train(was_training)
    assert logits_RT is not None, "a split has rows"
    return logits_RT
