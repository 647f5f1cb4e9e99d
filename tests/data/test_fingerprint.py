"""Fingerprints: data are named by their definition and rows, a file by all of its bytes."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tables import LISTS, definition

from hinet_search.data import fingerprint
from hinet_search.data.fingerprint import FileHasher

COLUMNS: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
CLICK, BUY = {"column": "click"}, {"column": "buy"}
WATCH = {"column": "seconds", "kind": "amount"}
BY_USER = {"by": ["user"], "clock": "minute"}
GENRES = {"column": "genres", "separator": "|", "length": 2}
MATCHES = {"lists": ["watched"], "by": ["item"]}
EVENTS = {"by": ["user"], "labels_after": "5s"}
SEEN = {"of": "user", "items": ["item", "user"], "labels": ["click"], "labels_after": "5s"}
OF_FEATURES: list[dict[str, Any]] = [
    {"categorical": ["item", "user"]},
    {"clip": {"price": [0, 200]}},
    *({"transforms": {"age": each}} for each in ("log", "quantile", {"cycle": 24}, {"cycle": 7})),
    {"groups": {"person": ["age"]}},
    {"statistics": BY_USER},
    {"statistics": BY_USER | {"smoothing": 21}},
    {"statistics": BY_USER | {"day_length": 60}},
    {"statistics": BY_USER | {"refresh": "day"}},
    {"statistics": BY_USER | {"labels_after": "1d"}},
    {"lists": LISTS},
    {"lists": {"watched": LISTS["watched"] | {"length": 5}}},
    *({"lists": {"genres": GENRES | key}} for key in ({}, {"separator": ";"}, {"item": "item"})),
    {"lists": LISTS, "matches": MATCHES},
    {"lists": LISTS, "matches": MATCHES | {"factors": 3}},
    {"session": {"gap": "30s"}},
    {"session": {"gap": "31s"}},
    *({"events": EVENTS | key} for key in ({}, {"labels_after": "6s"}, {"last": 2})),
    {"sequences": {"seen": SEEN}},
    {"sequences": {"seen": SEEN | {"of": ["user", "place"]}}},
    {"sequences": {"seen": SEEN | {"items": ["item"]}}},
    {"sequences": {"seen": SEEN | {"labels": ["buy"]}}},
    {"sequences": {"seen": SEEN | {"length": 4}}},
    {"sequences": {"seen": SEEN | {"labels_after": "6s"}}},
    {"sequences": {"seen": SEEN | {"reader": "mean"}}},
]
CHANGES: list[dict[str, Any]] = [
    {},
    {"minimum_frequency": 2},
    {"not_finite": "drop"},
    {"split": {"by": "random"}},
    {"split": {"by": "random", "seed": 1}},
    {"weight": "worth"},
    {"weight": "other"},
    {"time_unit": "ms"},
    {"tasks": {"buy": BUY, "click": CLICK}},
    {"tasks": {"click": CLICK, "buy": BUY | {"scenarios": ["home"]}}},
    {"tasks": {"click": CLICK, "watch": WATCH}},
    {"tasks": {"click": CLICK, "watch": WATCH | {"at_most": 30}}},
    {"scenario": {"column": "place", "values": {"push": "push", "home": "home"}}},
    {"scenario": {"column": "place", "values": {"home": "home", "push": "push"}}},
    *({"features": COLUMNS | keys} for keys in OF_FEATURES),
]


def test_every_changed_key_gives_data_another_name() -> None:
    names = {fingerprint.fingerprint(definition(**changes), "rows") for changes in CHANGES}
    assert len(names) == len(CHANGES)


def test_definitions_without_newer_keys_keep_their_name() -> None:
    hidden = {"kept": {"column": "kept", "item": "item", "pooled": False}}
    by_user = {"categorical": ["user"], "statistics": BY_USER}
    of_lists = {"categorical": ["user", "item"], "lists": LISTS | hidden, "matches": MATCHES}
    definitions = {
        "3e7b21aa9dad0ecb": definition(),  # that of the second encoding
        "ed1c7a1b0b2b18ab": definition(features=by_user),
        "ccd5724de044b5c3": definition(features=of_lists),
    }
    for name, each in definitions.items():
        assert fingerprint.fingerprint(each, "rows") == name
    assert {"events", "session"}.isdisjoint(definition().model_dump()["features"])


def test_statistics_by_folds_have_another_name_than_when_train_counted_fewer_rows() -> None:
    by_folds = {"categorical": ["user"], "statistics": {"by": ["user"]}}
    name = fingerprint.fingerprint(definition(features=by_folds), "rows")
    assert name not in ("f6ae9915fb05ac02", fingerprint.fingerprint(definition(), "rows"))


def test_a_name_is_of_the_rows_wherever_they_lie() -> None:
    plain = fingerprint.fingerprint(definition(), "rows")
    assert fingerprint.fingerprint(definition(), "other rows") != plain
    moved = definition(source={"kind": "table", "path": "/elsewhere/shop.parquet"})
    assert fingerprint.fingerprint(moved, "rows") == plain


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
