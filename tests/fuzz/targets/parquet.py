"""Parquet files: what `data init` and `check` make of a table of any type, and of damaged bytes."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.inputs import CHARACTERS, byte_edits, edited_bytes
from tests.fuzz.targets import csv

if TYPE_CHECKING:
    import pyarrow as pa

MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
Column = tuple[str, str]  # a name, and a key of KINDS


def _kinds() -> Mapping[str, tuple[Callable[[Any], "pa.DataType"], list[Any]]]:
    """A type of Arrow and values of it, which are repeated."""
    return {
        "date": (lambda pa: pa.date32(), [date(1990, 5, 6), date(2001, 1, 1), None]),
        "far date": (lambda pa: pa.date32(), [date(1, 1, 1), date(9999, 12, 31)]),
        "moment": (
            lambda pa: pa.timestamp("us"),
            [MOMENT.replace(tzinfo=None), MOMENT.replace(tzinfo=None) + timedelta(hours=3)],
        ),
        "moment of a zone": (
            lambda pa: pa.timestamp("ns", "Europe/Berlin"),
            [MOMENT, MOMENT + timedelta(days=1), None],
        ),
        "moment of no zone": (lambda pa: pa.timestamp("us", "Nowhere/None"), [MOMENT]),
        "time": (lambda pa: pa.time64("us"), [time(10), time(23, 59, 59), None]),
        "duration": (lambda pa: pa.duration("us"), [timedelta(1), timedelta(seconds=-5), None]),
        "decimal": (lambda pa: pa.decimal128(12, 2), [Decimal("1.50"), Decimal("-2.25"), None]),
        "wide decimal": (lambda pa: pa.decimal128(38, 0), [Decimal(10) ** 37, Decimal(1)]),
        "widest decimal": (lambda pa: pa.decimal256(76, 2), [Decimal("1.50"), Decimal("2.50")]),
        "boolean": (lambda pa: pa.bool_(), [True, False, None]),
        "no value": (lambda pa: pa.null(), [None]),
        "null texts": (lambda pa: pa.string(), [None]),
        "null numbers": (lambda pa: pa.float64(), [None]),
        "text": (lambda pa: pa.large_string(), ["a", "b", "c", None]),
        "escapes": (lambda pa: pa.string(), ["\x1b[31mred", "\x00", "\u202e", "a\nb"]),
        "long text": (lambda pa: pa.string(), ["x" * 5000, "y"]),
        "category": (lambda pa: pa.dictionary(pa.int32(), pa.string()), ["a", "b", None]),
        "category of numbers": (lambda pa: pa.dictionary(pa.int32(), pa.int64()), [1, 2]),
        "bytes": (lambda pa: pa.binary(), [b"\xff\xfe", b"a", None]),
        "bytes of texts": (lambda pa: pa.binary(), [b"home", b"push"]),
        "fixed bytes": (lambda pa: pa.binary(16), [b"0" * 16, b"\xff" * 16]),
        "list": (lambda pa: pa.list_(pa.int64()), [[1, 2], [], None]),
        "list of texts": (lambda pa: pa.list_(pa.string()), [["a", None], [], ["b"]]),
        "list of lists": (lambda pa: pa.list_(pa.list_(pa.int64())), [[[1], []], None]),
        "fixed list": (lambda pa: pa.list_(pa.float32(), 2), [[1.0, 2.0], [3.0, 4.0]]),
        "structure": (
            lambda pa: pa.struct([("a", pa.int64()), ("b", pa.string())]),
            [{"a": 1, "b": "x"}, None],
        ),
        "map": (lambda pa: pa.map_(pa.string(), pa.int64()), [[("a", 1)], []]),
        "large unsigned": (lambda pa: pa.uint64(), [2**64 - 1, 0, 1]),
        "large signed": (lambda pa: pa.int64(), [2**63 - 1, -(2**63), 0]),
        "byte": (lambda pa: pa.int8(), [0, 1, -1]),
        "label": (lambda pa: pa.int8(), [0, 1, 1, 0, 1]),
        "constant": (lambda pa: pa.int64(), [7]),
        "half number": (lambda pa: pa.float16(), [1.5, 2.5]),
        "single number": (lambda pa: pa.float32(), [1.5, float("nan"), 3.4e38]),
        "no number": (lambda pa: pa.float64(), [float("nan")]),
        "infinity": (lambda pa: pa.float64(), [float("inf"), 1.0, float("-inf")]),
        "sentinel": (lambda pa: pa.float64(), [1.0, 2.0, 1e160]),
        "largest number": (
            lambda pa: pa.float64(),
            [1.0, -1.7976931348623157e308, 1.7976931348623157e308],
        ),
        "smallest number": (lambda pa: pa.float64(), [5e-324, 0.0, -0.0]),
        "number": (lambda pa: pa.float64(), [1.0, 2.5, 3.0, None]),
        "whole number": (lambda pa: pa.int64(), list(range(100))),
        "split": (lambda pa: pa.string(), ["train"] * 7 + ["valid", "test"]),
        "place": (lambda pa: pa.string(), ["home", "home", "push", "push"]),
    }


KINDS = _kinds()
ODD = (
    "moment of no zone",
    "widest decimal",
    "category of numbers",
    "list of lists",
    "map",
    "escapes",
)
SEEDS: dict[str, tuple[str, Any]] = {
    "the table as it is": ("columns", ()),
    **{f"a feature of {kind}": ("columns", (("extra", kind), ("price", kind))) for kind in ODD},
    "users of a structure": ("columns", (("user", "structure"),)),
    "moments of a duration": ("columns", (("minute", "duration"),)),
    "scenarios of bytes that are texts": ("columns", (("place", "bytes of texts"),)),
    "an escape in a name": ("columns", (("\x1b[31mred", "label"),)),
    "a foot of 4 GB": ("bytes", b"PAR1" + b"\xff\xff\xff\xff" + b"PAR1"),
    "half a file": ("damage", ((3000, b""),)),
}


def inputs() -> st.SearchStrategy[tuple[str, Any]]:
    """A table with columns of any type, and the table with damaged bytes."""
    names = st.sampled_from([*shop.COLUMNS, *csv.NAMES, "extra"]) | st.text(CHARACTERS, max_size=4)
    columns = st.lists(st.tuples(names, st.sampled_from(sorted(KINDS))), max_size=3).map(tuple)
    length = len(shop.parquet())
    feet = st.tuples(st.integers(length - 2000, length - 1), st.binary(min_size=1, max_size=3))
    damage = (byte_edits(length) | st.lists(feet, min_size=1, max_size=3)).map(tuple)
    return st.tuples(st.just("columns"), columns) | st.tuples(st.just("damage"), damage)


def run(given: tuple[str, Any], _home: Path) -> None:
    """Guess the columns' roles and encode the guess; check a study that defines the roles."""
    how, what = given
    shop.write(small_yaml=shop.plain_study().replace("rows.csv", "rows.parquet"))
    if how == "columns":
        _write(what)
    else:
        content = edited_bytes(shop.parquet(), what) if how == "damage" else what
        Path("rows.parquet").write_bytes(content)
    csv.describe("rows.parquet")


def _write(columns: tuple[Column, ...]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns_of_rows = zip(*shop.rows(), strict=True)
    base = dict(zip(shop.COLUMNS, columns_of_rows, strict=True))
    arrays = {name: pa.array(list(values)) for name, values in base.items()}
    for name, kind in columns:
        dtype, values = KINDS[kind]
        arrays[name.encode("utf-8", "replace").decode()] = _array(
            pa, dtype(pa), (values * shop.ROWS)[: shop.ROWS]
        )
    pq.write_table(pa.table(arrays), "rows.parquet")


def _array(pa: Any, dtype: "pa.DataType", values: list[Any]) -> Any:
    if pa.types.is_dictionary(dtype):
        return pa.array(values, type=dtype.value_type).dictionary_encode()
    if pa.types.is_float16(dtype):
        import numpy as np

        return pa.array(np.array(values, dtype=np.float16))
    return pa.array(values, type=dtype)
