"""Read ahead: the system is asked to read rows of mapped files before they are needed.

It reads them while the processor works, so that a training waits less for the disk. Arrays in
memory need no reading.
"""

import mmap
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import Columns


def reader_ahead(columns: Columns, first: int) -> Callable[[int, range], None]:
    """Return what `batches_of_pass` calls; a training that resumes has `first` rows behind it."""

    def coming(num_before: int, rows: range) -> None:
        if num_before >= first:
            read_ahead(columns, rows)

    return coming


def read_ahead(columns: Columns, rows: range) -> None:
    """Ask for neighbouring rows of all arrays of a split; return at once."""
    for array in columns.arrays.values():
        file = _mapped_file(array)
        if file is not None:
            first_byte = np.frombuffer(file, dtype=np.uint8).ctypes.data
            first = array[rows.start :].ctypes.data - first_byte
            end = first + len(rows) * array.strides[0]
            first -= first % mmap.PAGESIZE
            file.madvise(mmap.MADV_WILLNEED, first, end - first)


def _mapped_file(array: NDArray[np.generic]) -> mmap.mmap | None:
    """Return the mapped file behind an array; None if it is in memory, or has no values."""
    base: object = array if array.size else None
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
