"""A PostgreSQL server that asks for a password, and the forms in which a text may show it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import server, url_of

PASSWORD = "a{}%b"  # as tests.postgres gives it to ann
FORMS = (PASSWORD, "a{}%25b", "a%7B%7D%25b")


@contextmanager
def asking_server(folder: Path) -> Iterator[str]:
    """A server that requires ann's password; its URL contains it."""
    with server(folder) as running:
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("local all ann scram-sha-256\n" + rules.read_text())
        running.psql("SELECT pg_reload_conf()")
        yield url_of(running)


def shown(words: str) -> list[str]:
    """Return the forms of the password that a text contains."""
    return [form for form in FORMS if form in words]
