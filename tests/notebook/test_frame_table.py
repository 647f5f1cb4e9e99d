"""Frame tables: any frame becomes a table that is named by its content, and nothing else."""

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.notebook.study import content_hash, frame_of, stored_table

VALUES = {
    "whole": [1, None, 3],
    "text": ["x", None, "yz"],
    "flag": [True, False, None],
    "share": [0.5, None, -0.5],
    "list": [[1, 2], None, []],
    "struct": [{"a": 1, "b": "u"}, None, {"a": None, "b": "v"}],
    "day": [dt.date(2026, 5, 1), None, dt.date(2026, 5, 2)],
    "price": [decimal.Decimal("1.50"), None, decimal.Decimal("2.50")],
    "raw": [b"x", b"", None],
    "empty": [None, None, None],
    "pair": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int64, 2)),
}
FRAME = pl.DataFrame(VALUES)


def test_the_hash_is_of_the_values_however_they_are_in_memory() -> None:
    in_parts = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    cut_out = pl.concat([FRAME.reverse(), FRAME])[3:]
    of_arrow = frame_of(FRAME.to_arrow())
    hashes = {content_hash(frame) for frame in (FRAME, in_parts, cut_out, of_arrow)}
    assert hashes == {"b9be915c6c970eed1e7b85823ddc4b17"}


@pytest.mark.parametrize("column", [name for name in VALUES if name != "empty"])
def test_the_hash_changes_with_a_value_of_every_type(column: str) -> None:
    series = FRAME[column]
    moved = pl.Series(column, [*series[1:], series[0]], dtype=series.dtype)
    assert content_hash(FRAME.with_columns(moved)) != content_hash(FRAME)


@pytest.mark.parametrize(
    "changed",
    [
        FRAME.rename({"whole": "other"}),
        FRAME.cast({"whole": pl.Int32}),
        FRAME.select(pl.all().reverse()),
        FRAME.with_columns(share=pl.Series([0.5, float("nan"), -0.5])),
        FRAME.with_columns(text=pl.Series(["xy", None, "z"])),
    ],
    ids=["name", "type", "order", "NaN is not null", "border of two texts"],
)
def test_names_types_order_and_gaps_are_part_of_the_content(changed: pl.DataFrame) -> None:
    assert content_hash(changed) != content_hash(FRAME)


def test_categories_inside_lists_and_structs_are_hashed_as_their_texts() -> None:
    """Their codes depend on the order in which a process met the texts."""

    def nested(*texts: str) -> pl.DataFrame:
        kind = pl.Categorical(pl.Categories.random())  # codes of its own, as in another process
        channels = pl.Series([[text] for text in texts], dtype=pl.List(kind))
        return pl.DataFrame({"channels": channels}).with_columns(inside=pl.struct("channels"))

    assert content_hash(nested("home", "home")) != content_hash(nested("push", "push"))
    assert content_hash(nested("home", "push")) == content_hash(nested("push", "home")[::-1])


def test_nan_inside_a_list_is_not_null() -> None:
    nan, null = (pl.DataFrame({"a": [[value, 1.0]]}) for value in (float("nan"), None))
    assert content_hash(nan) != content_hash(null)


def test_a_frame_is_written_once(tmp_path: Path) -> None:
    path = stored_table(FRAME, tmp_path)
    written = path.stat().st_mtime_ns
    assert stored_table(frame_of(FRAME.to_arrow()), tmp_path) == path
    assert path.stat().st_mtime_ns == written
    assert pl.read_parquet(path).equals(FRAME)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_categories_are_texts_and_a_lazy_frame_is_collected() -> None:
    texts = pl.DataFrame({"channel": ["home", "push"]})
    for kind in (pl.Categorical, pl.Enum(["push", "home"])):
        assert frame_of(texts.cast(kind).lazy()).equals(texts)


def test_a_folder_that_cannot_be_written_is_an_environment_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match=r"cannot be written: .*\n.*--output"):
        stored_table(FRAME, tmp_path / "file")


@pytest.mark.parametrize(
    "data",
    [[1, 2], {"a": [1]}, None, 3, pl.Series([1]), pa.array([1])],
    ids=["list", "dict", "None", "int", "series", "array"],
)
def test_what_is_no_frame_is_refused_with_its_type(data: Any) -> None:
    kind = type(data).__qualname__
    with pytest.raises(ConfigurationError, match=f"must be a Polars, pandas or Arrow .*{kind}"):
        frame_of(data)


@pytest.mark.parametrize("frame", [FRAME[:0], pl.DataFrame()], ids=["no rows", "no columns"])
def test_an_empty_frame_is_refused(frame: pl.DataFrame) -> None:
    shape = f"got {frame.height} rows and {frame.width} columns"
    with pytest.raises(DataError, match=f"a frame must have rows and columns, {shape}"):
        frame_of(frame)


@pytest.mark.parametrize("library", ["Arrow", "pandas"])
def test_two_columns_of_one_name_are_refused(library: str) -> None:
    import pandas as pd

    of_arrow = pa.table([[1], [2], [3]], names=["price", "id", "price"])
    frame = of_arrow if library == "Arrow" else pd.DataFrame([[1, 2]], columns=["price", "price"])
    with pytest.raises(DataError, match=r"cannot be read as a table: .*unique[\s\S]*its own"):
        frame_of(frame)


def test_python_objects_are_refused_with_their_column() -> None:
    frame = pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(DataError, match="column 'a' holds Python objects"):
        frame_of(frame)


def test_a_pandas_frame_is_read_with_a_named_index_as_a_column() -> None:
    import pandas as pd

    frame = pd.DataFrame({"user_id": [3, 4], "channel": ["home", None]})
    read = frame_of(frame.set_index("user_id"))
    assert read.to_dict(as_series=False) == {"user_id": [3, 4], "channel": ["home", None]}
    assert content_hash(read) == content_hash(frame_of(frame))


def test_a_pandas_column_of_several_types_is_refused_with_the_remedy() -> None:
    import pandas as pd

    with pytest.raises(DataError, match=r"cannot be read as a table: [\s\S]*one type"):
        frame_of(pd.DataFrame({"a": [1, "x"]}))
