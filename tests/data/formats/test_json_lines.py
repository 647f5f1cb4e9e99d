"""JSON lines: columns and types of keys, however lines are divided, and lines that are refused."""

from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from hinet_search.common.errors import DataError
from hinet_search.data.sources.table import scan

MOMENT = datetime.fromisoformat("2026-05-03T10:00:00")


def _read(text: str, folder: Path, types: dict[str, pl.DataType] | None = None) -> pl.DataFrame:
    (folder / "t.jsonl").write_text(text)
    return scan("t.jsonl", folder, folder / "cache", types=types).collect()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("1", "null", "2.5"), [1.0, None, 2.5]),
        (("1", '"a"', "2"), ["1", "a", "2"]),
        (('"007"', '"1"', "null"), ["007", "1", None]),
        (("null", "[1]", "[]"), [None, [1], []]),
        (("[1]", "[2.5]", "null"), [[1.0], [2.5], None]),
        (("true", "false", "null"), [True, False, None]),
        (('"2026-05-03"', '"2026-05-04"', "null"), [date(2026, 5, 3), date(2026, 5, 4), None]),
        (('"2026-05-03"', '"later"', "null"), ["2026-05-03", "later", None]),
        (
            ('"2026-05-03T10:00:00"', "null", '"2026-05-04T10:00:01"'),
            [MOMENT, None, MOMENT + timedelta(days=1, seconds=1)],
        ),
    ],
)
def test_a_column_has_the_type_that_holds_the_values_of_all_lines(
    values: tuple[str, ...], expected: list[object], tmp_path: Path
) -> None:
    text = "".join(f'{{"key": {value}, "n": {n}}}\n' for n, value in enumerate(values))
    rows = _read(text, tmp_path)
    assert rows["key"].to_list() == expected
    assert rows["n"].to_list() == [0, 1, 2]


def test_a_key_that_a_line_lacks_is_null(tmp_path: Path) -> None:
    rows = _read('{"a": 1}\n{"b": "x", "a": 2}\n{"b": "y"}', tmp_path)
    assert rows.to_dicts() == [
        {"a": 1, "b": None},
        {"a": 2, "b": "x"},
        {"a": None, "b": "y"},
    ]


def test_texts_of_dates_stay_texts_where_a_model_was_trained_on_texts(tmp_path: Path) -> None:
    rows = _read('{"day": "2026-05-03"}\n', tmp_path, {"day": pl.String()})
    assert rows["day"].to_list() == ["2026-05-03"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"a": 3', "Expecting ',' delimiter"),
        ("[1, 2]", r"got '\[1, 2\]'"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ("{'a': 1}", "Expecting property name enclosed in double quotes"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "it is nested too deep"),
    ],
)
def test_a_line_that_is_no_object_is_named_by_its_number(
    line: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        _read(f'{{"a": 1}}\n\n{line}\n{{"a": 4}}\n', tmp_path)
    assert caught.value.problems[0].startswith(f"{tmp_path / 't.jsonl'}:3: a line must be one")
    assert len(str(caught.value)) < 600
    assert "write one object a line" in caught.value.remedy


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (("1", "true"), "cannot parse 'true'"),
        (('{"b": 1}', "5"), "found value of type UInt64: 5"),
        (('{"b": 1}', "[1]"), "failed to determine supertype"),
    ],
)
def test_values_of_two_kinds_are_told(
    values: tuple[str, str], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"t\.jsonl: cannot be read: .*{problem}"):
        _read("".join(f'{{"a": {value}}}\n' for value in values), tmp_path)


@pytest.mark.parametrize("text", ["", "\n\n", "{}\n{}\n"])
def test_a_file_without_a_key_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t.jsonl: (must have lines with keys|cannot be read)"):
        _read(text, tmp_path)
