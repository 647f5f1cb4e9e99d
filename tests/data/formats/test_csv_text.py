"""Types of CSV columns are those of all their values, and a file that is cut meanwhile ends in words."""

import sys
from datetime import date
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import sleep

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.common.errors import DataError
from hinet_search.data.formats import csv_text
from hinet_search.data.formats.csv_text import inferred_types
from hinet_search.data.prepare import prepare
from tests.data.tables import definition, shop
from tests.forked import Forked

VALUES = (
    *("", '""', "1", '"1"', " 1", "123456789012345678901", "1.5", "1e5", "inf", "NaN"),
    *("true", "FALSE", "a", '"a,b"', '"a\nb"', '"a ""b"""', "03:04:05", "2024-01-02", "02-01-2024"),
    *("2024-01-02 03:04:05", "2024-01-02T03:04:05.123456", "2024-01-02T03:04:05Z"),
)


CELLS = st.lists(st.sampled_from(VALUES), min_size=1, max_size=3)


def _types_with_batches_of_a_row(files: list[Path]) -> dict[str, pl.DataType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "BATCH_ROWS", 1)
        return inferred(*files)


def inferred(*files: Path) -> dict[str, pl.DataType]:
    texts = pl.scan_csv(files, infer_schema=False, glob=False)
    return inferred_types(texts, texts.collect_schema().names())[0]


@given(contents=st.lists(CELLS, min_size=1, max_size=3))
def test_types_of_batches_are_those_that_polars_infers_from_all_rows_of_all_files(
    contents: list[list[str]],
) -> None:
    rows = ["".join(f"k,{value}\n" for value in values) for values in contents]
    together = ("key,value\n" + "".join(rows)).encode()
    expected = pl.scan_csv(together, infer_schema_length=None, try_parse_dates=True)
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.csv" for number in range(len(rows))]
        for file, text in zip(files, rows, strict=True):
            file.write_text("key,value\n" + text)
        types = _types_with_batches_of_a_row(files)
    assert types == expected.collect_schema()


def test_a_column_without_a_name_has_a_type_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",x\n1,2\n")
    assert inferred(tmp_path / "t.csv") == {"": pl.Int64(), "x": pl.Int64()}


def read(folder: Path, *lines: str) -> pl.DataFrame:
    """The rows of a CSV file whose values are read a row at a time."""
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "BATCH_ROWS", 1)
        (folder / "parts").mkdir()
        csv_text.write([folder / "t.csv"], folder / "parts", {})
    return pl.read_parquet(folder / "parts")


@pytest.mark.parametrize("word", csv_text.MISSING)
@pytest.mark.parametrize("value", [5, 2.5, True, date(2024, 1, 2)])
def test_a_word_for_a_missing_value_is_none_in_a_column_of_values(
    word: str, value: object, tmp_path: Path
) -> None:
    text = str(value).lower()
    rows = read(tmp_path, "k,x", f"1,{text}", f"2,{word}", f"3,{text}")
    assert rows["x"].to_list() == [value, None, value]


def test_in_a_column_of_texts_it_is_a_text(tmp_path: Path) -> None:
    rows = read(tmp_path, "k,country,only", "1,NA,NA", "2,DE,NA", "3,5,NA")
    assert rows["country"].to_list() == ["NA", "DE", "5"]
    assert rows["only"].to_list() == ["NA", "NA", "NA"]


def test_a_column_with_two_such_words_stays_a_column_of_texts(tmp_path: Path) -> None:
    assert read(tmp_path, "k,x", "1,5", "2,NA", "3,null")["x"].to_list() == ["5", "NA", "null"]


def _prepare_while_another_program_writes(folder: Path) -> None:
    table = folder / "shop.csv"
    content = table.read_bytes()

    def cut_and_write_on() -> None:
        with table.open("r+b") as file:
            for size in count(len(content)):  # never the same rows again
                file.truncate(5000)
                sleep(0.002)
                file.seek(5000)
                file.write(content[5000:size] + b"\n" * (size - len(content)))
                file.flush()
                sleep(0.01)

    Thread(target=cut_and_write_on, daemon=True).start()
    source = {"kind": "table", "path": "shop.csv"}
    for number in range(5):
        try:
            prepare(definition(source=source), folder, folder / f"cache-{number}", print)
        except DataError as error:
            sys.stdout.write(f"{error}\n")


def test_a_csv_file_that_is_cut_in_place_while_it_is_read_ends_in_words(tmp_path: Path) -> None:
    shop(20_000).write_csv(tmp_path / "shop.csv")
    process = Forked(tmp_path / "said", _prepare_while_another_program_writes, tmp_path)
    assert process.wait(300) == 0, (tmp_path / "said").read_text()


def test_columns_with_different_numbers_of_distinct_values_keep_their_types(
    tmp_path: Path,
) -> None:
    rows = [f"{number},{number % 3},{number / 7:.3f},one,\n" for number in range(30_000)]
    rows[29_999] = "x,1.5,2013-01-01,two,9\n"
    path = tmp_path / "rows.csv"
    path.write_text("number,few,decimal,text,last\n" + "".join(rows))
    types = inferred(path)
    assert [types[name] for name in ("number", "decimal", "text")] == [pl.String()] * 3
    assert (types["few"], types["last"]) == (pl.Float64(), pl.Int64())
