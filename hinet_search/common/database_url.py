"""Database URLs: parse the address of a database and keep its password out of printed text."""

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hinet_search.common.errors import ConfigurationError, did_you_mean

_POSTGRES = ("postgresql", "postgresql+psycopg")
# Options of PostgreSQL's client library that name no library, and no file that it writes.
_OPTIONS = (
    *("host", "hostaddr", "port", "user", "dbname", "password", "passfile", "service", "options"),
    *("connect_timeout", "client_encoding", "application_name", "fallback_application_name"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "target_session_attrs", "load_balance_hosts", "channel_binding"),
    *("sslmode", "sslnegotiation", "sslcompression", "sslcert", "sslkey", "sslpassword"),
    *("sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requiressl", "requirepeer"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "min_protocol_version"),
    *("max_protocol_version", "require_auth", "gssencmode", "gssdelegation", "krbsrvname"),
)
_FORMS = "a SQLite path (hinet.db, sqlite:///hinet.db) or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True)
class Address:
    """A database's address.

    `url` has no password, which the driver gets separately. `masked` may be printed.
    """

    url: str
    masked: str
    file: Path | None  # of SQLite
    password: str | None = field(default=None, repr=False)


def parse_address(text: str) -> Address:
    """Parse a path or URL; raise ConfigurationError if it is neither SQLite nor PostgreSQL."""
    if not _is_plain(text):
        raise ConfigurationError(
            f"database must be {_FORMS}, got a text with characters that no address has"
        )
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
    if (
        not url.database
        or not _is_plain(url.database)
        or url.database == ":memory:"
        or url.database.startswith("file:")
        or url.query
    ):
        raise ConfigurationError(
            "a SQLite database must be a file that other processes can open, "
            f"got '{url.database or ''}'",
            remedy="name a file, say sqlite:///hinet.db",
        )
    plain = URL.create("sqlite", database=url.database).render_as_string()
    return Address(url=plain, masked=plain, file=Path(url.database))


def _is_plain(text: str) -> bool:
    """Return whether a text has no NUL and no surrogate, which databases do not accept."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _refuse_unsafe_options(url: URL) -> None:
    """Raise ConfigurationError for options of a PostgreSQL URL that run code or write a file.

    An address may be a stranger's: `sslkeylogfile` writes a file, `sslkey=x.so:key` runs x.so.
    """
    problems = [
        f"the option '{name:.40}' of a database is not taken, which may name code to run or a "
        f"file to write{did_you_mean(name, _OPTIONS)}"
        for name in url.query
        if name not in _OPTIONS
    ]
    if any(":" in value for value in _query_values(url, "sslkey")):
        problems.append(
            "the option sslkey must name a file, without a colon, which stands for a library"
        )
    if problems:
        raise ConfigurationError(
            *problems, remedy="leave it out, or set it in the environment (PGSSLKEY)"
        )


def _postgres(url: URL) -> Address:
    _refuse_unsafe_options(url)
    password = url.password
    in_query = url.query.get("password")
    if in_query is not None:
        password = in_query if isinstance(in_query, str) else in_query[-1]
    named = url.set(drivername="postgresql+psycopg").difference_update_query(["password"])
    bare = URL.create(
        named.drivername, named.username, None, named.host, named.port, named.database, named.query
    )
    masked = bare if password is None else bare.set(password="***")  # noqa: S106 -- the mask itself
    is_mode_set = "sslmode" in bare.query or "PGSSLMODE" in os.environ
    with_tls = bare
    if not is_mode_set and not _is_on_this_machine(bare):  # the driver's default requires no TLS
        with_tls = bare.update_query_dict({"sslmode": "require"})
    masked_text = masked.render_as_string()
    return Address(with_tls.render_as_string(), masked_text, file=None, password=password)


def _is_on_this_machine(url: URL) -> bool:
    """Return whether every server of the URL is on this machine: loopback or a Unix socket."""
    host_lists = [url.host or "", *_query_values(url, "host"), *_query_values(url, "hostaddr")]
    if not any(host_lists):
        host_lists = [os.environ.get(name, "") for name in ("PGHOST", "PGHOSTADDR")]
    return all(map(_is_local, ",".join(host_lists).split(",")))


def _query_values(url: URL, key: str) -> tuple[str, ...]:
    values = url.query.get(key, ())
    return (values,) if isinstance(values, str) else values


def _is_local(host: str) -> bool:
    if not host or host == "localhost" or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
