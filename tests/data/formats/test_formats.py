"""Formats: the same rows in every format, and files that are not what they should be."""

import gzip
import json
import re
import struct
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, ipc

from hinet_search.common.errors import DataError
from hinet_search.data.formats import known_formats
from hinet_search.data.formats.known_formats import FORMATS, format_of, is_table, stem_of, suffix_of
from hinet_search.data.sources.table import Options, load
from tests.forked import Forked

ROWS = pl.DataFrame(
    {"id": [7, 2, 3], "x": [1.5, None, 2.0], "name": ["a", None, 'c,"d"'], "is_new": [1, 0, 1]}
)
CSV = ROWS.write_csv().encode()
LINES = ROWS.write_ndjson().encode()


def _zstd(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return packed


def _stream(path: Path) -> None:
    table = ROWS.to_arrow()
    with ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[str, Callable[[Path], object]] = {
    "t.parquet": ROWS.write_parquet,
    "t.csv": lambda path: path.write_bytes(CSV),
    "t.CSV": lambda path: path.write_bytes(CSV),
    "t.csv.gz": lambda path: path.write_bytes(gzip.compress(CSV)),
    "members.csv.gz": lambda path: path.write_bytes(
        gzip.compress(CSV[:20]) + gzip.compress(CSV[20:])
    ),
    "t.csv.zst": lambda path: path.write_bytes(_zstd(CSV)),
    "t.tsv": lambda path: path.write_text(ROWS.write_csv(separator="\t")),
    "t.tsv.gz": lambda path: path.write_bytes(
        gzip.compress(ROWS.write_csv(separator="\t").encode())
    ),
    "t.jsonl": lambda path: path.write_bytes(LINES),
    "t.ndjson": lambda path: path.write_bytes(LINES.replace(b"\n", b"\r\n\r\n")),
    "t.jsonl.gz": lambda path: path.write_bytes(gzip.compress(LINES)),
    "t.ndjson.zst": lambda path: path.write_bytes(_zstd(LINES)),
    "t.arrow": ROWS.write_ipc,
    "stream.arrow": _stream,
    "t.feather": lambda path: feather.write_feather(ROWS.to_arrow(), str(path)),
}


def _read(path: Path) -> pl.DataFrame:
    return load(Options(path=str(path)), path.parent, path.parent / "cache").collect()


def _say_names(path: Path) -> None:
    sys.stdout.write(str(_read(path)["name"][:3].to_list()))


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_rows_are_read_from_every_format(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    assert _read(tmp_path / name).equals(ROWS)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv", "t.jsonl", "t.arrow"])
def test_a_folder_of_days_has_the_rows_of_all_and_the_day(name: str, tmp_path: Path) -> None:
    days = ("2026-05-03", "2026-05-04")
    for day in days:
        (tmp_path / "rows" / f"day={day}").mkdir(parents=True)
        WRITERS[name](tmp_path / "rows" / f"day={day}" / name)
    rows = _read(tmp_path / "rows")
    assert rows["id"].to_list() == [7, 2, 3, 7, 2, 3]
    assert rows["day"].to_list() == [date.fromisoformat(day) for day in days for _ in range(3)]


def test_every_suffix_has_a_format_and_leaves_the_stem() -> None:
    for suffix in FORMATS:
        assert is_table(f"shop.v2{suffix}")
        assert stem_of(f"/data/shop.v2{suffix}") == "shop.v2"
        assert suffix_of(f"x{suffix.upper()}") == suffix
    assert format_of("x.ndjson.zst") == format_of("x.jsonl")
    assert not is_table("x.parquet.gz")
    assert not is_table("x.gz")


def test_a_table_and_its_compressed_form_in_a_folder_are_not_read_as_two(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    WRITERS["t.csv"](tmp_path / "rows" / "t.csv")
    WRITERS["t.csv.gz"](tmp_path / "rows" / "t.csv.gz")
    with pytest.raises(DataError, match=r"t\.csv and t\.csv\.gz look like one table"):
        _read(tmp_path / "rows")


NOT_AS_NAMED = [
    ("t.csv", gzip.compress(CSV), "must hold CSV, .* but holds gzip", "name it by what it holds"),
    ("t.csv.gz", CSV, "must hold gzip, .* but begins otherwise", "name it by what it holds"),
    ("t.csv", b"PAR1" + bytes(100), "must hold CSV, .* but holds Parquet", ".parquet"),
    ("t.parquet", CSV, "must hold Parquet, .* but begins otherwise", ".csv"),
    ("t.csv", b"SQLite format 3\x00" + bytes(9), "but holds SQLite", "write it again: as Parquet"),
    ("t.jsonl", CSV, r"t\.jsonl:1: a line must be one object of JSON, got 'id,x,", "one object"),
    ("t.arrow", CSV, "it is damaged or no Arrow file", "write it again"),
]


# Bytes are no names of tests: gzip has the time in them, and so every worker would have others.
@pytest.mark.parametrize(
    ("name", "content", "problem", "remedy"),
    NOT_AS_NAMED,
    ids=[f"{name}: {problem}" for name, _, problem, _ in NOT_AS_NAMED],
)
def test_a_file_that_is_not_what_its_name_says_is_told(
    name: str, content: bytes, problem: str, remedy: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        _read(tmp_path / name)
    assert str(tmp_path / name) in caught.value.problems[0]
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst", "t.jsonl.gz", "t.arrow", "stream.arrow"])
def test_a_file_that_is_cut_short_is_told_and_nothing_is_kept(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=f"{name}: cannot be read") as caught:
        _read(tmp_path / name)
    assert "copy it again" in caught.value.remedy
    assert [*(tmp_path / "cache" / ".tables").iterdir()] == []


def test_offsets_of_an_arrow_file_that_point_outside_are_told_before_values_are_read(
    tmp_path: Path,
) -> None:
    table = pa.table({"name": pa.array(["first", "ab"])})
    feather.write_feather(table, str(tmp_path / "t.arrow"), compression="uncompressed")
    content = (tmp_path / "t.arrow").read_bytes()
    offsets = struct.pack("<3i", 0, 5, 7)
    assert content.count(offsets) == 1
    (tmp_path / "t.arrow").write_bytes(content.replace(offsets, struct.pack("<3i", 0, 2**30, 7)))
    with pytest.raises(DataError, match=r"t\.arrow: cannot be read, it is damaged"):
        _read(tmp_path / "t.arrow")


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    WRITERS["stream.arrow"](tmp_path / "t.arrow")
    content = (tmp_path / "t.arrow").read_bytes()
    (tmp_path / "t.arrow").write_bytes(content.replace(b"is_new", b"is_\xff\xfe\xfd"))
    with pytest.raises(DataError, match=r"t\.arrow: cannot be read, it is damaged"):
        _read(tmp_path / "t.arrow")


def test_what_stands_where_a_value_is_missing_is_not_read(tmp_path: Path) -> None:
    """Polars reads it, and a text that points nowhere would end the process."""
    names = pl.DataFrame({"name": ["a", None, "b"] * 100}).to_arrow(
        compat_level=pl.CompatLevel.newest()
    )
    views = names["name"].chunk(0).buffers()[1].to_pybytes()
    wild = struct.pack("<4i", 2**30, 0, 2**30, 2**30)  # of 16 bytes: length, start, buffer, offset
    views = views[:16] + wild + views[32:]
    with ipc.new_file(str(tmp_path / "t.arrow"), names.schema) as writer:
        writer.write_table(names)
    content = (tmp_path / "t.arrow").read_bytes()
    old = names["name"].chunk(0).buffers()[1].to_pybytes()
    assert content.count(old) == 1
    (tmp_path / "t.arrow").write_bytes(content.replace(old, views))
    process = Forked(tmp_path / "said", _say_names, tmp_path / "t.arrow")
    assert process.wait(60) == 0, (tmp_path / "said").read_text()
    assert (tmp_path / "said").read_text() == "['a', None, 'b']"


def test_arrow_files_of_other_columns_are_refused_and_categories_are_texts(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    codes = pl.DataFrame({"x": pl.Series(["a", "b", "a"], dtype=pl.Categorical)})
    codes.write_ipc(tmp_path / "rows" / "a.feather")
    assert _read(tmp_path / "rows")["x"].to_list() == ["a", "b", "a"]
    feather.write_feather(pa.table({"x": [1]}), str(tmp_path / "rows" / "b.feather"))
    with pytest.raises(DataError, match=r"b\.feather: must have the columns of a\.feather, but"):
        _read(tmp_path / "rows")


@pytest.mark.parametrize("has_batch", [False, True])
def test_an_arrow_file_without_rows_has_its_columns(tmp_path: Path, *, has_batch: bool) -> None:
    codes = ROWS.clear().with_columns(pl.col("name").cast(pl.Categorical))
    empty = codes.to_arrow(compat_level=pl.CompatLevel.newest())
    with ipc.new_file(str(tmp_path / "t.arrow"), empty.schema) as writer:
        if has_batch:
            writer.write_table(empty)
    assert _read(tmp_path / "t.arrow").schema == ROWS.schema


def _deep(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth - 2):
        value = [value]
    return value


def _lines(*rows: dict[str, object]) -> Callable[[Path], object]:
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    return lambda path: path.write_text(text)


def _wide(width: int) -> pl.DataFrame:
    return pl.DataFrame({f"c{number}": [1] for number in range(width)})


def _arrow(column: pa.Array) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with ipc.new_file(str(path), pa.schema({"x": column.type})) as writer:
            writer.write_batch(pa.record_batch({"x": column}))

    return write


NULLS = pa.nulls(2**31 - 1)
TOO_WIDE = "must have at most 10,000 columns, fields of structs counted, got 10,001"
TOO_DEEP = "must be nested at most 16 deep"
TOO_LONG = r"must have at most 10,000,000 rows, .* got 2,147,483,647"
TOO_LARGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("wide.csv", _wide(10_001).write_csv, TOO_WIDE),
    ("wide.parquet", _wide(10_001).write_parquet, TOO_WIDE),
    ("wide.arrow", _wide(10_001).write_ipc, TOO_WIDE),
    ("fields.parquet", _wide(10_001).select(pl.struct(pl.all())).write_parquet, TOO_WIDE),
    ("keys.jsonl", _lines({"x": dict.fromkeys(map(str, range(10_001)), 1)}), TOO_WIDE),
    ("deep.jsonl", _lines({"x": _deep(17)}), TOO_DEEP),
    ("deeper.jsonl", _lines({"x": _deep(500)}), TOO_DEEP),
    ("deep.parquet", pl.DataFrame({"x": [_deep(17)]}).write_parquet, TOO_DEEP),
    ("deep.arrow", pl.DataFrame({"x": [_deep(17)]}).write_ipc, TOO_DEEP),
    ("rows.arrow", _arrow(NULLS), TOO_LONG),
]


@pytest.mark.parametrize(
    ("name", "write", "problem"), TOO_LARGE, ids=[name for name, _, _ in TOO_LARGE]
)
def test_more_than_a_table_can_mean_is_refused_before_it_is_read(
    name: str, write: Callable[[Path], object], problem: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(DataError) as caught:
        _read(tmp_path / name)
    assert re.search(problem, caught.value.problems[0])
    assert caught.value.problems[0].startswith(str(tmp_path / name))
    assert caught.value.remedy


@pytest.mark.parametrize("is_list", [False, True])
def test_a_parquet_file_of_more_rows_or_values_than_its_bytes_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_list: bool
) -> None:
    monkeypatch.setattr(known_formats, "ANY_BYTES_ROWS", 10_000)
    monkeypatch.setattr(known_formats, "ROWS_A_BYTE", 100)
    nulls = pa.nulls(900_000)
    if is_list:
        nulls = pa.ListArray.from_arrays(pa.array([0, len(nulls)], pa.int32()), nulls)
    pq.write_table(pa.table({"x": nulls}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"must have at most \d+,\d00 rows, .* got 900,000"):
        _read(tmp_path / "t.parquet")


LARGE: list[tuple[str, Callable[[Path], object]]] = [
    ("wide.csv", _wide(5_000).write_csv),
    ("wide.parquet", _wide(10_000).write_parquet),
    ("deep.jsonl", _lines({"x": _deep(16)}, {"x": None})),
    ("deep.arrow", pl.DataFrame({"x": [_deep(16)]}).write_ipc),
    ("keys.jsonl", _lines(dict.fromkeys(map(str, range(1_000)), 1))),
    ("nulls.arrow", _arrow(pa.nulls(100_000))),
]


@pytest.mark.parametrize(("name", "write"), LARGE, ids=[name for name, _ in LARGE])
def test_a_table_that_is_as_large_as_allowed_is_read(
    name: str, write: Callable[[Path], object], tmp_path: Path
) -> None:
    write(tmp_path / name)
    assert _read(tmp_path / name).width in (1, 1_000, 5_000, 10_000)


def test_one_value_in_every_row_is_an_honest_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels of which one in 10,000 is a 1, in the smallest form, with a column of nulls."""
    monkeypatch.setattr(known_formats, "ANY_BYTES_ROWS", 0)
    rows = pa.table({"y": [number % 9_973 == 0 for number in range(200_000)]})
    rows = rows.append_column("x", pa.nulls(len(rows)))
    pq.write_table(rows, tmp_path / "t.parquet", compression="zstd")
    assert _read(tmp_path / "t.parquet").height == 200_000
