"""Mapped tables and blocks: what is read in runs of rows is what is read at once."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tables import LISTS, prepared, shop, with_lists

from hinet_search.data import mapped as module
from hinet_search.data import prepare
from hinet_search.data.mapped import mapped
from hinet_search.errors import EnvironmentFault

FEATURES: dict[str, Any] = {
    "categorical": ["user", "item"],
    "numeric": ["price"],
    "statistics": {"by": ["user"], "clock": "minute"},
    "lists": LISTS,
}
PRIVATE = ("Private_Dirty:",)


def table() -> pl.DataFrame:
    """The shop with a column of every kind that a definition may name."""
    return with_lists(shop()).with_columns(
        day=pl.date(2026, 1, 1) + pl.duration(days=pl.col("minute") // 60),
        at=(pl.datetime(2026, 1, 1) + pl.duration(minutes="minute")).dt.replace_time_zone("UTC"),
        kind=pl.when(pl.col("minute") % 5 > 0).then("item").cast(pl.Categorical),
        is_new=pl.col("age") < 30,
    )


def test_a_mapped_table_is_the_table(tmp_path: Path) -> None:
    assert_frame_equal(mapped(table().lazy(), tmp_path), table(), categorical_as_str=True)


def test_a_mapped_table_of_no_rows_keeps_its_columns(tmp_path: Path) -> None:
    assert_frame_equal(mapped(table().head(0).lazy(), tmp_path), table().head(0), categorical_as_str=True)


def test_a_mapped_table_leaves_no_file(tmp_path: Path) -> None:
    frame = mapped(table().lazy(), tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())
    assert frame["minute"].sum() == table()["minute"].sum(), "and can still be read"


def private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(PRIVATE))


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells private memory")
def test_a_mapped_table_takes_no_memory_of_its_own(tmp_path: Path) -> None:
    query = pl.select(pl.int_range(4_000_000).alias("a")).lazy().with_columns(b=pl.col("a") * 2)
    mapped(query, tmp_path)  # buffers of Polars stay from now on
    before = private_bytes()
    frame = mapped(query, tmp_path)
    assert private_bytes() - before < frame.estimated_size() / 4
    assert frame.estimated_size() == 64_000_000


def test_a_folder_that_cannot_be_written_is_a_fault_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match=r"file/rows: rows cannot be streamed"):
        mapped(table().lazy(), tmp_path / "file" / "rows")


def test_nothing_is_left_when_rows_cannot_be_read(tmp_path: Path) -> None:
    query = table().lazy().select(pl.col("item").cast(pl.Int64))
    with pytest.raises(pl.exceptions.PolarsError):
        mapped(query, tmp_path)
    assert not list(tmp_path.glob(f"{module.PREFIX}*"))


@pytest.mark.parametrize("changes", [{}, {"not_finite": "drop"}])
def test_encoded_in_blocks_every_file_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    price = pl.when(pl.col("minute") % 9 == 4).then(float("nan")).otherwise("price")
    frame = table().with_columns(price=price) if changes else table()
    contents = []
    for rows in (7, 2**19):
        folder = tmp_path / str(rows)
        folder.mkdir()
        monkeypatch.setattr(prepare, "BLOCK_ROWS", rows)
        dataset = prepared(frame, folder, features=FEATURES, **changes)
        contents.append({file.name: file.read_bytes() for file in dataset.folder.glob("*.npy")})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 3 * 6 + 1
