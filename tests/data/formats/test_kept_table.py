"""Kept tables: a text is parsed once, anew when it changes, and not kept for ever."""

import os
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.data.formats import kept_table
from hinet_search.data.formats.kept_table import MANIFEST
from hinet_search.data.prepare import prepare
from hinet_search.data.sources.table import Options, load
from tests.data.tables import definition, shop


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were parsed, in order."""
    names: list[str] = []
    check = kept_table.refuse_another_format

    def counted(file: Path) -> None:
        names.append(file.name)
        check(file)

    monkeypatch.setattr(kept_table, "refuse_another_format", counted)
    return names


def _read(folder: Path, name: str = "t.csv") -> list[int]:
    return load(Options(path=name), folder, folder / "cache").collect()["x"].to_list()


def test_a_text_is_parsed_once_for_all_commands(parsed: list[str], tmp_path: Path) -> None:
    shop().write_csv(tmp_path / "shop.csv")
    study = definition(source={"kind": "table", "path": "shop.csv"})
    load(Options(path="shop.csv"), tmp_path, tmp_path / "cache").collect()
    prepare(study, tmp_path, tmp_path / "cache", print)
    prepare(study, tmp_path, tmp_path / "cache", print, 0.5)
    assert parsed == ["shop.csv"]


def test_a_text_that_changes_is_parsed_anew(parsed: list[str], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n")
    assert _read(tmp_path) == [1]
    (tmp_path / "t.csv").write_text("x\n2\n")
    assert _read(tmp_path) == [2]
    (tmp_path / "t.csv").write_text("x\n1\n")
    assert _read(tmp_path) == [1]
    assert parsed == ["t.csv", "t.csv"]


def test_rows_that_were_damaged_in_the_cache_are_parsed_again(
    parsed: list[str], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n")
    _read(tmp_path)
    (part,) = (tmp_path / "cache").glob(".tables/*/*.parquet")
    part.write_bytes(part.read_bytes()[:-1])
    assert _read(tmp_path) == [1]
    assert parsed == ["t.csv", "t.csv"]


def test_a_text_that_is_written_while_it_is_parsed_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"x": 1}\n')
    read = pl.scan_ndjson

    def writing(*given: Any, **named: Any) -> pl.LazyFrame:
        with file.open("a") as stream:
            stream.write('{"x": 2}\n')
        return read(*given, **named)

    monkeypatch.setattr(pl, "scan_ndjson", writing)
    with pytest.raises(DataError, match=r"t\.jsonl: must stay as it is while it is read") as caught:
        _read(tmp_path, "t.jsonl")
    assert "when nothing writes to it" in caught.value.remedy
    assert [*(tmp_path / "cache" / ".tables").iterdir()] == []


def test_what_no_command_used_for_a_month_is_removed_when_another_table_is_kept(
    tmp_path: Path,
) -> None:
    for name in ("old", "used", "new"):
        (tmp_path / f"{name}.csv").write_text(f"x,{name}\n1,2\n")
    long_ago = time.time() - kept_table.UNUSED_SECONDS - 60
    for name in ("old", "used"):
        _read(tmp_path, f"{name}.csv")
    for manifest in (tmp_path / "cache").glob(f".tables/*/{MANIFEST}"):
        os.utime(manifest, (long_ago, long_ago))
    _read(tmp_path, "used.csv")
    _read(tmp_path, "new.csv")
    kept = (tmp_path / "cache").glob(".tables/*/*.parquet")
    names = {pl.read_parquet_schema(part).names()[1] for part in kept}
    assert names == {"used", "new"}


def test_a_cache_that_cannot_be_written_is_told_with_another(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(EnvironmentFault, match="cannot be written: Not a directory") as caught:
        _read(tmp_path)
    assert "HINET_SEARCH_CACHE" in caught.value.remedy
