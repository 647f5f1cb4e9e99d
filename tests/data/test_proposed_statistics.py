"""Proposed statistics: `data init` names the keys that have enough rows, and a clock where it can."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from hinet_search.data.guess.target_statistics import MAX_KEYS
from hinet_search.data.prepare import prepare
from hinet_search.study.statistics_definition import StatisticsDefinition
from tests.data.guessing import drafted

ROWS = 2000
BEGUN = datetime(2026, 5, 1, tzinfo=UTC)
IDS = ("user_id", "item_id", ("user_id", "channel"), ("item_id", "channel"))


def drawn(seed: int, num_values: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, num_values, ROWS)


def table(**columns: Any) -> pl.DataFrame:
    """A label and a scenario of two values, with further columns."""
    label_R = np.random.default_rng(1).random(ROWS) < 0.4
    channel_R = np.where(drawn(2, 2) == 0, "home", "search")
    return pl.DataFrame({"is_click": label_R.astype(np.int64), "channel": channel_R, **columns})


def ids(**columns: Any) -> pl.DataFrame:
    """A table of 100 users and 50 items."""
    return table(user_id=drawn(3, 100), item_id=drawn(4, 50), **columns)


def moments(num_days: float = 10) -> pl.Series:
    """Moments of so many days, in order."""
    seconds = np.sort(np.random.default_rng(5).integers(0, int(num_days * 86_400), ROWS))
    return pl.Series([BEGUN + timedelta(seconds=int(second)) for second in seconds])


def proposed(frame: pl.DataFrame) -> StatisticsDefinition:
    """The statistics that are written for a table."""
    statistics = drafted(frame)[0].features.statistics
    assert statistics is not None
    return statistics


def test_users_and_items_are_keys_by_themselves_and_in_a_scenario() -> None:
    definition, text = drafted(ids())
    assert definition.features.statistics == StatisticsDefinition(by=IDS)
    assert re.search(
        r"      - user_id   # about (9[5-9]|10[0-5]) users, (19|20|21) rows each\n", text
    )
    assert "# no clock, as there is no time column: a row counts labels of other folds" in text


def test_the_inputs_of_a_written_definition_are_a_group_of_their_own(tmp_path: Path) -> None:
    definition, _ = drafted(ids(shown_at=moments()), folder=tmp_path)
    data = prepare(definition, tmp_path / "studies", tmp_path / "cache", lambda _: None)
    assert len(data.groups["statistics"]) == 4 * 2
    assert set(data.groups["statistics"]) == set(data.full_schema.numeric)


def test_the_days_of_a_datetime_are_a_clock() -> None:
    definition, text = drafted(ids(shown_at=moments()))
    statistics = definition.features.statistics
    assert statistics == StatisticsDefinition(by=IDS, clock="shown_at", refresh="day")
    assert "clock: shown_at   # 7 days of train; a row counts labels of earlier days" in text
    assert "refresh: day   # production updates the counts every day; never if it does not" in text


@pytest.mark.parametrize(
    ("unit", "length"),
    [("s", 86_400), ("ms", 86_400_000), ("us", 86_400_000_000), ("ns", 86_400_000_000_000)],
)
def test_numbers_since_1970_are_a_clock_with_a_length_of_days(unit: Any, length: int) -> None:
    statistics = proposed(ids(timestamp=moments().dt.epoch(unit)))
    assert (statistics.clock, statistics.day_length) == ("timestamp", length)


@pytest.mark.parametrize(
    "days",
    [moments().dt.date(), moments().dt.strftime("%Y%m%d").cast(pl.Int64)],
    ids=["dates", "numbers"],
)
def test_dates_and_numbers_of_a_day_are_a_clock_as_they_are(days: pl.Series) -> None:
    statistics = proposed(ids(date=days))
    assert (statistics.clock, statistics.day_length) == ("date", None)


def parts(*shares: tuple[str, float]) -> list[str]:
    """The parts of a split in the order of the rows."""
    values = [part for part, share in shares for _ in range(int(share * ROWS))]
    return values + [shares[-1][0]] * (ROWS - len(values))


IN_ORDER = parts(("train", 0.7), ("valid", 0.15), ("test", 0.15))


def test_a_split_column_in_the_order_of_time_has_a_clock() -> None:
    definition, text = drafted(ids(shown_at=moments(), split=IN_ORDER))
    assert definition.split.by == "column"
    assert definition.features.statistics == StatisticsDefinition(
        by=IDS, clock="shown_at", refresh="day"
    )
    assert "clock: shown_at   # 8 days of train" in text  # the last one in part


@pytest.mark.parametrize(
    "split",
    [
        parts(("valid", 0.15), ("train", 0.7), ("test", 0.15)),
        parts(("train", 0.7), ("test", 0.15), ("valid", 0.15)),
        np.random.default_rng(6).choice(["train", "valid", "test"], ROWS, p=[0.7, 0.15, 0.15]),
    ],
    ids=["valid first", "test before valid", "at random"],
)
def test_a_split_column_that_is_not_in_the_order_of_time_has_no_clock(split: Any) -> None:
    definition, text = drafted(ids(shown_at=moments(), split=split))
    assert definition.features.statistics == StatisticsDefinition(by=IDS)
    assert "# no clock, as the parts of the split are not in the order of shown_at: " in text


def test_train_of_three_days_has_no_clock() -> None:
    definition, text = drafted(
        ids(shown_at=moments(4), split=parts(("train", 0.74), ("valid", 0.13), ("test", 0.13)))
    )
    assert definition.features.statistics == StatisticsDefinition(by=IDS)
    assert "# no clock, as train has 3 days, and a clock needs 4: " in text


def test_a_time_that_does_not_cut_well_is_no_clock() -> None:
    days = pl.Series([date(2026, 5, 1)] * (ROWS - 2) + [date(2026, 5, 2), date(2026, 5, 3)])
    definition, text = drafted(ids(date=days))
    assert definition.split.by == "random"
    assert "# no clock, as the split is random: " in text


def of_groups(*numbers: int) -> dict[str, list[str]]:
    """Attributes of so many values: a city, an age group, a gender."""
    named = zip(("city", "age_group", "gender"), numbers, strict=False)
    return {name: [f"x{value}" for value in drawn(number, number)] for name, number in named}


ROW, HOME = pl.int_range(pl.len()), pl.lit("home")
APART = pl.when(pl.col("item_id") < 25).then(HOME).otherwise(pl.lit("search"))
IN_CHANNEL = ("city", ("city", "channel"), ("age_group", "channel"))
KEYS: dict[str, tuple[pl.DataFrame, tuple[Any, ...]]] = {
    "users of three rows, and pairs of fewer than two": (
        ids().with_columns(user_id=ROW // 3),
        ("user_id", "item_id", ("item_id", "channel")),
    ),
    "users of fewer than two rows": (
        ids().with_columns(user_id=ROW * 5 // 8),
        ("item_id", ("item_id", "channel")),
    ),
    "items of one scenario": (
        ids().with_columns(channel=APART),
        ("user_id", "item_id", ("user_id", "channel")),
    ),
    "a single scenario": (ids().with_columns(channel=HOME), ("user_id", "item_id")),
    "an attribute that may be an outcome": (
        ids(order_state=[f"s{value}" for value in drawn(7, 40)]),
        IDS,
    ),
    "no ids": (table(**of_groups(90, 3, 2)), IN_CHANNEL),
    "no ids, and a single scenario": (
        table(age_group=of_groups(9, 3)["age_group"]).with_columns(channel=HOME),
        ("age_group",),
    ),
}


@pytest.mark.parametrize(("frame", "keys"), KEYS.values(), ids=KEYS)
def test_keys_are_ids_and_attributes_with_enough_rows(
    frame: pl.DataFrame, keys: tuple[Any, ...]
) -> None:
    assert proposed(frame).by == keys


def test_attributes_of_many_values_follow_those_of_most_values_first() -> None:
    frame = ids(
        brand=[f"b{value}" for value in drawn(7, 40)],
        city=[f"c{value}" for value in drawn(8, 90)],
        colour=[f"d{value}" for value in drawn(9, 19)],  # too few values
        campaign=[f"e{value}" for value in drawn(10, 600)],  # too few rows a value
    )
    attributes = ("city", ("city", "channel"), "brand", ("brand", "channel"))
    assert proposed(frame).by == (*IDS, *attributes)


def test_there_are_twelve_keys_at_most_and_fewer_with_many_tasks() -> None:
    attributes = {f"a{place}": [f"x{v}" for v in drawn(place, 60)] for place in range(20, 28)}
    assert len(proposed(ids(**attributes)).by) == MAX_KEYS
    labels = {f"is_click_{place}": drawn(place, 2) for place in range(40, 68)}
    few = proposed(ids(**attributes, **labels))
    assert few.by == IDS  # 120 inputs, of 30 a key


def test_a_table_of_numbers_alone_has_no_statistics() -> None:
    definition, text = drafted(table(price=np.random.default_rng(7).random(ROWS)))
    assert definition.features.statistics is None
    assert "statistics" not in text


def test_pairs_are_counted_without_missing_values() -> None:
    frame = ids().with_columns(
        user_id=pl.when(pl.col("item_id") < 25).then(pl.col("user_id")), item_id=pl.lit("same")
    )
    _, text = drafted(frame)
    pairs = frame.drop_nulls("user_id").select("user_id", "channel").n_unique()
    (line,) = (line for line in text.splitlines() if "- [user_id, channel]" in line)
    num_pairs = int(line.split("# about ")[1].split()[0])
    assert num_pairs == pytest.approx(pairs, rel=0.05)
    assert line.endswith(f"{frame['user_id'].count() / num_pairs:.1f} rows each")


SECOND_R = 1_760_000_000 + 500 * np.arange(ROWS)


def timed(times: Any) -> tuple[str | None, str]:
    """The unit in the definition of a table with such times, and the definition's text."""
    definition, text = drafted(ids(timestamp=times))
    return definition.time_unit, text


@pytest.mark.parametrize(
    ("a_second", "unit", "name"),
    [
        (1, "s", "seconds"),
        (10**3, "ms", "milliseconds"),
        (1000.0, "ms", "milliseconds"),
        (10**6, "us", "microseconds"),
        (10**9, "ns", "nanoseconds"),
    ],
)
def test_whole_numbers_since_1970_have_the_unit_of_their_size(
    a_second: float, unit: str, name: str
) -> None:
    found, text = timed(SECOND_R * a_second)
    assert found == unit
    assert f"time_unit: {unit}   # {name} since 1970; events and sessions need it\n" in text


@pytest.mark.parametrize(
    "times",
    [
        pl.Series(SECOND_R).cast(pl.Datetime("ms")),
        20_260_500 + np.arange(ROWS) // 50,
        SECOND_R + 0.5,
    ],
    ids=["datetimes", "numbers of a day", "parts of a second"],
)
def test_other_times_have_none(times: Any) -> None:
    assert timed(times)[0] is None


def test_moments_of_users_are_said_to_allow_events() -> None:
    assert "# events, session, sequences: what the log knows" in timed(SECOND_R)[1]


def test_days_get_no_events() -> None:
    _, text = timed(pl.Series(SECOND_R).cast(pl.Datetime("us")).dt.date())
    assert "events, session" not in text
