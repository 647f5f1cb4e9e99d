"""Device memory: what the slots that share a GPU keep on it, and whether it has room for that.

Beside what it trains, a slot keeps a copy of every split that its jobs have read
(training/feed.py). What CUDA itself takes for every process is not counted.
"""

from dataclasses import dataclass

import torch

from hinet_search.common.amounts import byte_size, counted
from hinet_search.data.columns import Dataset
from hinet_search.training.feed import bytes_on_device

BYTES_OF_A_TEACHER = 2  # of a score, as it is stored (training/teaching.py)


@dataclass(frozen=True)
class DeviceMemory:
    """The bytes of a GPU, the slots that share it, and the bytes of rows that each keeps there."""

    num_bytes: int
    slots: int
    data_bytes: int

    def shortage(self, training_bytes: int) -> str:
        """Say what is lacking if a training takes so much on each slot; empty if nothing is."""
        needed = self.slots * (self.data_bytes + training_bytes)
        if needed <= self.num_bytes:
            return ""
        rows = byte_size(self.data_bytes)
        training = byte_size(training_bytes)
        return (
            f"device memory: {counted(self.slots, 'slot')} on one GPU need {byte_size(needed)}, "
            f"{rows} of rows and {training} of a training each, and it has "
            f"{byte_size(self.num_bytes)}: {self._remedy(training_bytes)}"
        )

    def _remedy(self, training_bytes: int) -> str:
        most = self.num_bytes // (self.data_bytes + training_bytes)
        if most:
            slots = counted(most, "slot")
            return f"let at most {slots} share it: fewer slots, or more GPUs"
        if self.data_bytes > training_bytes:
            return "not one fits: use fewer features or rows, which no smaller batch replaces"
        return "not one fits: raise data.minimum_frequency, or use smaller models or batches"


def bytes_kept(dataset: Dataset, *, taught: bool) -> int:
    """Return what a slot keeps on a GPU when it has read all splits, and a teacher's scores."""
    splits = (dataset.train, dataset.valid, dataset.test, *dataset.stale_test.values())
    of_teacher = BYTES_OF_A_TEACHER * dataset.train.labels_RT.size if taught else 0
    return sum(bytes_on_device(columns) for columns in splits) + of_teacher


def smallest_memory() -> int:
    """Return the bytes of the smallest GPU that this process sees; no memory is taken there."""
    numbers = range(torch.cuda.device_count())
    return min(torch.cuda.get_device_properties(number).total_memory for number in numbers)
