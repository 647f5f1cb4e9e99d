"""Contents: a file is identified by all of its bytes, and a large one is read once."""

import os
import shutil
from pathlib import Path

import pytest

from hinet_search.data import fingerprint
from hinet_search.data.fingerprint import FileHasher


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large, beside a cache."""
    monkeypatch.setattr(fingerprint, "LARGE_BYTES", 10)
    (tmp_path / "cache").mkdir()
    (tmp_path / "rows.csv").write_text("x\n" + "1\n" * 100)
    return tmp_path / "rows.csv"


def read(table: Path) -> tuple[str, list[str]]:
    """Return the table's identity and the messages."""
    messages: list[str] = []
    return FileHasher(table.parent / "cache", messages.append).of(table), messages


def test_a_copy_of_a_large_file_is_the_same_whenever_it_was_made(table: Path) -> None:
    copied = table.with_name("copied.csv")
    shutil.copyfile(table, copied)
    os.utime(copied, (1, 1))
    assert read(copied)[0] == read(table)[0]


def test_any_byte_of_a_large_file_counts(table: Path) -> None:
    before, _ = read(table)
    for place in range(2, 202, 20):
        changed = bytearray(b"x\n" + b"1\n" * 100)
        changed[place] = ord("2")
        table.write_bytes(changed)
        assert read(table)[0] != before


def test_a_large_file_is_read_once_and_that_is_said(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, messages = read(table)
    assert messages == ["reading rows.csv (1 kB) to tell it from other data"]
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it was read again"))
    assert read(table) == (first, [])


def test_a_large_file_that_changes_its_time_alone_is_read_again(table: Path) -> None:
    first, _ = read(table)
    os.utime(table, (1, 1))
    again, messages = read(table)
    assert again == first
    assert len(messages) == 1


def test_a_cache_that_is_not_there_is_not_made(table: Path) -> None:
    (table.parent / "cache").rmdir()
    read(table)
    assert [path.name for path in table.parent.iterdir()] == ["rows.csv"]


def test_a_small_file_is_known_as_a_large_one_and_leaves_nothing_in_the_cache(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, _ = read(table)
    shutil.rmtree(table.parent / "cache" / fingerprint.HASHES)
    monkeypatch.setattr(fingerprint, "LARGE_BYTES", 2**20)
    assert read(table) == (large, [])
    assert list((table.parent / "cache").iterdir()) == []


def test_the_content_of_a_file_is_that_of_the_first_release(table: Path) -> None:
    assert read(table)[0] == "202 b13edb7cd0e5a08aaebed7a6cc495e79"
