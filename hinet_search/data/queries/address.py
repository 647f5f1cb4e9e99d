"""Query address: the URL of a database, with its password from the environment and never printed.

A URL is written with variables: `postgresql://ann:${SHOP_PASSWORD}@host/shop`. They are filled in
after the URL was taken apart, so that a password may hold any character. Options, which follow the
question mark, may hold secrets under any name: values of variables are never shown there.
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
_SECRET_KEYS = (
    *("pass", "pwd", "token", "secret", "credential", "signature", "jwt"),
    *("apikey", "accesskey", "accountkey", "privatekey"),
)
_SECRET_WORDS = ("sig",)  # whole names: a signature of Azure
_FILE_KEYS = ("file", "path")  # endings: passfile names a file, and is no secret itself
_SETTING = re.compile(r"([^=;]+)=\s*(\{[^}]*\}|[^;]*)")  # of ODBC: Server=db;PWD=s3cret
_FIRST_STAND_IN = 9_180_270_000  # digits, as a variable may also be a port

Fill = Callable[[str], str]


@dataclass(frozen=True)
class QueryAddress:
    """A database's address. `shown` is the URL without user and password.

    `secrets` must not be printed: passwords, and values of variables that `shown` leaves out.
    """

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
        forms = {form for secret in self.secrets for form in _forms(secret)}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return " ".join(text.split())


def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it stands in messages and in URLs of drivers."""
    # SQLAlchemy keeps spaces and plus signs of a password; for libpq spaces are %20.
    kept = ("/", "", " +", "+")
    return (secret, quote_plus(secret), *(quote(secret, safe=safe) for safe in kept))


def refuse_written_password(template: str) -> None:
    """ValueError when the text is no URL, or when a password stands in it.

    Variables stand for values, not for names: these decide how the rest of the URL is read.
    """
    if _VARIABLE.fullmatch(template):
        return
    url, stand_ins = _taken_apart(template)
    names = f"{url.drivername}\n{list(url.query)}"
    if any(digits in names for digits in stand_ins):
        raise ValueError(
            "must begin with the kind of the database, such as postgresql://, and have the names "
            "of its options, got a variable in place of one; write it out, or put the whole URL "
            "into one variable"
        )
    secrets = [url.password, *_secret_values(url)]
    if any(secret and secret not in stand_ins for secret in secrets):
        raise ValueError(
            "must not hold a password, as files, databases and reports keep it; write "
            "${NAME} in its place and set the variable NAME, or leave it out and let the driver "
            "find it (PGPASSWORD, ~/.pgpass)"
        )


def taken_apart(template: str) -> tuple[URL, dict[str, str]] | None:
    """The URL with digits in place of variables, and these digits; None if it is one variable."""
    return None if _VARIABLE.fullmatch(template) else _taken_apart(template)


def filled_in(template: str, variables: Mapping[str, str]) -> QueryAddress:
    """The address with the values of its variables; the text was checked before.

    ConfigurationError for a variable that is not set, or whose value is no address.
    """
    whole = _VARIABLE.fullmatch(template)
    if whole is not None:
        url = _parsed(_value(whole[1], variables), f"the value of {whole[1]}")
        return _address(url, _shown(url.set(query={})), _options(url))
    parsed, stand_ins = _taken_apart(template)
    values = {digits: _value(name, variables) for digits, name in stand_ins.items()}
    names = {digits: f"${{{name}}}" for digits, name in stand_ins.items()}
    url = _with_values(parsed, lambda text: _replaced(text, values))
    shown = _replaced(_shown(url.set(query=parsed.query)), names)
    options = "\n".join(_options(parsed))
    return _address(url, shown, [values[digits] for digits in values if digits in options])


def _address(url: URL, shown: str, hidden: list[str]) -> QueryAddress:
    """`hidden` are values of options that come from variables, some with passwords inside."""
    inner = [secret for text in hidden for secret in _settings(text)]
    secrets = {url.password or "", *_secret_values(url), *hidden, *inner} - {""}
    return QueryAddress(url, shown, tuple(sorted(secrets)))


def _taken_apart(template: str) -> tuple[URL, dict[str, str]]:
    """The URL with digits in place of variables, and the variable of these digits."""
    stand_ins: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        digits = str(_FIRST_STAND_IN + len(stand_ins))
        stand_ins[digits] = match[1]
        return digits

    try:
        return _named(make_url(_VARIABLE.sub(stand_in, template))), stand_ins
    except (ArgumentError, ValueError):
        # The text may hold a password, so neither it nor the parser's error is repeated.
        raise ValueError(f"must be {FORM}") from None


def _parsed(text: str, what: str) -> URL:
    try:
        return _named(make_url(text))
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"data.source.url: {what} must be {FORM}") from None


def _named(url: URL) -> URL:
    """Some services write postgres."""
    return url.set(drivername="postgresql") if url.drivername == "postgres" else url


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


def option_texts(url: URL, name: str) -> tuple[str, ...]:
    """The values of an option, which a URL may repeat."""
    return _texts(url.query[name])


def _options(url: URL) -> list[str]:
    return [text for value in url.query.values() for text in _texts(value)]


def is_secret(key: str) -> bool:
    """Return whether the value of a URL's option is a secret, by the name of the option."""
    word = re.sub(r"[^a-z0-9]", "", key.lower())
    is_key = word in _SECRET_WORDS or any(secret in word for secret in _SECRET_KEYS)
    return is_key and not word.endswith(_FILE_KEYS)


def _secret_values(url: URL) -> list[str]:
    """The values of secret keys, also of those inside the value of another key."""
    secrets = []
    for key, value in url.query.items():
        for text in _texts(value):
            secrets += [text] if is_secret(key) else _settings(text)
    return secrets


def _settings(text: str) -> list[str]:
    """The secrets in settings of ODBC."""
    return [value.strip("{} ") for key, value in _SETTING.findall(text) if is_secret(key)]


def _shown(url: URL) -> str:
    """The URL without user, password and other secrets; sorted, as it identifies the data."""
    query = {key: value for key, value in sorted(url.query.items()) if not is_secret(key)}
    shown = URL.create(
        url.get_backend_name(), host=url.host, port=url.port, database=url.database, query=query
    )
    return shown.render_as_string()
