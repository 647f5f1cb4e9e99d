"""Addresses: where a database lives, with the password kept apart from everything that may be printed."""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hinet_search.errors import ConfigurationError

_POSTGRES = ("postgresql", "postgresql+psycopg")
_FORMS = "a SQLite path (hinet.db, sqlite:///hinet.db) or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True)
class Address:
    """A database's address. `url` has no password (the driver gets it apart) and `masked` may be shown to anybody."""

    url: str
    masked: str
    file: Path | None  # of SQLite
    password: str | None = field(default=None, repr=False)


def parse_address(text: str) -> Address:
    """The address that a user wrote as a path or URL; ConfigurationError when it is neither SQLite nor PostgreSQL."""
    if "://" not in text:
        return _sqlite(URL.create("sqlite", database=str(Path(text).expanduser()) if text else ""))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text may hold a password, so neither it nor the parser's error is repeated.
        raise ConfigurationError(f"database URL is not readable, must be {_FORMS}") from None
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(url)
    if url.drivername in _POSTGRES:
        return _postgres(url)
    raise ConfigurationError(f"database must be {_FORMS}, got one of kind '{url.drivername}'")


def _sqlite(url: URL) -> Address:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:") or url.query:
        raise ConfigurationError(
            f"a SQLite database must be a file that other processes can open, got '{url.database or ''}'",
            remedy="name a file, say sqlite:///hinet.db",
        )
    plain = URL.create("sqlite", database=url.database).render_as_string()
    return Address(url=plain, masked=plain, file=Path(url.database))


def _postgres(url: URL) -> Address:
    hidden = url.query.get("password")
    password = url.password if hidden is None else (hidden if isinstance(hidden, str) else hidden[-1])
    named = url.set(drivername="postgresql+psycopg").difference_update_query(["password"])
    bare = URL.create(named.drivername, named.username, None, named.host, named.port, named.database, named.query)
    shown = bare if password is None else bare.set(password="***")  # noqa: S106 -- the mask itself
    return Address(bare.render_as_string(), shown.render_as_string(), file=None, password=password)
