"""Device memory: what the slots that share a GPU keep on it, and whether it has room for that.

Beside what it trains, a slot keeps a copy of every split that its jobs have read, if there is room
(training/feed.py). What CUDA itself takes for every process is not counted.
"""

from dataclasses import dataclass

import torch

from hinet_search.common.amounts import byte_size, counted
from hinet_search.data.columns import Dataset
from hinet_search.training.feed import ROWS_SHARE, bytes_on_device

BYTES_OF_A_TEACHER = 2  # of a score, as it is stored (training/teaching.py)


@dataclass(frozen=True)
class DeviceMemory:
    """The bytes of a GPU, the slots that share it, and the bytes of rows that each reads."""

    num_bytes: int
    slots: int
    data_bytes: int

    @property
    def keeps_rows(self) -> bool:
        """Whether all slots find room for their rows there; else batches are sent one by one."""
        return self.slots * self.data_bytes <= ROWS_SHARE * self.num_bytes

    @property
    def kept_bytes(self) -> int:
        """The bytes of rows that a slot keeps there."""
        return self.data_bytes if self.keeps_rows else 0

    @property
    def note(self) -> str:
        """Say that rows are not kept, where they are not."""
        return (
            f"{byte_size(self.slots * self.data_bytes)} of rows are more than half of the GPU's "
            f"{byte_size(self.num_bytes)}: they stay in the memory of the machine, and batches are "
            "sent one by one"
        )

    def shortage(self, training_bytes: int) -> str:
        """Say what is lacking if a training takes so much on each slot; empty if nothing is."""
        needed = self.slots * (self.kept_bytes + training_bytes)
        if needed <= self.num_bytes:
            return ""
        rows = f"{byte_size(self.kept_bytes)} of rows and " if self.kept_bytes else ""
        return (
            f"device memory: {counted(self.slots, 'slot')} on one GPU need {byte_size(needed)}, "
            f"{rows}{byte_size(training_bytes)} of a training each, and it has "
            f"{byte_size(self.num_bytes)}: {self._remedy(training_bytes)}"
        )

    def _remedy(self, training_bytes: int) -> str:
        most = self.num_bytes // (self.kept_bytes + training_bytes)
        if most:
            slots = counted(most, "slot")
            return f"let at most {slots} share it: fewer slots, or more GPUs"
        return "not one fits: raise data.minimum_frequency, or use smaller models or batches"


def bytes_kept(dataset: Dataset, *, taught: bool) -> int:
    """Return what a slot keeps on a GPU when it has read all splits, and a teacher's scores."""
    splits = (dataset.train, dataset.valid, dataset.test)
    of_teacher = BYTES_OF_A_TEACHER * dataset.train.labels_RT.size if taught else 0
    return sum(bytes_on_device(columns) for columns in splits) + of_teacher


def smallest_memory() -> int:
    """Return the bytes of the smallest GPU that this process sees; no memory is taken there."""
    numbers = range(torch.cuda.device_count())
    return min(torch.cuda.get_device_properties(number).total_memory for number in numbers)
