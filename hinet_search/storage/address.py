"""Addresses: where a database lives, with the password kept apart from everything that may be printed."""

import ipaddress
import os
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
    asked = _with_tls(bare).render_as_string()
    return Address(asked, shown.render_as_string(), file=None, password=password)


def _with_tls(url: URL) -> URL:
    """Unless it says otherwise, TLS is required of another machine: the driver's own default falls back to plain text."""
    if "sslmode" in url.query or "PGSSLMODE" in os.environ or _is_here(url):
        return url
    return url.update_query_dict({"sslmode": "require"})


def _is_here(url: URL) -> bool:
    """Whether every server that it may mean is on this machine: a Unix socket (also where no host is named) or loopback."""
    named = [url.host or "", *_listed(url, "host"), *_listed(url, "hostaddr")]
    if not any(named):
        named = [os.environ.get(name, "") for name in ("PGHOST", "PGHOSTADDR")]
    return all(_is_local(host) for hosts in named for host in hosts.split(","))


def _listed(url: URL, key: str) -> tuple[str, ...]:
    found = url.query.get(key, ())
    return (found,) if isinstance(found, str) else found


def _is_local(host: str) -> bool:
    if not host or host == "localhost" or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
