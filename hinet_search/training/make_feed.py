"""Make feed: a split as a feed, on the device if it has room for it.

On the CPU the tensors are the memory-mapped columns themselves, which all slots of a machine share.
A GPU gets a copy that lives as long as the columns, if that leaves room for a training; else the
rows stay on the host. A training takes the same steps either way.
"""

from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.common import quiet
from hinet_search.data.columns import Columns
from hinet_search.training.feed import Feed
from hinet_search.training.streamed_feed import StreamedFeed

ROWS_SHARE = 0.5  # of the memory of a GPU, at most; weights and activations need the rest


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
    if device.type != "cuda" or _has_room(device, bytes_on_device(columns)):
        try:
            return _copy_to(device, columns)
        except torch.OutOfMemoryError:  # another process took what was free
            torch.cuda.empty_cache()
    return StreamedFeed(**vars(_copy_to(torch.device("cpu"), columns)), target=device)


def _has_room(device: torch.device, num_bytes: int) -> bool:
    free, total = torch.cuda.mem_get_info(device)
    return free - num_bytes >= (1 - ROWS_SHARE) * total


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
