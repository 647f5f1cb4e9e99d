"""Databases that several tests of queries read."""

from pathlib import Path
from typing import Any

import pytest

from tests.data.queries import sqlite
from tests.postgres import emptied, url_of


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    """A folder with a SQLite database of a small table."""
    sqlite(
        tmp_path,
        "CREATE TABLE shown (user INTEGER, price REAL, city TEXT, picture BLOB, gone TEXT)",
        "INSERT INTO shown VALUES (1, 2, 'Ulm', x'00ff', NULL), (2, NULL, NULL, NULL, NULL)",
    )
    return tmp_path


@pytest.fixture(params=["postgresql", "postgresql+psycopg"], ids=["ADBC", "SQLAlchemy"])
def postgres_url(
    request: pytest.FixtureRequest, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of an empty database, read with one driver or the other."""
    emptied(postgres)
    monkeypatch.setenv("SHOP_PASSWORD", "a{}%b")
    url = url_of(postgres).replace("a{}%25b", "${SHOP_PASSWORD}")
    return url.replace("postgresql", request.param, 1)
