"""Ids that no row has had for some days go; rows whose ids stay have the scores that they had."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import hinet_search as hs
from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.serving.last_days import days_of_times
from hinet_search.serving.sealed import seal
from tests.serving.churn_shop import (
    DAY,
    ITEMS,
    STUDY_DAYS,
    USERS,
    day,
    days,
    opened,
    refitted,
    values,
)
from tests.serving.newer_shop import newer_rows
from tests.serving.shop import Shop, edited, scores_of

DAYS = 3
TODAY = STUDY_DAYS  # of the first night


@pytest.fixture(scope="module", params=["all", "ensemble"])
def three(
    request: pytest.FixtureRequest, churning: Shop, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Path]:
    """A model, what a night makes of it, and what the same night makes of it that forgets."""
    folder = tmp_path_factory.mktemp(request.param)
    shipped = churning.export(request.param, folder / "shipped").folder
    refitted(shipped, day(TODAY), folder / "kept")
    refitted(shipped, day(TODAY), folder / "forgot", forget_after=DAYS)
    return {name: folder / name for name in ("shipped", "kept", "forgot")}


def tables(folder: Path) -> dict[str, pl.DataFrame]:
    return {path.stem: pl.read_parquet(path) for path in (folder / "encoding").glob("*.parquet")}


def test_an_export_stores_the_day_of_the_last_row_with_each_id(three: Mapping[str, Path]) -> None:
    frame = days(0, STUDY_DAYS - 1)
    tables_of = tables(three["shipped"])
    users = dict(tables_of["vocabulary.0"].select("value", "last day").iter_rows())
    last = frame.group_by("user").agg(pl.col("second").max() // DAY)
    expected = {user: number for user, number in last.iter_rows() if user in users}
    assert users == expected
    tags = frame.explode("tags").group_by("tags").agg(pl.col("second").max() // DAY)
    stored = dict(tables_of["vocabulary.2"].select("value", "last day").iter_rows())
    assert {tag: dict(tags.iter_rows())[tag] for tag in stored} == stored
    items = dict(tables_of["vocabulary.1"].select("value", "last day").iter_rows())
    in_rows = frame.group_by("item").agg(pl.col("second").max() // DAY)
    assert any(items[item] > number for item, number in in_rows.iter_rows() if item in items)


def test_exactly_the_ids_go_that_no_row_has_had_for_so_many_days(
    three: Mapping[str, Path],
) -> None:
    recent = days(TODAY - DAYS, TODAY)
    before, after = values(three["kept"]), values(three["forgot"])
    assert after["user"] == before["user"] & set(recent["user"])
    assert after["tags"] == before["tags"] & set(recent["tags"].explode())
    assert set(recent["item"]) & before["item"] <= after["item"] < before["item"]
    for numbered in set(before) - {"user", "item", "tags"}:
        assert after[numbered] == before[numbered]


def test_all_tables_of_what_is_forgotten_are_smaller(three: Mapping[str, Path]) -> None:
    before, after = tables(three["kept"]), tables(three["forgot"])
    recent = set(days(TODAY - DAYS, TODAY)["user"])
    with_id = values(three["forgot"])["user"]
    smaller = {name for name in before if len(after[name]) < len(before[name])}
    assert smaller >= {"older.0", "older.1", "visits", "shown", "statistics.1", "statistics.2"}
    for name, column in (("visits", "key 0"), ("shown", "key 1"), ("statistics.1", "key 0")):
        users = set(before[name][column])
        assert users & with_id <= set(after[name][column]) <= users & recent < users
    for path in three["kept"].glob("weights*"):
        weights, fewer = load_file(path), load_file(three["forgot"] / path.name)
        changed = [name for name in weights if weights[name].shape != fewer[name].shape]
        assert all(fewer[name].shape[0] < weights[name].shape[0] for name in changed)
        assert bool(changed) == ("feature_N" not in weights)  # trees split by no id that is gone


def test_rows_whose_ids_stay_have_the_very_same_scores(
    three: Mapping[str, Path], tmp_path: Path
) -> None:
    frame = days(TODAY - DAYS, TODAY).with_columns(second=pl.lit(DAY * (TODAY + 1) + 60))
    before = scores_of(three["kept"], frame, tmp_path)
    after = scores_of(three["forgot"], frame, tmp_path)
    assert (after == before).all()
    assert len(np.unique(before)) > len(frame)


def test_a_forgotten_user_and_item_score_as_ones_that_never_were(
    three: Mapping[str, Path], tmp_path: Path
) -> None:
    old = day(0).with_columns(
        second=pl.lit(DAY * (TODAY + 1) + 60),
        basket=pl.lit([0, 1], dtype=pl.List(pl.Int64)),
        tags=pl.lit(["t0"], dtype=pl.List(pl.String)),
    )
    old = old.filter((pl.col("user") < 4 * (TODAY - DAYS)) & (pl.col("item") < TODAY - DAYS - 3))
    assert len(old) > 20
    never = old.with_columns(
        user=pl.lit(10**6),
        item=pl.lit(10**6),
        basket=pl.lit([10**6], dtype=pl.List(pl.Int64)),
        tags=pl.lit(["never"], dtype=pl.List(pl.String)),
    )
    forgot = scores_of(three["forgot"], old, tmp_path)
    assert (forgot == scores_of(three["forgot"], never, tmp_path)).all()
    assert (scores_of(three["kept"], old, tmp_path) != forgot).any()


def test_the_card_and_the_result_say_how_many_ids_went(churning: Shop, tmp_path: Path) -> None:
    shipped = churning.export("all", tmp_path / "shipped").folder
    made = refitted(shipped, day(TODAY), tmp_path / "made", forget_after=DAYS)
    before, after = values(shipped), values(made.folder)
    assert made.forgotten_ids == {
        name: len(before[name] - after[name]) for name in before if before[name] - after[name]
    }
    assert made.forgotten_ids.keys() == {"user", "item", "tags"}
    told = ", ".join(f"{name} {count:,}" for name, count in made.forgotten_ids.items())
    assert f"- **Forgotten ids**: {told}" in (made.folder / "card.md").read_text()


def test_size_is_bounded_over_fourteen_nights_of_ids_that_come_and_go(
    churning: Shop, tmp_path: Path
) -> None:
    shipped = churning.export("all", tmp_path / "shipped").folder
    sizes, rows_of_tables = [], []
    for night in range(14):
        path = tmp_path / f"{night}.parquet"
        day(TODAY + night).write_parquet(path)
        options = {"learning_rate": 0, "forget_after": DAYS}
        done = hs.nightly(shipped, path, tmp_path / "served", **options)
        assert done.outcome == "promoted"
        assert done.forgotten_ids["user"] > 0
        served = tmp_path / "served" / "current"
        with_id = values(served)
        assert len(with_id["user"]) <= USERS + 4 * DAYS
        assert len(with_id["item"]) <= ITEMS + 2 * DAYS + 4
        weights = load_file(served / "weights.safetensors")
        sizes.append(sum(tensor.nbytes for tensor in weights.values()))
        counted = [len(table) for name, table in tables(served).items() if name != "days"]
        rows_of_tables.append(sum(counted))
    assert max(sizes[DAYS:]) <= 1.1 * sizes[DAYS]
    assert max(rows_of_tables[DAYS:]) <= 1.15 * rows_of_tables[DAYS]


def test_a_user_who_comes_back_is_new(churning: Shop, tmp_path: Path) -> None:
    shipped = churning.export("all", tmp_path / "shipped").folder
    refitted(shipped, day(TODAY), tmp_path / "first", forget_after=DAYS)
    back = day(TODAY + 1).with_columns(
        user=pl.when(pl.col("user") % 2 == 0).then(1).otherwise("user")
    )
    assert 1 in values(shipped)["user"]
    made = refitted(tmp_path / "first", back, tmp_path / "second", forget_after=DAYS)
    table = opened(made.folder).encoder.encoding.vocabularies[0].table
    learned = back.head(int(len(back) * 0.8)).filter(pl.col("user") == 1)
    assert table.filter(pl.col("value") == 1)["count"].to_list() == [len(learned)]


def test_rows_that_begin_long_after_the_last_ones_are_refused_or_all_ids_would_go(
    churning: Shop, tmp_path: Path
) -> None:
    shipped = churning.export("all", tmp_path / "shipped").folder
    late = day(TODAY + DAYS)
    with pytest.raises(
        DataError, match=f"at most {DAYS} days after the last .* begin 4 days after"
    ):
        refitted(shipped, late, tmp_path / "made", forget_after=DAYS)
    assert not (tmp_path / "made").exists()
    assert refitted(shipped, late, tmp_path / "made", forget_after=DAYS + 1).is_written


def test_a_few_wrong_times_in_the_future_forget_nothing_more(
    churning: Shop, tmp_path: Path
) -> None:
    shipped = churning.export("all", tmp_path / "shipped").folder
    frame = day(TODAY)
    is_last = pl.int_range(pl.len()) == pl.len() - 1
    wrong = frame.with_columns(second=pl.when(is_last).then(DAY * 99_999).otherwise("second"))
    made = refitted(shipped, frame, tmp_path / "made", forget_after=DAYS)
    of_wrong = refitted(shipped, wrong, tmp_path / "wrong", forget_after=DAYS)
    assert of_wrong.forgotten_ids == made.forgotten_ids


def test_days_are_not_asked_of_rows_whose_time_tells_none(shop: Shop, tmp_path: Path) -> None:
    shipped = shop.export("mmoe", tmp_path / "shipped").folder
    assert set(tables(shipped)["vocabulary.0"].columns) == {"value", "count"}
    with pytest.raises(DataError, match="times must be dates or datetimes, or numbers of which"):
        refitted(shipped, newer_rows(), tmp_path / "made", forget_after=DAYS)
    dated = newer_rows().with_columns(
        minute=pl.from_epoch(pl.col("minute") * 60, time_unit="s").dt.replace_time_zone("UTC")
    )
    first = refitted(shipped, dated, tmp_path / "dated", forget_after=DAYS)
    assert first.forgotten_ids == {}  # when they were last seen is not known before today
    assert set(tables(first.folder)["vocabulary.0"]["last day"]) == {1, 2}


@pytest.mark.parametrize("forget_after", [0, -1, 10**6])
def test_days_out_of_range_are_refused(shop: Shop, tmp_path: Path, forget_after: int) -> None:
    shipped = shop.export("mmoe", tmp_path / "shipped").folder
    with pytest.raises(ConfigurationError, match="forget_after must be 1 to 36,500 days"):
        refitted(shipped, newer_rows(), tmp_path / "made", forget_after=forget_after)


def test_a_model_of_rows_without_a_time_forgets_nothing(shop: Shop, tmp_path: Path) -> None:
    shipped = shop.export("mmoe", tmp_path / "shipped").folder
    edited(shipped, {"time: minute": "time:"})
    with pytest.raises(ConfigurationError, match="must be of rows with a time"):
        refitted(shipped, newer_rows(), tmp_path / "made", forget_after=DAYS)


def test_a_day_of_a_vocabulary_that_is_none_is_refused(churning: Shop, tmp_path: Path) -> None:
    shipped = churning.export("all", tmp_path / "shipped").folder
    path = shipped / "encoding" / "vocabulary.0.parquet"
    table = pl.read_parquet(path)
    for wrong in (pl.lit("monday"), pl.lit(2**40)):
        table.with_columns(wrong.alias("last day")).write_parquet(path)
        seal(shipped)
        with pytest.raises(DataError, match=r"vocabulary\.0\.parquet: must hold"):
            opened(shipped)


def test_days_are_those_of_dates_moments_and_numbers_of_a_known_length() -> None:
    moment = datetime(1970, 1, 3, 12, tzinfo=UTC)
    assert days_of_times(pl.Series([moment, None]), None).tolist() == [2, np.iinfo(np.int64).min]
    assert days_of_times(pl.Series([moment]).dt.date(), 5.0).tolist() == [2]
    assert days_of_times(pl.Series([2.5 * DAY, -1.0]), DAY).tolist() == [2, -1]
    assert days_of_times(pl.Series([1e300]), 1.0).tolist()[0] in (2**31 - 1, np.iinfo(np.int64).min)
    assert days_of_times(pl.Series([20260501]), None) is None
    assert days_of_times(pl.Series(["2026-05-01"]), DAY) is None
