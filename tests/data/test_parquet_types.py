"""Types that pandas, Spark and Arrow write into Parquet files, and what becomes of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables import definition, shop

from hinet_search.data.columns import Dataset
from hinet_search.data.prepare import prepare
from hinet_search.data.sources.table import Options, load

Change = Callable[[pa.Array], pa.Array]


def write_like_spark(table: pa.Table, file: Path) -> None:
    """Time stamps are INT96, small decimals are integers, and no types of Arrow are stored."""
    options = {"use_deprecated_int96_timestamps": True, "store_decimal_as_integer": True}
    pq.write_table(table, file, **options, store_schema=False, compression="snappy")


def encoded(table: pa.Table, folder: Path, **changes: Any) -> Dataset:
    """The shop table, written by Arrow, and encoded."""
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / "shop.parquet", use_deprecated_int96_timestamps=True)
    return prepare(definition(**changes), folder, folder / "cache", lambda _: None)


def with_column(name: str, change: Change) -> pa.Table:
    """The shop table with one column changed."""
    table = shop().to_arrow()
    position = table.schema.get_field_index(name)
    return table.set_column(position, name, change(table.column(name).combine_chunks()))


def to_decimal(values: pa.Array) -> pa.Array:
    return pa.array([Decimal(f"{value:.2f}") for value in values.to_pylist()])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("item", lambda values: values.cast(pa.string()).dictionary_encode()),
        ("place", lambda values: values.cast(pa.string()).dictionary_encode()),
        ("part", lambda values: values.cast(pa.string()).dictionary_encode()),
        ("user", lambda values: values.cast(pa.float64())),
        ("user", lambda values: values.cast(pa.int16())),
        ("click", lambda values: values.cast(pa.bool_())),
        ("age", lambda values: values.cast(pa.decimal128(20, 0))),
    ],
    ids=["categories", "scenarios", "splits", "float ids", "short ids", "true", "decimals"],
)
def test_a_column_is_encoded_like_the_same_values_of_a_plain_type(
    name: str, change: Change, tmp_path: Path
) -> None:
    plain = encoded(shop().to_arrow(), tmp_path / "plain")
    other = encoded(with_column(name, change), tmp_path / "other")
    assert (plain.train.ids_RF == other.train.ids_RF).all()
    assert (plain.train.numeric_RN == other.train.numeric_RN).all()
    assert (plain.train.labels_RT == other.train.labels_RT).all()
    assert (plain.train.scenario_R == other.train.scenario_R).all()


def test_decimals_are_numbers_as_features_and_their_digits_as_categories(tmp_path: Path) -> None:
    table = with_column("price", to_decimal)
    as_number = encoded(table, tmp_path / "number").train.numeric_RN[:, 0]
    assert np.corrcoef(as_number, shop()["price"][: len(as_number)])[0, 1] > 0.9999
    features = {"categorical": ["price"], "numeric": ["age"]}
    as_category = encoded(table, tmp_path / "category", features=features)
    vocabulary = pl.read_parquet(as_category.folder / "vocabulary.0.parquet").to_series(0)
    digits = {f"{value:.2f}" for value in shop()["price"][:420].to_list()}
    assert {str(value) for value in vocabulary} == digits


def test_whole_numbers_with_missing_values_are_ids_and_unknown(tmp_path: Path) -> None:
    def without_some(values: pa.Array) -> pa.Array:
        return pa.array([None if value == 7 else value for value in values.to_pylist()])

    dataset = encoded(with_column("user", without_some), tmp_path)
    is_missing = shop()["user"][:420].to_numpy() == 7
    assert ((dataset.train.ids_RF[:, 0] == 0) == is_missing).all()


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_time_stamps_of_spark_and_with_a_zone_split_by_time(
    zone: str | None, tmp_path: Path
) -> None:
    def to_time(values: pa.Array) -> pa.Array:
        start = datetime(2026, 5, 1, tzinfo=UTC)
        times = [start + timedelta(hours=hour) for hour in values.to_pylist()]
        if zone is None:
            return pa.array([time.replace(tzinfo=None) for time in times], pa.timestamp("ns"))
        return pa.array(times, pa.timestamp("us", tz=zone))

    split = {"by": "time", "valid_from": "2026-05-18", "test_from": "2026-05-22"}
    dataset = encoded(with_column("minute", to_time), tmp_path, split=split)
    hours_ahead = 9 if zone == "Asia/Tokyo" else 0
    first = 17 * 24 - hours_ahead
    assert dataset.record.rows == (first, 96, 600 - first - 96)
    if zone is None:
        physical = pq.read_metadata(tmp_path / "shop.parquet").schema.column(7).physical_type
        assert physical == "INT96"


@pytest.mark.parametrize("year", [1, 1500, 2026, 9999])
def test_time_stamps_of_spark_are_read_in_any_year(year: int, tmp_path: Path) -> None:
    time = datetime(year, 12, 31, 1, 2, 3, 456789)  # noqa: DTZ001
    table = pa.table({"at": pa.array([time, None], pa.timestamp("us")), "x": [1, 2]})
    write_like_spark(table, tmp_path / "rows.parquet")
    rows = load(Options(path="rows.parquet"), tmp_path, tmp_path)
    assert rows.collect()["at"].to_list() == [time, None]


def test_nanoseconds_that_are_not_of_spark_stay_nanoseconds(tmp_path: Path) -> None:
    times = pa.array([1, 1_800_000_000_123_456_789], pa.timestamp("ns"))
    pq.write_table(pa.table({"at": times}), tmp_path / "rows.parquet")
    rows = load(Options(path="rows.parquet"), tmp_path, tmp_path)
    assert rows.collect()["at"].cast(pl.Int64).to_list() == times.cast(pa.int64()).to_pylist()


@pytest.fixture
def of_spark(tmp_path: Path) -> Path:
    """A folder as Spark writes it: two parts, one without rows, and files beside them."""
    folder = tmp_path / "rows"
    folder.mkdir()
    table = pa.table(
        {
            "at": pa.array([datetime(2026, 5, 1)], pa.timestamp("us")),  # noqa: DTZ001
            "price": pa.array([Decimal("1.50")], pa.decimal128(7, 2)),
            "item": pa.array(["a"]),
        }
    ).replace_schema_metadata(
        {"org.apache.spark.version": "3.5.1", "org.apache.spark.sql.parquet.row.metadata": "{}"}
    )
    for number, part in enumerate((table.slice(0, 0), table)):
        name = f"part-{number:05}-8c1d2f-c000.snappy.parquet"
        write_like_spark(part, folder / name)
        (folder / f".{name}.crc").write_bytes(b"crc")
    (folder / "_SUCCESS").touch()
    pq.write_metadata(table.schema, folder / "_metadata")
    pq.write_metadata(table.schema, folder / "_common_metadata")
    return tmp_path


def test_a_folder_of_spark_is_read_with_its_types(of_spark: Path) -> None:
    frame = load(Options(path="rows"), of_spark, of_spark).collect()
    assert frame.rows() == [(datetime(2026, 5, 1), Decimal("1.50"), "a")]  # noqa: DTZ001
    assert frame.schema["price"] == pl.Decimal(7, 2)


def test_nullable_columns_of_pandas_keep_values_and_gaps(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "count": pd.array([1, None, 3], dtype="Int64"),
            "share": pd.array([0.5, None, 1.5], dtype="Float64"),
            "clicked": pd.array([True, None, False], dtype="boolean"),
            "name": pd.array(["a", None, "c"], dtype="string"),
            "size": pd.Categorical(["s", None, "l"], ["s", "l"], ordered=True),
        }
    )
    frame.set_index(pd.Index(["u", "v", "w"], name="key")).to_parquet(tmp_path / "rows.parquet")
    rows = load(Options(path="rows.parquet"), tmp_path, tmp_path).collect()
    assert rows.with_columns(pl.col("size").cast(pl.String)).to_dict(as_series=False) == {
        "count": [1, None, 3],
        "share": [0.5, None, 1.5],
        "clicked": [True, None, False],
        "name": ["a", None, "c"],
        "size": ["s", None, "l"],
        "key": ["u", "v", "w"],
    }
