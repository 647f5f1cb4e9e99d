"""KuaiRand: its published files become the table, the histories and the study of our results."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.common.quiet import say_nothing
from hinet_search.data.get import Converted, get
from tests.data.published_kuairand import FIRST_MOMENT, NAMES, impression, small, video, write


def converted(folder: Path, **more: list[dict[str, Any]]) -> Converted:
    write(folder / "raw", small(**more))
    return get("kuairand-pure", folder / "raw", folder / "out", say_nothing)


def log_of(folder: Path, **more: list[dict[str, Any]]) -> pl.DataFrame:
    converted(folder, **more)
    return pl.read_parquet(folder / "out" / "kuairand_pure" / "log.parquet")


def history_of(folder: Path, **more: list[dict[str, Any]]) -> pl.DataFrame:
    converted(folder, **more)
    return pl.read_parquet(folder / "out" / "kuairand_pure" / "user_history.parquet")


def problem(folder: Path, **more: list[dict[str, Any]]) -> str:
    with pytest.raises(DataError) as caught:
        converted(folder, **more)
    (line,) = caught.value.problems
    return line.replace(f"{folder / 'raw'}/", "")


def test_rows_are_those_of_25_april_to_6_may_in_order_of_time(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    assert log["date"].to_list() == [20220425, 20220503, 20220504]
    assert log["time_ms"].is_sorted()


def test_techjam_has_the_rows_of_both_logs_split_by_its_days(tmp_path: Path) -> None:
    first, last = [20220408, 20220421], [20220422, 20220428, 20220429, 20220508]
    earlier, later = ([impression(date=date) for date in dates] for dates in (first, last))
    folder = write(tmp_path / "raw", small(earlier=earlier, later=later))
    get("kuairand-techjam", folder, tmp_path / "out", say_nothing)
    log = pl.read_parquet(tmp_path / "out" / "kuairand_techjam" / "log.parquet")
    assert log["date"].to_list() == first + last
    assert log["split"].to_list() == ["train"] * 2 + ["valid"] * 2 + ["test"] * 2


def test_rows_of_one_moment_are_in_order_of_user_and_video(tmp_path: Path) -> None:
    pairs = [(1, 0), (0, 1), (0, 0)]
    rows = [impression(user_id=user_id, video_id=video_id) for user_id, video_id in pairs]
    assert log_of(tmp_path, later=rows).select("user_id", "video_id").rows() == sorted(pairs)


def test_the_split_is_by_date(tmp_path: Path) -> None:
    dates = [20220425, 20220502, 20220503, 20220504, 20220506]
    log = log_of(tmp_path, later=[impression(date=date) for date in dates])
    parts = dict(log.select("date", "split").rows())
    assert [parts[date] for date in dates] == ["train", "train", "valid", "test", "test"]


def test_hour_weekday_and_freshness_are_of_the_date_in_beijing(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    assert log["hour"].to_list() == [13, 13, 23]
    assert log["weekday"].to_list() == [1, 2, 3]
    assert log["freshness_days"].to_list() == [15, 23, 24]


def test_values_that_a_user_or_video_lacks_have_codes_of_their_own(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    assert log["onehot_feat4"].to_list() == [0, 0, -1]
    assert log["onehot_feat17"].to_list() == [1, 1, -1]
    assert log["tag"].to_list() == ["39,43", "unknown", "39,43"]
    assert log["tag_first"].to_list() == [39, -1, 39]
    assert log["music_id"].to_list() == [0, 0, 0]
    assert log["music_type"].to_list() == [9, -1, 9]


def test_a_history_is_of_the_rows_before_the_first_day_in_both_logs(tmp_path: Path) -> None:
    (row,) = history_of(tmp_path).rows(named=True)
    assert row == {
        "user_id": 0,
        "history_len": 2,
        "last_time_ms": FIRST_MOMENT - 5,
        "watch_seq": [1, 0],
        "like_seq": [0],
        "long_watch_seq": [1],
    }


def test_a_history_has_the_latest_50_videos_of_each_kind_and_counts_all(tmp_path: Path) -> None:
    rows = [
        impression(date=20220410, time_ms=number, video_id=number % 2, long_view=int(number < 3))
        for number in reversed(range(60))
    ]
    (row,) = history_of(tmp_path, earlier=rows, later=[impression()]).rows(named=True)
    assert row["history_len"] == 60
    assert row["watch_seq"] == [number % 2 for number in range(10, 60)]
    assert row["long_watch_seq"] == [0, 1, 0]
    assert row["like_seq"] == []


@pytest.mark.parametrize("block", [7, 20])
def test_tables_do_not_depend_on_how_much_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    rows = [
        impression(
            date=20220416 + number % 15, time_ms=number, video_id=number % 2, user_id=number % 2
        )
        for number in range(90)
    ]
    whole = log_of(tmp_path / "a", later=rows), history_of(tmp_path / "b", later=rows)
    monkeypatch.setattr("hinet_search.data.raw_text.BATCH_ROWS", block)
    pieces = log_of(tmp_path / "c", later=rows), history_of(tmp_path / "d", later=rows)
    assert whole[0].equals(pieces[0])
    assert whole[1].equals(pieces[1])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"videos": [video(upload_dt="10.04.2022")]},
            f"{NAMES[3]}:2: upload_dt must be a date such as 2022-04-09, got '10.04.2022'",
        ),
        (
            {"videos": [video(), video(video_id=1, tag="food")]},
            f"{NAMES[3]}:3: tag must be whole numbers separated by commas, got 'food'",
        ),
    ],
)
def test_files_that_contradict_one_another_are_refused(
    tmp_path: Path, files: dict[str, list[dict[str, Any]]], message: str
) -> None:
    assert problem(tmp_path, **files) == message


def test_nothing_is_left_of_a_table_whose_files_are_broken(tmp_path: Path) -> None:
    problem(tmp_path, later=[impression(), impression(is_hate=3)])
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_files_that_are_missing_are_named_with_where_they_are_published(tmp_path: Path) -> None:
    files = small()
    write(tmp_path / "raw", {name: files[name] for name in NAMES[1:3]})
    with pytest.raises(DataError) as caught:
        get("kuairand-pure", tmp_path / "raw", tmp_path / "out", say_nothing)
    assert caught.value.problems == tuple(
        f"--from: {tmp_path / 'raw' / name} must be a file of kuairand-pure"
        for name in (NAMES[0], NAMES[3])
    )
    assert "https://github.com/chongminggao/KuaiRand" in caught.value.remedy


@pytest.mark.parametrize("inner", ["", "data", "KuaiRand-Pure/data"])
def test_the_files_may_lie_as_they_were_unpacked(tmp_path: Path, inner: str) -> None:
    write(tmp_path / "raw" / inner, small())
    written = get("kuairand-pure", tmp_path / "raw", tmp_path / "out", say_nothing)
    assert list(written.tables.values()) == [3, 1]


def test_a_study_that_exists_is_kept_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    written = converted(tmp_path)
    written.study.write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already"):
        converted(tmp_path)
    assert written.study.read_text() == "mine"
    get("kuairand-pure", tmp_path / "raw", tmp_path / "out", say_nothing, force=True)
    assert written.study.read_text() != "mine"
