"""A table as of flights: what goes with time is left out, what is named like an outcome is doubted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from tables import prepared, problems_of, shop

from hinet_search.data.guess.column_facts import facts_of
from hinet_search.data.guess.column_roles import guess_roles
from hinet_search.data.guess.definition_text import GuessedTable, definition_text
from hinet_search.data.guess.guess_table import guessed_table
from hinet_search.data.guess.roles import KnownRoles
from hinet_search.data.guess.thresholds import threshold_of
from hinet_search.data.inspect.leaks import AFTERWARDS

NUM_ROWS = 6_000
LATE = KnownRoles().with_threshold(threshold_of("late=arr_delay>15"))


def flights() -> pl.DataFrame:
    """A year of flights from three airports; a thirtieth was cancelled and has no delay."""
    generator = np.random.default_rng(0)
    hours = np.sort(generator.integers(0, 365 * 24, NUM_ROWS))
    times = [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(hours=int(hour)) for hour in hours]
    delay = generator.normal(5, 30, NUM_ROWS).round()
    return pl.DataFrame(
        {
            "month": [f"{time:%B}" for time in times],
            "weekday": [f"{time:%A}" for time in times],
            "origin": generator.choice(["EWR", "JFK", "LGA"], NUM_ROWS),
            "carrier": generator.choice(["UA", "AA", "B6"], NUM_ROWS),
            "dep_delay": delay + generator.normal(0, 8, NUM_ROWS).round(),
            "dep_time": generator.integers(1, 2400, NUM_ROWS),
            "arr_time": generator.integers(1, 2400, NUM_ROWS),
            "air_time": generator.integers(20, 700, NUM_ROWS),
            "time_hour": times,
            "arr_delay": [None if row % 30 == 0 else value for row, value in enumerate(delay)],
        },
        schema_overrides={"arr_delay": pl.Float64},
    )


def guessed_of(rows: pl.DataFrame) -> GuessedTable:
    return guessed_table(rows.lazy(), "rows", {"kind": "table", "path": "f.csv"}, LATE)


@pytest.fixture(scope="module")
def guessed() -> GuessedTable:
    return guessed_of(flights())


def test_a_category_that_later_rows_have_anew_is_left_out(guessed: GuessedTable) -> None:
    left = {role.column.name: role.reason for role in guessed.guesses.left_out}
    assert left.keys() == {"month"}
    assert left["month"].endswith("% of later rows have values that no earlier row has")
    assert "weekday" in [role.column.name for role in guessed.guesses.categorical]


def test_it_stays_where_rows_are_split_at_random() -> None:
    weeks = pl.int_range(NUM_ROWS) // 120
    rows = flights().drop("time_hour").with_columns(month=pl.lit("May"), week=weeks)
    assert "week" not in [role.name for role in guessed_of(rows).guesses.left_out]


def test_columns_named_like_an_outcome_are_doubted(guessed: GuessedTable) -> None:
    doubts = {role.column.name: role.to_check for role in guessed.guesses.numeric}
    assert doubts["arr_time"] == f"named like arr_delay; {AFTERWARDS}"
    assert doubts["dep_time"] == f"named like dep_delay; {AFTERWARDS}"
    assert "dep_delay" in [role.column.name for role in guessed.guesses.outcomes]
    assert doubts["air_time"] == ""


def test_rows_without_a_label_are_left_out_of_the_written_definition(guessed: GuessedTable) -> None:
    text = definition_text(guessed)
    assert "\nunlabelled: drop " in text
    assert "200 rows without a value are left out" in text


def test_labels_in_every_row_need_no_such_key() -> None:
    rows = flights().with_columns(pl.col("arr_delay").fill_null(0.0))
    assert "unlabelled" not in definition_text(guessed_of(rows))


DEAR = {"click": {"column": "click"}, "dear": {"column": "price", "above": 100}}


def with_gaps() -> pl.DataFrame:
    """The shop's rows; every seventh has no price, which only `home` asks for."""
    gaps = (pl.int_range(pl.len()) % 7 == 0) | (pl.col("place") == "push")
    return shop().with_columns(price=pl.when(~gaps).then("price"))


def test_rows_without_the_label_of_a_task_of_their_scenario_are_left_out(tmp_path: Path) -> None:
    tasks = {**DEAR, "dear": {**DEAR["dear"], "scenarios": ["home"]}}
    features = {"categorical": ["user", "item"], "numeric": ["age"]}
    rows = with_gaps()
    kept = rows.filter((pl.col("place") == "push") | pl.col("price").is_not_null())
    data = prepared(rows, tmp_path, tasks=tasks, features=features, unlabelled="drop")
    splits = (data.train, data.valid, data.test)
    assert sum(split.num_rows for split in splits) == len(kept) < len(rows)
    dear = np.concatenate([split.labels_RT[:, 1] for split in splits])
    expected = (kept["price"] > 100).fill_null(value=False) & (kept["place"] == "home")
    assert_array_equal(dear, expected.to_numpy())
    assert f"{len(rows) - len(kept)} rows without a label are left out" in data.record.warnings


def test_without_the_key_they_are_refused_with_it_as_the_remedy(tmp_path: Path) -> None:
    features = {"categorical": ["user", "item"], "numeric": ["age"]}
    rows = with_gaps().filter(pl.col("place") == "home")
    (problem,) = problems_of(rows, tmp_path, tasks=DEAR, features=features)
    assert problem.endswith("without; 'data.unlabelled: drop' leaves them out")


def test_numbered_columns_of_one_name_are_not_each_doubted() -> None:
    rows = shop().with_columns(
        **{f"affinity_{number}": pl.int_range(pl.len()) % (11 + number) == 0 for number in range(6)}
    )
    rows = rows.with_columns(pl.selectors.starts_with("affinity").cast(pl.Int8))
    roles = guess_roles(facts_of(rows.with_columns(alone_1="affinity_1").lazy()))
    doubts = {role.column.name: role.to_check for role in roles.numeric}
    assert {doubts[f"affinity_{number}"] for number in range(6)} == {""}
    assert doubts["alone_1"] == "known before? else list it in never_features"


def test_a_number_of_three_values_has_no_outliers(tmp_path: Path) -> None:
    scores = pl.Series([0.0125, 1 / 46, 0.0125, 1 / 34, np.nextafter(1 / 46, 1), 0.0125] * 100)
    data = prepared(shop().with_columns(price=scores), tmp_path)
    assert not any(warning.startswith("price") for warning in data.record.warnings)
