"""Blocks and mapped rows: what is computed block by block lies in a file, and is as if at once."""

import os
import tracemalloc
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tables import LISTS, definition, prepared, shop, with_lists, write

from hinet_search.common.errors import EnvironmentFault
from hinet_search.data import mapped
from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.mapped import (
    PREFIX,
    blocks_of,
    collect_to_mapped_file,
    mapped_array,
)
from hinet_search.data.rows import read_rows

TEXT_USER = pl.concat_str(pl.lit("user "), pl.col("user"))
NUMBERS: dict[str, Any] = {
    "categorical": ["item"],
    "numeric": ["price", "age", "hour", "far"],
    "transforms": {"price": "quantile", "age": "log", "hour": {"cycle": 24}},
}
MATCHES: dict[str, Any] = {
    "categorical": ["user", "item"],
    "lists": LISTS | {"kept": {"column": "kept", "item": "item", "length": 2}},
    "matches": {
        "lists": ["watched"],
        "by": ["item", "place"],
        "rates": {"kept": "watched"},
        "similarity": ["watched"],
        "factors": 2,
    },
}
DEFINITIONS: dict[str, dict[str, Any]] = {
    "numbers by user": {"features": NUMBERS, "split": {"by": "user"}, "user": "text_user"},
    "copies at random": {"time": None, "split": {"by": "random"}},
    "rows in no split": {
        "scenario": {"column": "item"},
        "split": {"by": "column", "column": "few"},
    },
    "ids of scenarios": {
        "features": {"categorical": ["user"], "distinct_by_scenario": ["user"]},
        "split": {"by": "time", "valid_from": 420, "test_from": 510},
    },
    "statistics by day": {
        "features": {
            "categorical": ["item"],
            "statistics": {"by": ["user", ["item", "place"]], "clock": "minute", "day_length": 60},
        }
    },
    "statistics by fold": {
        "features": {"categorical": ["item"], "statistics": {"by": ["text_user"]}}
    },
    "lists": {
        "features": {
            "categorical": ["item"],
            "lists": LISTS | {"tags": {"column": "tags", "separator": ",", "length": 2}},
        }
    },
    "matches": {"features": MATCHES},
    "a shift": {"features": {"numeric": ["drift"]}},
    "dropped rows": {"features": {"numeric": ["holes"]}, "not_finite": "drop"},
}


def table(num_rows: int = 600) -> pl.DataFrame:
    """The shop with columns for every definition; its last fifty rows are those before."""
    frame = with_lists(shop(num_rows)).with_columns(
        text_user=TEXT_USER,
        hour=pl.col("minute") % 24,
        far=pl.when(pl.col("minute") == 333).then(1e9).otherwise(pl.col("age") / 7),
        few=pl.when(pl.col("minute") % 5 > 0).then("part"),
        drift=pl.col("minute") + 10 * pl.col("age"),
        holes=pl.when(pl.col("minute") % 9 == 4).then(float("nan")).otherwise("price"),
        tags=pl.when(pl.col("user") > 3).then(pl.format("t{}, b", pl.col("user") % 3)),
    )
    return pl.concat([frame.head(num_rows - 50), frame.slice(num_rows - 100, 50)])


def mapped_ranges() -> list[tuple[int, int]]:
    """Addresses at which this process has mapped files of rows."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = [line.split(maxsplit=1)[0].split("-") for line in lines if PREFIX in line]
    return [(int(first, 16), int(last, 16)) for first, last in ranges]


def is_mapped(address: int) -> bool:
    return any(first <= address < last for first, last in mapped_ranges())


only_linux = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped"
)


@pytest.mark.parametrize("num_rows", [0, 1, 7, 8, 21])
def test_blocks_cover_the_rows_in_order(num_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "BLOCK_ROWS", 7)
    found = [range(num_rows)[block] for block in blocks_of(num_rows)]
    assert list(chain(*found)) == list(range(num_rows))
    assert len(found) == max(1, -(-num_rows // 7))


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("width", [(), (3,)])
def test_blocks_are_joined_in_order(folder: bool, width: tuple[int, ...], tmp_path: Path) -> None:
    values = np.arange(60.0).reshape(-1, *width)
    parts = (values[start : start + 9] for start in range(0, len(values), 9))
    joined = mapped_array(parts, tmp_path if folder else None)
    assert joined.tolist() == values.tolist()
    assert not list(tmp_path.iterdir())


@only_linux
def test_an_array_of_several_blocks_lies_in_its_file_and_can_be_sorted_there(
    tmp_path: Path,
) -> None:
    array = mapped_array((np.arange(start, 0, -1) for start in (900, 800)), tmp_path)
    array.sort()
    assert is_mapped(array.ctypes.data)
    assert (np.diff(array) >= 0).all()


def test_an_array_of_one_block_is_a_copy() -> None:
    block = np.arange(3)
    mapped_array(iter([block]), None)[:] = 9
    assert block.tolist() == [0, 1, 2]


def test_empty_blocks_make_an_empty_array_of_their_type(tmp_path: Path) -> None:
    joined = mapped_array((np.zeros((0, 2), np.int16) for _ in range(3)), tmp_path)
    assert (joined.shape, joined.dtype) == ((0, 2), np.int16)


def test_a_folder_that_cannot_be_written_is_a_fault_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match=r"file/rows cannot be written: Not a directory"):
        mapped_array((np.arange(3) for _ in range(2)), tmp_path / "file" / "rows")
    with pytest.raises(EnvironmentFault, match=r"file/rows cannot be written: Not a directory"):
        collect_to_mapped_file(shop().lazy(), tmp_path / "file" / "rows")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_encoded_in_blocks_all_is_as_encoded_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents, records = [], []
    for num_rows in (2**19, 50):
        folder = tmp_path / str(num_rows)
        folder.mkdir()
        monkeypatch.setattr(mapped, "BLOCK_ROWS", num_rows)
        dataset = prepared(table(), folder, **DEFINITIONS[name])
        files = (file for file in dataset.folder.iterdir() if file.name != "dataset.json")
        contents.append({file.name: file.read_bytes() for file in files})
        records.append(dataset.record)
    assert contents[0] == contents[1]
    assert records[0] == records[1]


@only_linux
def test_arrays_of_all_rows_and_derived_columns_lie_in_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "BLOCK_ROWS", 100)
    features = MATCHES | {"statistics": {"by": ["user"], "clock": "minute"}}
    write(table(), tmp_path)
    wanted = definition(features=features)
    rows = read_rows(wanted, tmp_path, tmp_path)
    arrays = (rows.row_R, rows.scenario_R, rows.labels_RT, rows.split_R)
    assert all(is_mapped(array.ctypes.data) for array in arrays)
    derived = derive_numbers(wanted, rows)
    for column in [*derived["statistics"], *derived["matches"], rows.frame["watched"]]:
        chunks = [chunk.to_arrow().buffers()[1].address for chunk in column.get_chunks()]
        assert all(map(is_mapped, chunks)), column.name


def test_memory_of_arrays_does_not_grow_with_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "BLOCK_ROWS", 500)
    features = NUMBERS | {"statistics": {"by": ["user"], "clock": "minute", "day_length": 5_000}}
    sizes, peaks = (3_000, 12_000), []
    for num_rows in sizes:
        folder = tmp_path / str(num_rows)
        folder.mkdir()
        frame = table(num_rows)
        tracemalloc.start()
        prepared(frame, folder, features=features, split={"by": "random"})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / (sizes[1] - sizes[0]) < 1, "bytes a row"


def table_of_every_kind() -> pl.DataFrame:
    """The shop with a column of every kind that a definition may name."""
    return with_lists(shop()).with_columns(
        day=pl.date(2026, 1, 1) + pl.duration(days=pl.col("minute") // 60),
        at=(pl.datetime(2026, 1, 1) + pl.duration(minutes="minute")).dt.replace_time_zone("UTC"),
        kind=pl.when(pl.col("minute") % 5 > 0).then("item").cast(pl.Categorical),
        is_new=pl.col("age") < 30,
    )


@pytest.mark.parametrize("num_rows", [600, 0])
def test_a_mapped_table_is_the_table(num_rows: int, tmp_path: Path) -> None:
    wanted = table_of_every_kind().head(num_rows)
    frame = collect_to_mapped_file(wanted.lazy(), tmp_path)
    assert_frame_equal(frame, wanted, categorical_as_str=True)


def test_a_mapped_table_leaves_no_file(tmp_path: Path) -> None:
    frame = collect_to_mapped_file(table_of_every_kind().lazy(), tmp_path / "new")
    assert not list(tmp_path.iterdir()), "nor a folder"
    assert frame["minute"].sum() == table_of_every_kind()["minute"].sum(), "and can still be read"


def test_many_rows_of_a_file_come_in_order_filtered_and_numbered(tmp_path: Path) -> None:
    rows = pl.select(pl.int_range(400_000).alias("a")).with_columns(
        b=(pl.col("a") * 7919) % 1000, c=pl.col("a") % 3
    )
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=30_000)
    query = (
        pl.scan_parquet(tmp_path / "rows.parquet").with_row_index("row").filter(pl.col("c") != 1)
    )
    frame = collect_to_mapped_file(query, tmp_path)
    assert_frame_equal(frame, query.collect())
    is_kept = (frame["b"] > 500).rename("")
    assert_frame_equal(
        collect_to_mapped_file(frame.lazy().filter(is_kept), tmp_path), frame.filter(is_kept)
    )


def test_numbers_of_128_bits_are_held_in_memory(tmp_path: Path) -> None:
    frame = pl.DataFrame({"u": pl.Series([2**64, 2**70], dtype=pl.Int128), "x": [1, 2]})
    assert_frame_equal(collect_to_mapped_file(frame.lazy(), tmp_path), frame)


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    old, new = (tmp_path / f"{PREFIX}{name}.arrow" for name in ("old", "new"))
    for file in (old, new):
        file.write_text("")
    os.utime(old, (0, 0))
    collect_to_mapped_file(table_of_every_kind().lazy(), tmp_path)
    assert (old.exists(), new.exists()) == (False, True), "a new one may be another process's"


def test_nothing_is_left_when_rows_cannot_be_read(tmp_path: Path) -> None:
    query = table_of_every_kind().lazy().select(pl.col("item").cast(pl.Int64))
    with pytest.raises(pl.exceptions.PolarsError):
        collect_to_mapped_file(query, tmp_path)
    assert not list(tmp_path.glob(f"{PREFIX}*"))
