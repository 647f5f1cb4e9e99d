"""Rows of mapped files are asked for before they are read, and never those of an earlier part."""

import mmap
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.training.row_order import (
    BLOCK_ROWS,
    BLOCKS_AT_ONCE,
    batches_of_pass,
    read_ahead,
    reader_ahead,
)

NUM_ROWS = 2 * BLOCKS_AT_ONCE * BLOCK_ROWS + 10


class Watched(mmap.mmap):
    """A mapped file that notes for which of its bytes it is asked."""

    asked: list[range]

    def madvise(self, option: int, start: int = 0, length: int = 0) -> None:
        assert option == mmap.MADV_WILLNEED
        self.asked.append(range(start, start + length))
        super().madvise(option, start, length)


def watched_columns(folder: Path, num_rows: int) -> tuple[Columns, Watched]:
    """Columns whose ids are mapped, and the file of these."""
    file = folder / "ids.npy"
    np.save(file, np.arange(num_rows * 3, dtype=np.int32).reshape(num_rows, 3))
    with file.open("rb") as stream:
        mapped = Watched(stream.fileno(), 0, access=mmap.ACCESS_READ)
    mapped.asked = []
    of_file = np.load(file, mmap_mode="r")
    ids_RF: NDArray[np.int32] = np.ndarray((num_rows, 3), np.int32, mapped, of_file.offset)
    columns = Columns(
        ids_RF=ids_RF,
        numeric_RN=np.zeros((num_rows, 1), np.float32),
        scenario_R=np.zeros(num_rows, np.int16),
        labels_RT=np.zeros((num_rows, 1), np.uint8),
        user_R=np.zeros(num_rows, np.int32),
        lists_RS=np.zeros((num_rows, 0), np.int32),
    )
    return columns, mapped


@pytest.mark.parametrize("rows", [range(1), range(4096, 8192), range(9_000, 10_000)])
def test_what_is_asked_for_are_the_pages_of_the_rows(tmp_path: Path, rows: range) -> None:
    columns, file = watched_columns(tmp_path, 10_000)
    read_ahead(columns, rows)
    (asked,) = file.asked
    of_rows = columns.ids_RF[rows.start : rows.stop].tobytes()
    assert of_rows in file[asked.start : asked.stop]
    assert len(asked) < len(of_rows) + mmap.PAGESIZE


def test_views_of_mapped_columns_are_asked_for_too(tmp_path: Path) -> None:
    columns, file = watched_columns(tmp_path, 10_000)
    read_ahead(columns.spaced(2), range(10))
    (asked,) = file.asked
    assert columns.ids_RF[18].tobytes() in file[asked.start : asked.stop]


def test_a_training_that_resumes_does_not_ask_for_rows_behind_it(tmp_path: Path) -> None:
    columns, file = watched_columns(tmp_path, 10_000)
    coming = reader_ahead(columns, 4096)
    coming(4095, range(4096))
    assert not file.asked
    coming(4096, range(4096))
    assert len(file.asked) == 1


def test_every_block_is_announced_once_a_window_before_its_rows() -> None:
    announced: list[tuple[int, range]] = []
    order = batches_of_pass(
        NUM_ROWS,
        1000,
        "blocks",
        seed=3,
        pass_number=0,
        coming=lambda num_before, rows: announced.append((num_before, rows)),
    )
    first = next(order)
    assert len(announced) == BLOCKS_AT_ONCE  # the second window, before the first is used up
    rows_of_pass = torch.cat([first, *order]).tolist()
    for num_before, group in groupby(announced, key=lambda pair: pair[0]):
        rows = {row for _, block in group for row in block}
        assert rows == set(rows_of_pass[num_before : num_before + len(rows)])
    num_announced = sum(len(rows) for _, rows in announced)
    assert announced[0][0] + num_announced == NUM_ROWS
