"""A table that changes while it is read is refused, and nothing of it is kept."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tables import definition, shop

from hinet_search.common.errors import DataError
from hinet_search.data import prepare as preparing
from hinet_search.data.prepare import prepare
from hinet_search.data.rows import Rows


def replace(table: Path, seed: int) -> None:
    """Put other rows in the place of a table, as a careful writer does."""
    shop(seed=seed).write_parquet(table.with_name("new"))
    table.with_name("new").replace(table)


def swap_and_back(table: Path) -> Callable[[], None]:
    replace(table, 1)
    return lambda: replace(table, 0)


def swap(table: Path) -> Callable[[], None]:
    replace(table, 1)
    return lambda: None


def append_after(table: Path) -> Callable[[], None]:
    return lambda: table.write_bytes(table.read_bytes() + b"x")


def cut_after(table: Path) -> Callable[[], None]:
    return lambda: os.truncate(table, 100)


def add_after(table: Path) -> Callable[[], None]:
    return lambda: shop().write_parquet(table.with_name("other.parquet"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swap_and_back, "shop.parquet changed"),
        (swap, "shop.parquet changed"),
        (append_after, "shop.parquet changed"),
        (cut_after, "shop.parquet changed"),
        (add_after, "files were added or removed"),
    ],
)
def test_rows_that_change_between_their_hash_and_their_reading_are_refused(
    change: Callable[[Path], Callable[[], None]],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = tmp_path / "rows" / "shop.parquet"
    table.parent.mkdir()
    shop().write_parquet(table)
    read_rows = preparing.read_rows

    def read_while_it_changes(*given: object) -> Rows:
        after = change(table)
        rows = read_rows(*given)  # type: ignore[arg-type]
        after()
        return rows

    monkeypatch.setattr(preparing, "read_rows", read_while_it_changes)
    source = {"kind": "table", "path": "rows"}
    stay = "rows must stay as they are while they are read"
    with pytest.raises(DataError, match=f"{stay}, but .*{words}") as caught:
        prepare(definition(source=source), tmp_path, tmp_path / "cache", print)
    assert caught.value.remedy == "run the command again when nothing writes to them"
    assert not list((tmp_path / "cache").glob("[0-9a-f]*"))
