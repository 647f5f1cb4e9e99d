"""Events and sessions of a table: its inputs and their groups, and what a table must hold."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tables import definition, prepared, shop

from hinet_search.common.errors import DataError
from hinet_search.data.columns import Dataset

EVENTS: dict[str, Any] = {
    "by": ["user", ["user", "place"]],
    "labels_after": "5s",
    "windows": ["60s", "all"],
    "last": 1,
}
COLUMNS: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
FEATURES = {**COLUMNS, "events": EVENTS, "session": {"gap": "30s"}}
OF_KEY = ["exposures 60s", "exposures all", "recency"]
for task in ("click", "buy"):
    OF_KEY += [f"{task} rate 60s", f"{task} rate all", f"{task} last 1"]
NAMES = [f"{key} {name}" for key in ("user", "user x place") for name in OF_KEY]
OF_SESSION = ["session position", "session seconds"]


def encoded(folder: Path, frame: pl.DataFrame | None = None, **changes: Any) -> Dataset:
    """The shop with events, by default with numbers of seconds as times."""
    keys = {"features": FEATURES, "time_unit": "s", **changes}
    keys = {name: value for name, value in keys.items() if value != "none"}
    return prepared(shop() if frame is None else frame, folder, **keys)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return encoded(tmp_path_factory.mktemp("shop"))


def test_events_and_sessions_are_numeric_inputs_after_the_columns(dataset: Dataset) -> None:
    assert list(dataset.full_schema.numeric) == ["price", "age", *NAMES, *OF_SESSION]


def test_each_is_a_group_that_a_search_can_leave_out(dataset: Dataset) -> None:
    assert dict(dataset.groups) == {"events": tuple(NAMES), "session": tuple(OF_SESSION)}
    assert dataset.record.groups == {"events": len(NAMES), "session": 2}
    features = definition(features=FEATURES, time_unit="s").features
    assert features.optional_groups == ("events", "session")


def test_datetimes_in_any_zone_give_the_inputs_of_their_moments(
    dataset: Dataset, tmp_path: Path
) -> None:
    start = datetime(2026, 3, 29)  # the clocks of Berlin change on this day  # noqa: DTZ001
    moments = pl.col("minute") * timedelta(seconds=1) + start
    zoned = moments.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    for number, moment in enumerate([moments, zoned, zoned.dt.cast_time_unit("ms")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        frame = shop().with_columns(moment.alias("minute"))
        same = encoded(folder, frame, time_unit="none")
        np.testing.assert_array_equal(same.train.numeric_RN, dataset.train.numeric_RN)
        np.testing.assert_array_equal(same.test.numeric_RN, dataset.test.numeric_RN)


def test_whole_floats_are_times_too_and_a_missing_one_is_none(
    dataset: Dataset, tmp_path: Path
) -> None:
    frame = shop().with_columns(pl.col("minute").cast(pl.Float64))
    same = encoded(tmp_path, frame)
    np.testing.assert_array_equal(same.valid.numeric_RN, dataset.valid.numeric_RN)
    holes = pl.when(pl.col("minute") % 3 == 0).then(float("nan")).otherwise("minute")
    other = tmp_path / "other"
    other.mkdir()
    with_holes = encoded(other, frame.with_columns(holes.alias("minute")))
    assert np.isfinite(with_holes.test.numeric_RN).all()


def test_only_exposures_are_left_where_labels_are_never_known(tmp_path: Path) -> None:
    events = {"by": ["user"], "labels_after": "never"}
    dataset = encoded(tmp_path, features=COLUMNS | {"events": events})
    assert dataset.groups["events"] == ("user exposures all", "user recency")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"features": FEATURES, "time": None},
            "features.events needs the key 'time' (a column with the moment of each row)",
        ),
        (
            {"features": COLUMNS | {"session": {"gap": "1h"}}, "time": None},
            "features.session needs the key 'time' (a column with the moment of each row)",
        ),
        (
            {"features": FEATURES, "user": None},
            "features.session needs the key 'user' (the user column)",
        ),
        ({"time": None, "time_unit": "s"}, "time_unit is of the column under 'time'"),
        (
            {"features": COLUMNS | {"events": EVENTS | {"by": ["user", "buy"]}}},
            "a feature must not be an outcome: buy is the label of a task",
        ),
        (
            {"features": COLUMNS | {"events": EVENTS}, "never_features": ["place"]},
            "a feature must not be an outcome: place is listed in never_features",
        ),
    ],
)
def test_a_definition_must_say_what_events_need(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match="1 validation error") as caught:
        definition(**changes)
    assert problem in str(caught.value)


def problem_of(folder: Path, frame: pl.DataFrame | None = None, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        encoded(folder, frame, **changes)
    assert len(caught.value.problems) == 1
    return str(caught.value)


DATES = [date(2026, 5, 1) + timedelta(days=row // 20) for row in range(600)]
SECONDS = [datetime(2026, 5, 1) + timedelta(seconds=row) for row in range(600)]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("values", "unit", "problem"),
    [
        (range(600), "none", "time_unit: must say for features.events what the numbers of column"),
        (SECONDS, "s", "time_unit: is of times that are numbers, but column 'minute' is Datetime("),
        (DATES, "none", "for features.events, got whole days; count earlier days by features.stat"),
        ([5 + 86_400 * (row // 20) for row in range(600)], "s", "got whole days; count earlier"),
        ([str(row) for row in range(600)], "s", "as datetimes or whole numbers, got String; cast"),
        ([row + 0.5 for row in range(600)], "s", "must hold whole numbers of 64 bits for features"),
        ([float("inf"), *map(float, range(599))], "s", "events, got 1 others; multiply it"),
        ([7] * 600, "s", "must hold times that differ for features.events, got the same time in"),
        ([None] * 599 + [7], "s", "must hold times that differ for features.events, got the same"),
        (pl.Series([None] * 600, dtype=pl.Int64), "s", "got no time in any row; leave features.ev"),
        ([-(2**62), *range(599)], "s", "must hold times within 4,611,686,018,427,387,904 s for"),
    ],
)
def test_times_must_be_moments_that_differ(
    tmp_path: Path, values: Any, unit: str, problem: str
) -> None:
    frame = shop().with_columns(pl.Series("minute", values))
    assert problem in problem_of(tmp_path, frame, time_unit=unit)


def test_lengths_must_be_whole_numbers_of_the_columns_unit(tmp_path: Path) -> None:
    events = EVENTS | {"windows": ["500ms", "60s"]}
    assert problem_of(tmp_path, features=COLUMNS | {"events": events}) == (
        "data.features.events.windows: must be a whole number of s, in which column 'minute' "
        "counts, got 500ms"
    )
    assert "data.features.session.gap: must be a whole number of s" in problem_of(
        tmp_path, features=COLUMNS | {"session": {"gap": "1500ms"}}
    )


def test_some_label_must_be_known_before_the_last_row(tmp_path: Path) -> None:
    for delay in ("599s", "1h"):
        events = EVENTS | {"labels_after": delay}
        assert problem_of(tmp_path, features=COLUMNS | {"events": events}) == (
            "data.features.events.labels_after: must be shorter than the time from the first row "
            f"to the last, 599 s in column 'minute', got {delay}: no label would be known; write "
            "never to use no labels, or check data.time_unit"
        )
    encoded(tmp_path, features=COLUMNS | {"events": EVENTS | {"labels_after": "598s"}})


@pytest.mark.parametrize(
    ("by", "problem"),
    [
        (
            ["user", "shop", ["shop", "empty"], ["user", "shop"]],
            "a key must have at least two values, got one or none in shop, shop x empty\n",
        ),
        (["user", "itm"], "column 'itm' is not in the table"),
    ],
)
def test_a_key_must_be_a_column_with_more_than_one_value(
    by: list[Any], problem: str, tmp_path: Path
) -> None:
    empty = pl.lit(None, dtype=pl.Int64).alias("empty")
    frame = shop().with_columns(pl.lit("x").alias("shop"), empty)
    features = COLUMNS | {"events": EVENTS | {"by": by}}
    text = problem_of(tmp_path, frame, features=features)
    assert text.startswith(f"data.features.events.by: {problem}")
