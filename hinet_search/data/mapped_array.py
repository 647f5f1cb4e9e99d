"""Mapped arrays: write an array of a value for every row into a file and memory-map it.

Shape legend: R rows.
"""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from hinet_search.data.temporary_file import temporary_file

Value = TypeVar("Value", bound=np.generic)


def mapped_array(blocks: Iterable[NDArray[Value]], folder: Path | None) -> NDArray[Value]:
    """Join blocks, at least one, along their first axis into an array that may be changed.

    It is mapped from a file in `folder`, whose space is freed with the array. A single block, or
    all without a folder, are copied in memory. EnvironmentFault when a file cannot be written.
    """
    remaining = iter(blocks)
    first = next(remaining)
    second = next(remaining, None)
    if second is None:
        return np.array(first)
    if folder is None:
        return np.concatenate([first, second, *remaining])
    num_rows = 0
    with temporary_file(folder, ".values") as file:
        for block in chain([first, second], remaining):
            file.write(np.ascontiguousarray(block).data)
            num_rows += len(block)
        file.flush()
        shape = (num_rows, *first.shape[1:])
        if num_rows == 0:
            return np.empty(shape, first.dtype)
        return np.asarray(np.memmap(file, first.dtype, "r+", shape=shape))


def column_of(name: str, value_R: NDArray[np.generic]) -> pl.Series:
    """A column that shares the memory of a contiguous array."""
    column = pl.from_arrow(pa.array(value_R))
    assert isinstance(column, pl.Series), "from_arrow returns a series for an array"
    return column.alias(name)
