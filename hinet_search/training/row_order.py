"""Row order: the rows of every step of an epoch, by the seed and the epoch, not by the model.

`rows`    every order of rows is equally likely; it is drawn before an epoch's first step, which
          takes one core 0.3 s for 10 million rows and 4.5 s for 100 million, and 4 bytes a row;
          from a million rows on, a thread draws that of the next epoch (run_state.py)
`blocks`  blocks of neighbouring rows are drawn, and the rows of several blocks are shuffled
          together: they are read from few places, so that data larger than memory are read from
          disk once an epoch, ahead of the steps, while earlier rows are trained on
`users`   up to eight rows of a user, or with `rank` in the data up to 64 of a group, stand side by
          side, and such units are drawn; a batch may end within one, and rows without are drawn
          one by one

Shape legend: B rows of a batch, R rows of a split, W rows shuffled together, U units of rows that
stand together.
"""

import mmap
from collections.abc import Callable, Iterator
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.data.columns import Columns
from hinet_search.training.seeding import Purpose, derived_seed
from hinet_search.training.train_config import Shuffle

BLOCK_ROWS = 4096
BLOCKS_AT_ONCE = 64
ROWS_TOGETHER = 8  # of a user
ROWS_OF_GROUP = 64  # a group is the few rows of a moment, and is whole
# Of a row, while the order of the next epoch is drawn beside that of this one. To draw one by users
# sorts twice, which took 64 bytes a row at its peak (4 million rows of 200,000 users).
BYTES_OF_A_ROW: dict[Shuffle, int] = {"rows": 4 + 4, "blocks": 0, "users": 4 + 64}


def batches_of_epoch(  # noqa: PLR0913  what decides the order, and who is told of it
    num_rows: int,
    batch_size: int,
    shuffle: Shuffle,
    *,
    seed: int,
    epoch_number: int,
    user_R: NDArray[np.int32] | None = None,
    together: int = ROWS_TOGETHER,
    coming: Callable[[int, range], object] = lambda _place, _rows: None,
) -> Iterator[Int[Tensor, "B"]]:
    """Yield the row numbers of every step of an epoch, on the host; the last step has the rest.

    `user_R` is needed to shuffle users, of which `together` rows stand side by side. `coming` is
    called with every block of rows some steps before its first row, and with the number of rows
    before these that are shuffled together.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, Purpose.DATA_ORDER, epoch_number))
    rest = torch.empty(0, dtype=number_type(num_rows))
    if shuffle == "blocks":
        windows = _by_blocks(num_rows, generator, coming)
    elif shuffle == "users":
        assert user_R is not None, "the rows have users, as a study was checked for"
        windows = iter([_by_users(user_R, together, generator)])
    else:
        windows = iter([torch.randperm(num_rows, generator=generator, dtype=rest.dtype)])
    for rows_W in windows:
        waiting = torch.cat([rest, rows_W]) if len(rest) else rows_W
        num_in_batches = len(waiting) - len(waiting) % batch_size
        if num_in_batches:
            yield from torch.split(waiting[:num_in_batches], batch_size)
        rest = waiting[num_in_batches:]
    if len(rest):
        yield rest


def _by_blocks(
    num_rows: int, generator: torch.Generator, coming: Callable[[int, range], object]
) -> Iterator[Int[Tensor, "W"]]:
    offsets = torch.arange(BLOCK_ROWS, dtype=number_type(num_rows))
    blocks = torch.randperm(-(-num_rows // BLOCK_ROWS), generator=generator, dtype=offsets.dtype)
    windows = torch.split(blocks, BLOCKS_AT_ONCE)
    num_before = 0
    for window_blocks, next_blocks in zip_longest(windows, windows[1:], fillvalue=blocks[:0]):
        rows_W = (window_blocks[:, None] * BLOCK_ROWS + offsets).flatten()
        rows_W = rows_W[rows_W < num_rows]  # the last block may be short
        num_before += len(rows_W)
        for block in next_blocks.tolist():
            coming(num_before, range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, num_rows)))
        yield rows_W[torch.randperm(len(rows_W), generator=generator)]


def _by_users(
    user_R: NDArray[np.int32], together: int, generator: torch.Generator
) -> Int[Tensor, "R"]:
    """Return all row numbers, up to `together` of a user side by side, drawn at random.

    Whole users would make batches of few users, whose rows are alike: that costs 0.01 AUC where
    users have many rows (docs/results/what_moves.md). A row without a user stands alone.
    """
    num_rows = len(user_R)
    rows_R = torch.randperm(num_rows, generator=generator, dtype=number_type(num_rows))
    rows_R = rows_R[torch.from_numpy(user_R)[rows_R].argsort(stable=True)]
    sorted_R = user_R[rows_R.numpy()]
    places_R = np.arange(num_rows)
    is_new_user_R = np.diff(sorted_R, prepend=-2) != 0
    nth_of_user_R = places_R - np.maximum.accumulate(np.where(is_new_user_R, places_R, 0))
    unit_R = ((nth_of_user_R % together == 0) | (sorted_R < 0)).cumsum() - 1
    place_U = torch.randperm(int(unit_R[-1]) + 1, generator=generator)
    return rows_R[place_U[torch.from_numpy(unit_R)].argsort(stable=True)]


def rows_together(columns: Columns) -> int:
    """Return how many rows of a user, or of a group of the data's `rank`, stand side by side."""
    return ROWS_TOGETHER if columns.group_R is None else ROWS_OF_GROUP


def number_type(num_rows: int) -> torch.dtype:
    """Return int32 where it suffices, since drawing is bound by memory; the order is the same."""
    return torch.int32 if num_rows <= torch.iinfo(torch.int32).max else torch.int64


def reader_ahead(columns: Columns, first: int) -> Callable[[int, range], None]:
    """Return what `batches_of_epoch` calls; a training that resumes has `first` rows behind it."""

    def coming(num_before: int, rows: range) -> None:
        if num_before >= first:
            read_ahead(columns, rows)

    return coming


def read_ahead(columns: Columns, rows: range) -> None:
    """Ask the system to read neighbouring rows of all mapped arrays of a split; return at once."""
    for array in columns.arrays.values():
        file: object = array if array.size else None
        while isinstance(file, np.ndarray):
            file = file.base
        if isinstance(file, mmap.mmap):  # arrays in memory need no reading
            first_byte = np.frombuffer(file, dtype=np.uint8).ctypes.data
            first = array[rows.start :].ctypes.data - first_byte
            end = first + len(rows) * array.strides[0]
            first -= first % mmap.PAGESIZE
            file.madvise(mmap.MADV_WILLNEED, first, end - first)
