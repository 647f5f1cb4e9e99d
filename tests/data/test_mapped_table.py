"""Mapped tables: rows streamed to a file are the rows collected at once."""

import os
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tables import shop, with_lists

from hinet_search.common.errors import EnvironmentFault
from hinet_search.data import mapped as module
from hinet_search.data.mapped import collect_to_mapped_file


def table() -> pl.DataFrame:
    """The shop with a column of every kind that a definition may name."""
    return with_lists(shop()).with_columns(
        day=pl.date(2026, 1, 1) + pl.duration(days=pl.col("minute") // 60),
        at=(pl.datetime(2026, 1, 1) + pl.duration(minutes="minute")).dt.replace_time_zone("UTC"),
        kind=pl.when(pl.col("minute") % 5 > 0).then("item").cast(pl.Categorical),
        is_new=pl.col("age") < 30,
    )


def test_a_mapped_table_is_the_table(tmp_path: Path) -> None:
    assert_frame_equal(
        collect_to_mapped_file(table().lazy(), tmp_path), table(), categorical_as_str=True
    )


def test_a_mapped_table_of_no_rows_keeps_its_columns(tmp_path: Path) -> None:
    assert_frame_equal(
        collect_to_mapped_file(table().head(0).lazy(), tmp_path),
        table().head(0),
        categorical_as_str=True,
    )


def test_a_mapped_table_leaves_no_file(tmp_path: Path) -> None:
    frame = collect_to_mapped_file(table().lazy(), tmp_path / "new")
    assert not list(tmp_path.iterdir()), "nor a folder"
    assert frame["minute"].sum() == table()["minute"].sum(), "and can still be read"


def mapped_ranges() -> list[tuple[int, int]]:
    """Addresses at which this process has mapped files of rows."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = [line.split(maxsplit=1)[0].split("-") for line in lines if module.PREFIX in line]
    return [(int(first, 16), int(last, 16)) for first, last in ranges]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped")
def test_the_values_of_a_mapped_table_lie_in_its_file(tmp_path: Path) -> None:
    frame = collect_to_mapped_file(pl.select(pl.int_range(1_000_000).alias("a")).lazy(), tmp_path)
    addresses = [chunk.to_arrow().buffers()[1].address for chunk in frame["a"].get_chunks()]
    assert all(
        any(first <= address < last for first, last in mapped_ranges()) for address in addresses
    )


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
    old, new = (tmp_path / f"{module.PREFIX}{name}.arrow" for name in ("old", "new"))
    for file in (old, new):
        file.write_text("")
    os.utime(old, (0, 0))
    collect_to_mapped_file(table().lazy(), tmp_path)
    assert (old.exists(), new.exists()) == (False, True), "a new one may be another process's"


def test_a_folder_that_cannot_be_written_is_a_fault_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match=r"file/rows: rows cannot be streamed"):
        collect_to_mapped_file(table().lazy(), tmp_path / "file" / "rows")


def test_nothing_is_left_when_rows_cannot_be_read(tmp_path: Path) -> None:
    query = table().lazy().select(pl.col("item").cast(pl.Int64))
    with pytest.raises(pl.exceptions.PolarsError):
        collect_to_mapped_file(query, tmp_path)
    assert not list(tmp_path.glob(f"{module.PREFIX}*"))
