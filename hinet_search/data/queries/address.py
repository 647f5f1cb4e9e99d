"""Query address: the URL of a database, with its password from the environment and never printed.

A URL is written with variables: `postgresql://ann:${SHOP_PASSWORD}@host/shop`. They are filled in
after the URL was taken apart, so that a password may hold any character.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hinet_search.common.errors import ConfigurationError

FORM = "a URL such as postgresql://ann@host/shop, sqlite:///shop.db or duckdb:///shop.duckdb"
MASK = "***"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEYS = ("pass", "pwd", "token", "secret", "private_key", "credential")
_FIRST_STAND_IN = 9_180_270_000  # digits, as a variable may also be a port

Fill = Callable[[str], str]


@dataclass(frozen=True)
class QueryAddress:
    """A database's address. `shown` is the URL without user and password."""

    url: URL = field(repr=False)
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def engine(self) -> str:
        """`postgresql`, `sqlite`, `duckdb` or another that SQLAlchemy may know."""
        return self.url.get_backend_name()

    @property
    def with_password(self) -> str:
        """The whole URL as text, for a driver."""
        return self.url.render_as_string(hide_password=False)

    def masked(self, text: str) -> str:
        """A text of the engine in one line, with a mask in place of every form of a password."""
        forms = {
            form
            for secret in self.secrets
            for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
        }
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return " ".join(text.split())


def refuse_written_password(template: str) -> None:
    """ValueError when the text is no URL, or when a password stands in it."""
    if _VARIABLE.fullmatch(template):
        return
    url, stand_ins = _taken_apart(template)
    secrets = [url.password, *_secret_values(url)]
    if any(secret and secret not in stand_ins for secret in secrets):
        raise ValueError(
            "must not hold a password, as files, databases and reports keep it; write "
            "${NAME} in its place and set the variable NAME, or leave it out and let the driver "
            "find it (PGPASSWORD, ~/.pgpass)"
        )


def filled_in(template: str, variables: Mapping[str, str]) -> QueryAddress:
    """The address with the values of its variables; the text was checked before.

    ConfigurationError for a variable that is not set, or whose value is no address.
    """
    whole = _VARIABLE.fullmatch(template)
    if whole is not None:
        url = _parsed(_value(whole[1], variables), f"the value of {whole[1]}")
    else:
        taken_apart, stand_ins = _taken_apart(template)
        values = {digits: _value(name, variables) for digits, name in stand_ins.items()}
        url = _with_values(taken_apart, lambda text: _replaced(text, values))
    if url.drivername == "postgres":  # as some services write it
        url = url.set(drivername="postgresql")
    secrets = tuple(secret for secret in (url.password, *_secret_values(url)) if secret)
    return QueryAddress(url, _shown(url), secrets)


def _taken_apart(template: str) -> tuple[URL, dict[str, str]]:
    """The URL with digits in place of variables, and the variable of these digits."""
    stand_ins: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        digits = str(_FIRST_STAND_IN + len(stand_ins))
        stand_ins[digits] = match[1]
        return digits

    try:
        return make_url(_VARIABLE.sub(stand_in, template)), stand_ins
    except (ArgumentError, ValueError):
        # The text may hold a password, so neither it nor the parser's error is repeated.
        raise ValueError(f"must be {FORM}") from None


def _parsed(text: str, what: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"data.source.url: {what} must be {FORM}") from None


def _value(name: str, variables: Mapping[str, str]) -> str:
    if not variables.get(name):
        raise ConfigurationError(
            f"data.source.url: the variable {name} must be set in the environment, and is not",
            remedy=f"export {name}=... before the command",
        )
    return variables[name]


def _replaced(text: str, values: Mapping[str, str]) -> str:
    for digits, value in values.items():
        text = text.replace(digits, value)
    return text


def _with_values(url: URL, fill: Fill) -> URL:
    port = fill(str(url.port)) if url.port is not None else ""
    if port and not port.isdecimal():
        raise ConfigurationError("data.source.url: the variable of the port must hold a number")
    query = {key: tuple(map(fill, _texts(value))) for key, value in url.query.items()}
    return URL.create(
        url.drivername,
        username=fill(url.username or "") or None,
        password=fill(str(url.password or "")) or None,
        host=fill(url.host or "") or None,
        port=int(port) if port else None,
        database=fill(url.database or "") or None,
        query=query,
    )


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_KEYS)


def _secret_values(url: URL) -> list[str]:
    values = [_texts(value) for key, value in url.query.items() if _is_secret(key)]
    return [text for texts in values for text in texts]


def _shown(url: URL) -> str:
    """The URL without user, password and other secrets; sorted, as it identifies the data."""
    query = {key: value for key, value in sorted(url.query.items()) if not _is_secret(key)}
    shown = URL.create(
        url.get_backend_name(), host=url.host, port=url.port, database=url.database, query=query
    )
    return shown.render_as_string()
