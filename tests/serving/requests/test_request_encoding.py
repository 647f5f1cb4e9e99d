"""Rows of a request are encoded as those of a table with the same values."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from hinet_search.serving.predict import predictions
from hinet_search.serving.requests.document import RequestColumns
from hinet_search.serving.requests.served_model import ServedModel, open_served
from hinet_search.serving.row_checks import cast_rows, count_unfit
from hinet_search.serving.tables import inner_type
from tests.serving.requests import exported
from tests.serving.requests.exported import SUMMER_ENDS, table

NUMBERS = st.none() | st.integers(-50, 200) | st.floats(-1e6, 1e6) | st.booleans()
GENRES = st.none() | st.sampled_from(["Drama", "Action|Drama", "|", "", " War |x|Action|Drama"])
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
EAST = timezone(timedelta(hours=5, minutes=30))
AFTER = [timedelta(minutes=minutes) for minutes in (-30, 0, 30, 60, 90)]
MOMENTS = [
    moment
    for after in AFTER
    for moment in (
        SUMMER_ENDS + after,
        (SUMMER_ENDS + after).astimezone(EAST),
        SUMMER_ENDS + after + timedelta(microseconds=999),
    )
]
TOLD = [SUMMER_ENDS + after for after in (*AFTER, timedelta(2), timedelta(-2))]
TOLD += [moment.astimezone(EAST) for moment in TOLD]
VALUES = {
    "place": st.integers(1, 3),
    "user": st.none() | st.integers(-1, 40) | st.just(2**70),
    "item": st.none() | st.sampled_from(["00", "011", "0", "", "x"]),
    "shelf": st.none() | st.integers(0, 7),
    "is_new": st.none() | st.booleans(),
    "weight": st.none() | st.sampled_from([0.0, -0.0, 0.5, 1.5, 9.25, float("nan")]),
    "ratio": st.none() | st.sampled_from([0.1, 0.2, 0.3, 0.35, 1e300, float("nan")]),
    "born": st.none() | st.dates(date(1989, 12, 25), date(1990, 1, 20)),
    "seen": st.none() | st.sampled_from(MOMENTS),
    "told": st.none() | st.sampled_from([*TOLD, FIRST, LAST]),
    "price": NUMBERS,
    "age": NUMBERS,
    "income": NUMBERS,
    "hour": NUMBERS,
    "rank": NUMBERS,
    "genres": GENRES,
    "tags": st.none()
    | st.lists(st.none() | st.integers(0, 12), max_size=6)
    | st.just([2**70, 1, 2, 3]),
    "friends": st.none() | st.sampled_from(["", "1,2,3,4", "x,5", " 6 , 99999999999999999999,7,8"]),
    "minute": st.none() | st.integers(-100, 900) | st.just(2**70),
}
ROWS = st.integers(1, 6).flatmap(
    lambda size: st.fixed_dictionaries(
        {name: st.lists(each, min_size=size, max_size=size) for name, each in VALUES.items()}
    )
)


def as_json(values: Sequence[Any]) -> list[Any]:
    """Dates and moments as JSON has them."""
    return [each.isoformat() if isinstance(each, date | datetime) else each for each in values]


def of_table(
    model: ServedModel, values: Mapping[str, Sequence[Any]]
) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """The rows as `predict` reads them from a table, and the number of values that do not fit."""
    inputs, types = model.exported.file.inputs, model.exported.encoder.types
    rows = pl.DataFrame(
        {
            name: pl.Series(name, values[name], dtype=wide(types[name]), strict=False)
            for name in inputs.columns
        }
    ).lazy()
    return cast_rows(inputs, rows, types).collect(), count_unfit(inputs, rows, types)


def wide(dtype: pl.DataType) -> pl.DataType:
    """A type that holds whatever a table of new rows may hold."""
    if isinstance(dtype, pl.List):
        return pl.List(wide(inner_type(dtype)))
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", dtype.time_zone)
    return pl.Int128() if dtype == pl.Int64 else dtype


@pytest.mark.parametrize("name", ["plain", "everything", "counted", "timed", "ids", "matched"])
def test_a_request_is_encoded_as_a_table(name: str, models: dict[str, ServedModel]) -> None:
    model = models[name]

    @given(values=ROWS)
    def check(values: dict[str, list[Any]]) -> None:
        frame, num_unfit = of_table(model, values)
        expected = model.exported.encoder.columns(frame)
        columns = {each: as_json(values[each]) for each in model.columns}
        rows = model.reader.read(RequestColumns(columns, len(frame)))
        encoded = model.encoder.encode(rows)
        assert encoded.arrays.keys() == expected.arrays.keys()
        for array, wanted in expected.arrays.items():
            assert encoded.arrays[array].dtype == wanted.dtype
            assert_array_equal(encoded.arrays[array], wanted, err_msg=array)
        unseen = model.encoder.unseen(rows, encoded)
        num_unseen = model.exported.encoder.unseen(frame, expected)
        assert unseen == {
            name: count + num_unfit.get(name, 0) for name, count in num_unseen.items()
        }

    check()


def test_a_number_beyond_float32_counts_as_the_end_of_its_range(
    models: dict[str, ServedModel],
) -> None:
    model = models["everything"]  # where prices are clipped to [0, 150]
    columns = {name: [1] if name == "place" else [None] for name in model.columns}
    far, end = (
        model.score(RequestColumns({**columns, "price": [price]}, 1)).predicted_RT
        for price in (1e300, 150)
    )
    assert_array_equal(far, end)


def test_the_largest_id_of_64_bits_has_a_place_in_a_list_and_what_is_beyond_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsigned = table().with_columns(pl.col("tags").cast(pl.List(pl.UInt64)))
    monkeypatch.setattr(exported, "table", lambda: unsigned)
    model = open_served(exported.write_export(tmp_path / "model", exported.EVERYTHING))
    columns = {name: [1] if name == "place" else [None] for name in model.columns}

    def slots(*tags: int) -> list[int]:
        """The slots of a request of one row, three of them for tags."""
        rows = model.reader.read(RequestColumns({**columns, "tags": [list(tags)]}, 1))
        return [int(id_) for id_ in model.encoder.encode(rows).lists_RS[0]]

    assert slots(2**64, -1, 1, 2, 3) == slots(1, 2, 3)
    assert slots(2**64 - 1, 1, 2, 3) == slots(1, 2)


def test_rows_of_training_get_the_scores_of_predict(models: dict[str, ServedModel]) -> None:
    model = models["everything"]
    frame = table(50)
    columns = {name: as_json(frame[name].to_list()) for name in model.columns}
    typed, _ = of_table(model, frame.to_dict(as_series=False))
    expected = predictions(model.exported, model.exported.encoder.columns(typed))
    assert_array_equal(model.score(RequestColumns(columns, 50)).predicted_RT, expected)
    assert len(np.unique(expected)) > 50


def test_values_without_an_id_are_counted_by_column_and_missing_ones_are_not(
    models: dict[str, ServedModel],
) -> None:
    columns = {
        "place": [1, 1, 1],
        "user": [999, 998, None],
        "item": ["00", "01", None],
        "price": [1, 2, 3],
        "age": [1, 2, 3],
    }
    assert models["plain"].score(RequestColumns(columns, 3)).unseen == {"user": 2, "item": 0}
