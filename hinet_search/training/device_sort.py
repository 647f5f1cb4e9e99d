"""Device sort: sort the keys of metrics on a device, where scoring takes less time than sorting."""

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.results.statistics.scored_cell import Sort

HIGHEST_BIT = np.uint64(1) << np.uint64(63)


def sort_on(device: torch.device) -> Sort:
    """Return a function that sorts keys, on the device unless that is the CPU."""
    return np.sort if device.type == "cpu" else lambda key_R: sorted_on(device, key_R)


def sorted_on(device: torch.device, key_R: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the keys in ascending order.

    torch sorts signed integers only: without their highest bit, keys keep their order as such.
    """
    signed_R = torch.from_numpy((key_R ^ HIGHEST_BIT).view(np.int64)).to(device)
    sorted_R: NDArray[np.int64] = signed_R.sort().values.cpu().numpy()
    return sorted_R.view(np.uint64) ^ HIGHEST_BIT
