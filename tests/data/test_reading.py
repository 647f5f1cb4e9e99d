"""Reading: damaged sources are reported as DataErrors, and no column collides with one of ours."""

import errno
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.exceptions import PanicException
from tables import definition, prepared, shop, write

from hinet_search.common.errors import DataError
from hinet_search.data.prepare import prepare
from hinet_search.data.reading import OWN, reading
from hinet_search.data.rows import read_rows

SEED, NUM_DAMAGED = 14, 500
INNER = 'called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(1), "range.end <= self.size", ...)'
OUTER = (
    'called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(2), "'
    + INNER.replace('"', '\\"')
    + '", ...)'
)
NAMES = ["row number in the source", "len", "literal", "value", "rows of a scenario"]
NAMES += ["first row", "key 0", "period"]


def many_types() -> pl.DataFrame:
    """The shop with a column of every kind that a definition may name."""
    lists = pl.Series(
        "seen", [["a", "b", None][: row % 4] for row in range(600)], dtype=pl.List(pl.String)
    )
    age, minute = pl.col("age"), pl.col("minute")
    return shop().with_columns(
        lists,
        day=pl.date(2026, 1, 1) + pl.duration(days=age),
        at=pl.datetime(2026, 1, 1, time_zone="UTC") + pl.duration(minutes=minute),
        decimal=age.cast(pl.Decimal(12, 3)),
        young=age < 40,
        kind=pl.col("item").cast(pl.Categorical),
        hole=pl.when(age > 50).then("price"),
        name=pl.col("user").cast(pl.String) + " of the shop",
        large=pl.col("user").cast(pl.UInt64),
        raw=pl.col("item").cast(pl.Binary),
    )


def forms_of(frame: pl.DataFrame) -> list[bytes]:
    """The same table as several writers would write it."""

    def by_polars(**options: Any) -> bytes:
        file = io.BytesIO()
        frame.write_parquet(file, **options)
        return file.getvalue()

    def by_arrow(**options: Any) -> bytes:
        file = io.BytesIO()
        pq.write_table(frame.to_arrow(), file, **options)
        return file.getvalue()

    return [
        by_polars(row_group_size=200),
        by_polars(compression="uncompressed"),
        by_arrow(row_group_size=150),
        by_arrow(compression="none", data_page_size=512),
        by_arrow(compression="gzip", data_page_version="2.0"),
        by_arrow(compression="lz4", use_dictionary=False),
    ]


def damaged(original: bytes, draw: Random) -> bytes:
    """Flipped, overwritten or missing bytes; half of the places are in the footer."""
    content, footer = bytearray(original), int.from_bytes(original[-8:-4], "little") + 8
    first = 0 if draw.random() < 0.5 else len(content) - footer
    place = draw.randrange(first, len(content))
    how = draw.randrange(4)
    if how == 0:
        content[place] ^= 1 << draw.randrange(8)
    elif how == 1:
        del content[place : place + draw.randrange(1, 200)]
    elif how == 2:
        content[place : place + 8] = draw.randbytes(8)[: len(content) - place]
    else:
        del content[place:]
    return bytes(content)


def test_a_damaged_parquet_file_is_read_or_refused_in_words(tmp_path: Path) -> None:
    features = {
        "categorical": ["user", "item", "day", "kind", "name", "young", "large", "raw"],
        "numeric": ["price", "age", "decimal", "hole"],
        "lists": {"seen": {"column": "seen", "item": "item"}},
    }
    meaning = definition(features=features, time="at")
    forms = forms_of(many_types())
    draw = Random(SEED)
    refused = 0
    for number in range(NUM_DAMAGED):
        (tmp_path / "shop.parquet").write_bytes(damaged(forms[number % len(forms)], draw))
        try:
            read_rows(meaning, tmp_path, tmp_path / "cache")
        except DataError:
            refused += 1
    assert NUM_DAMAGED / 3 < refused < NUM_DAMAGED


def test_a_panic_of_polars_is_reported_as_damage_with_its_innermost_cause() -> None:
    with pytest.raises(DataError) as caught, reading("rows.parquet"):
        raise PanicException(OUTER)
    assert caught.value.problems == (
        "rows.parquet: cannot be read, it is damaged: range.end <= self.size",
    )
    assert "copy it again" in caught.value.remedy


@pytest.mark.parametrize(
    "raised", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")], ids=repr
)
def test_what_no_reader_raises_passes_through(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, reading("rows.parquet"):
        raise raised
    assert caught.value is raised


def test_only_the_first_line_of_a_cause_is_shown_and_a_long_one_is_cut() -> None:
    with pytest.raises(DataError) as caught, reading("t.csv"):
        raise pl.exceptions.ComputeError("x" * 5000 + "\nsecond")
    (problem,) = caught.value.problems
    assert len(problem) < 400
    assert "second" not in problem


@pytest.mark.parametrize(
    "content",
    [b"", b"hello world, hello", b"PAR1PAR1", b"PARE" + bytes(100) + b"PARE"],
    ids=["none", "text", "no footer", "encrypted"],
)
def test_a_file_that_is_no_parquet_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "shop.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"shop\.parquet: cannot be read: "):
        read_rows(definition(), tmp_path, tmp_path)


def _ragged(content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[:50], lines[50].rstrip(b"\n") + b",9,9\n", *lines[51:]])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda content: b"", "empty CSV"),
        (lambda content: content.replace(b"push", b"pu\x81sh"), "must be text in UTF-8"),
        (_ragged, "every row must have at most as many values as the header has names"),
        (lambda content: content.decode().encode("utf-16"), "but holds text in UTF-16"),
        (lambda content: bytes(1000), "column 'place' is not in the table"),
    ],
    ids=["empty", "no UTF-8", "ragged", "UTF-16", "zeros"],
)
def test_a_damaged_csv_file_is_refused_in_words(
    damage: Callable[[bytes], bytes], problem: str, tmp_path: Path
) -> None:
    shop().write_csv(tmp_path / "shop.csv")
    content = (tmp_path / "shop.csv").read_bytes()
    (tmp_path / "shop.csv").write_bytes(damage(content))
    with pytest.raises(DataError, match=problem) as caught:
        read_rows(definition(source={"kind": "table", "path": "shop.csv"}), tmp_path, tmp_path)
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("column", ["place", "user", "another"])
def test_a_column_may_have_any_name_that_is_not_kept(
    column: str, name: str, tmp_path: Path
) -> None:
    frame = shop(200).with_columns(another="age").rename({column: name})
    place, user = (name if role == column else role for role in ("place", "user"))
    features = {
        "categorical": [user, "item"],
        "numeric": ["price"],
        "statistics": {"by": [user, [user, place]], "clock": "minute"},
    }
    dataset = prepared(frame, tmp_path, features=features, scenario={"column": place}, user=user)
    assert dataset.train.num_rows == 140


def test_a_true_probability_may_be_another_column_too(tmp_path: Path) -> None:
    frame = shop().rename({"minute": "truth_click"})
    assert prepared(frame, tmp_path, time="truth_click").train.num_rows == 420


def test_names_of_columns_that_are_added_are_refused_in_a_source(tmp_path: Path) -> None:
    write(shop().with_columns(pl.lit(1).alias(f"{OWN}row number")), tmp_path)
    with pytest.raises(
        DataError, match=f"names of columns must not begin with '{OWN}', got '{OWN}row number'"
    ):
        prepare(definition(), tmp_path, tmp_path / "cache", lambda _: None)


@pytest.mark.parametrize("name", ["*", "^a.*$", "^price$"])
def test_a_named_column_that_polars_takes_for_a_pattern_is_refused(
    name: str, tmp_path: Path
) -> None:
    write(shop().rename({"price": name}), tmp_path)
    features = {"categorical": ["user"], "numeric": [name, "age"]}
    with pytest.raises(DataError, match="columns must not be named"):
        prepare(definition(features=features), tmp_path, tmp_path / "cache", lambda _: None)


def test_a_decimal_of_more_digits_than_polars_reads_is_refused(tmp_path: Path) -> None:
    table = shop().to_arrow()
    long = table["age"].cast(pa.decimal128(30, 5)).cast(pa.decimal256(60, 5))
    pq.write_table(
        table.set_column(table.schema.get_field_index("age"), "age", long),
        tmp_path / "shop.parquet",
    )
    with pytest.raises(DataError, match="column 'age' must have at most 38 digits"):
        read_rows(definition(), tmp_path, tmp_path)


def test_a_file_that_is_removed_before_it_is_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("x\n1\n")
    lazy = pl.scan_csv(file)
    file.unlink()
    words = r"^rows: cannot be read: No such file"
    with pytest.raises(DataError, match=words) as caught, reading("rows"):
        lazy.collect()
    assert "when nothing writes to the file" in caught.value.remedy
