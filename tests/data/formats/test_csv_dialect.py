"""CSV dialects: the same rows however a program wrote them, and files that are refused."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.data.sources.table import scan
from tests.data.tables import shop

GERMAN = """\
größe;preis;umsatz;tag;text
1;1,5;1.234,56;01.02.2024;a, b
2;;-,5;13.02.2024;"x;y"
3;NA;1.234.567;;1,2 m
"""
ROWS = {
    "größe": [1, 2, 3],
    "preis": [1.5, None, None],
    "umsatz": [1234.56, -0.5, 1234567.0],
    "text": ["a, b", "x;y", "1,2 m"],
}


def _read(
    content: bytes | str,
    folder: Path,
    name: str = "t.csv",
    types: dict[str, pl.DataType] | None = None,
) -> pl.DataFrame:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return scan(name, folder, folder / "cache", types=types).collect()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_german_export_is_read_as_it_means(
    encoding: str, tmp_path: Path, *, is_packed: bool
) -> None:
    content = GERMAN.replace("\n", "\r\n").encode(encoding)
    if is_packed:
        rows = _read(gzip.compress(content), tmp_path, "t.csv.gz")
    else:
        rows = _read(content, tmp_path)
    assert rows["tag"].dtype == pl.Date
    assert rows.drop("tag").to_dict(as_series=False) == ROWS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "a\tb\n1\tx,y\n"),
        ("t.csv", "a|b\n1|x,y\n"),
        ("t.csv", 'a;b\n1;"x,y"\n'),
        ("t.tsv", 'a,b\n1,"x,y"\n'),
    ],
)
def test_the_header_says_what_is_between_values(name: str, text: str, tmp_path: Path) -> None:
    assert _read(text, tmp_path, name).rows() == [(1, "x,y")]


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("t.csv", '"a;b;c",d\n1,2\n', ["a;b;c", "d"]),
        ("t.csv", '"a\nb";"c, d, e"\n1;2\n', ["a\nb", "c, d, e"]),
        ("t.csv", "a;b,c\n1,2\n", ["a;b", "c"]),
        ("t.tsv", "id\tName, Vorname, Titel\n1\tx\n", ["id", "Name, Vorname, Titel"]),
        ("t.csv", "a\n1\n", ["a"]),
    ],
)
def test_what_is_within_a_name_is_not_between_names(
    name: str, text: str, names: list[str], tmp_path: Path
) -> None:
    assert _read(text, tmp_path, name).columns == names


def test_between_commas_a_comma_is_not_decimal(tmp_path: Path) -> None:
    assert _read('a,b\n"1,234",x\n', tmp_path)["a"].to_list() == ["1,234"]


def test_points_are_decimal_where_no_column_has_decimal_commas(tmp_path: Path) -> None:
    assert _read("a;b\n1;1.234\n2;12.500\n", tmp_path)["b"].to_list() == [1.234, 12.5]


def test_a_point_that_may_be_decimal_or_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a has decimal commas, so in b the point of 1\.234") as no:
        _read("a;b\n1,5;1.234\n2,5;17\n", tmp_path)
    assert no.value.remedy == "write 1234 or 1,234"


def test_values_have_the_types_of_training(tmp_path: Path) -> None:
    text = "code;price\n1,5;2,5\n2;\n"
    rows = _read(text, tmp_path, types={"code": pl.String(), "price": pl.Float64()})
    assert rows.rows() == [("1,5", 2.5), ("2", None)]
    with pytest.raises(DataError, match=r"conversion .* failed in column 'price' .* \[\"dear\"\]"):
        _read(f"{text}3;dear\n", tmp_path, types={"price": pl.Float64()})


@pytest.mark.parametrize(
    "content",
    [
        "ä,b\nü,1\nö,2\n".encode() + b"\xff,3\n",  # UTF-8 with a damaged letter
        "a,b\n文,1\n".encode() + b"\xff,3\n",
        b"a,b\n\x81,1\n",
    ],
)
def test_what_is_neither_utf_8_nor_windows_1252_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv: must be text in UTF-8, or in Windows-1252"):
        _read(content, tmp_path)


def test_files_of_a_folder_have_one_separator(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "rows" / "b.csv").write_text("x;y\n1;2\n")
    with pytest.raises(DataError, match=r"b\.csv: .*'x' is text between ';' in place of .* ','"):
        scan("rows", tmp_path, tmp_path / "cache")


@pytest.mark.parametrize(
    "line", ["1,2024-01-02,5.5", "7,7,7,a", "01.02.2024,10:30,a", "5", "1e-3,2,"]
)
def test_a_first_line_of_values_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv:1: .*: has the table no header\?") as caught:
        _read(f"{line}\n{line}\n", tmp_path)
    assert "write a line of names above it" in caught.value.remedy


@pytest.mark.parametrize("line", ["0,1,2", "0,1,2,label", "2023,2024,a,b", "x1,x2", ",0"])
def test_numbers_from_0_and_a_few_others_are_names(line: str, tmp_path: Path) -> None:
    assert _read(f"{line}\n{line}\n", tmp_path).columns == line.split(",")


def test_data_init_says_how_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = shop(3_000).write_csv(separator=";", decimal_comma=True)
    Path("rows.csv").write_text(text.replace("home", "Häuser"), encoding="cp1252")
    said: list[str] = []
    definition, _ = write_draft("rows.csv", None, force=False, say=said.append).files
    (line,) = said
    assert line.endswith(
        "rows.csv: read with ';' between values, decimal commas, letters of Windows-1252"
    )
    assert "    - price   # 3" in definition.read_text()
