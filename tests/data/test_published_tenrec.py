"""Tenrec: the videos of two apps become one table, split at random."""

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from hinet_search.common.errors import DataError
from hinet_search.common.spaced import say_nothing
from hinet_search.data.get import get

HEADER = "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age"


def table(folder: Path, first: list[str], second: list[str]) -> pl.DataFrame:
    raw = folder / "Tenrec"
    raw.mkdir(parents=True)
    for name, rows in (("QK", first), ("QB", second)):
        (raw / f"{name}-video.csv").write_text("".join(f"{row}\n" for row in (HEADER, *rows)))
    get("tenrec", folder, folder / "out", say_nothing)
    return pl.read_parquet(folder / "out" / "tenrec" / "videos.parquet")


def test_a_row_has_the_app_of_its_file_and_a_missing_category_is_missing(tmp_path: Path) -> None:
    rows = table(tmp_path, [r"1,2,1,0,1,0,\N,3,1,4"], ["5,6,0,1,0,1,7,0,2,5"]).drop("split")
    assert rows.columns == [*HEADER.split(","), "app"]
    assert rows.rows() == [
        (1, 2, 1, 0, 1, 0, None, 3, 1, 4, "QK"),
        (5, 6, 0, 1, 0, 1, 7, 0, 2, 5, "QB"),
    ]


def test_eight_tenths_are_train_one_valid_and_one_test_however_much_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["1,2,0,0,0,0,3,0,1,4"] * 3000
    whole = table(tmp_path / "whole", rows, rows)
    counts = dict(whole["split"].value_counts().rows())
    assert 4600 < counts["train"] < 5000
    assert 500 < counts["valid"] < 700
    assert 500 < counts["test"] < 700
    first, second = whole["split"][:3000], whole["split"][3000:]
    assert not first.equals(second)
    monkeypatch.setattr("hinet_search.data.raw_text.BLOCK_BYTES", 5000)
    assert table(tmp_path / "pieces", rows, rows).equals(whole)


def test_a_broken_row_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, ["1,2,1,0,1,0,3,3,1,4"], ["5,6,0,1,0,1,7,0,2,5", "5,6,-1,1,0,1,7,0,2,5"])
    assert caught.value.problems == (
        f"{tmp_path}/Tenrec/QB-video.csv:3: click must be one of 0, 1, got '-1'",
    )


def test_small_batches_share_a_row_group_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinet_search.data.raw_text.BLOCK_BYTES", 500)
    monkeypatch.setattr("hinet_search.data.get.ROWS_PER_GROUP", 1000)
    table(tmp_path, ["1,2,0,0,0,0,3,0,1,4"] * 2600, ["1,2,0,0,0,0,3,0,1,4"])
    written = pq.read_metadata(tmp_path / "out" / "tenrec" / "videos.parquet")
    assert written.num_row_groups == 3
    assert written.num_rows == 2601


def test_a_line_that_is_longer_than_a_block_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinet_search.data.raw_text.BLOCK_BYTES", 100)
    rows = ["1,2,0,0,0,0,3,0,1,4"] * 9
    with pytest.raises(DataError, match=r"must have lines of at most 100 bytes, got a longer one"):
        table(tmp_path, [*rows, "1" * 300 + ",2,0,0,0,0,3,0,1,4"], rows)
