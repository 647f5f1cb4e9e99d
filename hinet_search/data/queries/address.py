"""Query address: the URL of a database, its password from the environment, and safe options only.

A URL is written with variables: `postgresql://ann:${SHOP_PASSWORD}@host/shop`. They are filled in
after the URL was taken apart, so that a password may hold any character. Options, which follow the
question mark, may hold secrets under any name: values of variables are never shown there.

Options of drivers name libraries that are opened, files that are written, and programs. A study
file may be a stranger's, so it has only options of which none of that is known. The user's own URL,
in one variable of the environment, and the user's own settings of ODBC may have any.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hinet_search.common.database_url import unsafe_option
from hinet_search.common.errors import ConfigurationError, did_you_mean

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
_OF_ODBC = (
    *("driver", "dsn", "server", "address", "addr", "host", "port", "database", "uid", "user"),
    *("user id", "pwd", "password", "encrypt", "trustservercertificate", "trusted_connection"),
    *("hostnameincertificate", "authentication", "applicationintent", "multisubnetfailover"),
    *("mars_connection", "timeout", "logintimeout", "connection timeout", "app", "wsid"),
    *("charset", "clientcharset", "language", "tds_version", "sslmode", "autotranslate"),
)
_OF_OTHERS = (
    *_OF_ODBC,
    *("odbc_connect", "odbc_autotranslate", "ansi", "unicode_results", "service_name", "encoding"),
    *("connect_timeout", "login_timeout", "read_timeout", "client_encoding", "application_name"),
    *("sslcert", "sslkey", "sslrootcert", "sslcrl", "passfile", "target_session_attrs"),
    *("ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_mode", "ssl_verify_cert", "tls", "secure"),
    *("verify", "verify_cert", "compress", "compression", "collation", "use_unicode"),
    *("catalog", "schema", "warehouse", "role", "account", "region", "timezone", "http_path"),
    *("protocol", "source", "location", "project_id", "dataset_id", "credentials_path"),
    *("arraysize", "list_tables_page_size", "maximum_bytes_billed", "use_query_cache"),
)
_EMBEDDED = ("sqlite", "duckdb")
_DRIVER = re.compile(r"(?!.*\.(so|dll|dylib)\b)[\w .()+-]+", re.ASCII | re.IGNORECASE)
# Without a brace or a percent sign inside, which ODBC and SQLAlchemy read in ways of their own.
_SETTINGS = re.compile(r"([^=;{}%]+=(\{[^{}%]*\}|[^;{}%]*)(;|$))*", re.ASCII)
_REMEDY = "leave it out, or put the whole URL into a variable of your environment: ${NAME}"


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
        forms: set[str] = set()
        for secret in self.secrets:
            # SQLAlchemy keeps spaces and plus signs of a password; for libpq spaces are %20.
            kept = [quote(secret, safe=safe) for safe in ("/", "", " +", "+")]
            forms |= {secret, quote_plus(secret), *kept}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return " ".join(text.split())


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


def filled_in(template: str, variables: Mapping[str, str]) -> QueryAddress:
    """The address with the values of its variables; the text was checked before.

    ConfigurationError for a variable that is not set, or whose value is no address.
    """
    whole = _VARIABLE.fullmatch(template)
    if whole is not None:
        value = _value(whole[1], variables)
        try:
            url = _named(make_url(value))
        except (ArgumentError, ValueError):
            must = f"the value of {whole[1]} must be {FORM}"
            raise ConfigurationError(f"data.source.url: {must}") from None
        return _address(url, _shown(url.set(query={})), _options(url))
    parsed, stand_ins = _taken_apart(template)
    values = {digits: _value(name, variables) for digits, name in stand_ins.items()}
    names = {digits: f"${{{name}}}" for digits, name in stand_ins.items()}
    url = _with_values(parsed, values)
    shown = _replaced(_shown(url.set(query=parsed.query)), names)
    options = "\n".join(_options(parsed))
    return _address(url, shown, [values[digits] for digits in values if digits in options])


def _address(url: URL, shown: str, hidden: list[str]) -> QueryAddress:
    """`hidden` are values of options that come from variables, some with passwords inside."""
    inner = chain.from_iterable(map(_settings, hidden))
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


def _with_values(url: URL, values: Mapping[str, str]) -> URL:
    def filled(text: str | None) -> str | None:
        return _replaced(text or "", values) or None

    port = None if url.port is None else filled(str(url.port))
    if port and not port.isdecimal():
        raise ConfigurationError("data.source.url: the variable of the port must hold a number")
    query = {}
    for key, texts in url.normalized_query.items():
        query[key] = tuple(_replaced(text, values) for text in texts)
    return URL.create(
        url.drivername,
        username=filled(url.username),
        password=filled(url.password),
        host=filled(url.host),
        port=int(port) if port else None,
        database=filled(url.database),
        query=query,
    )


def _options(url: URL) -> list[str]:
    return list(chain.from_iterable(url.normalized_query.values()))


def is_secret(key: str) -> bool:
    """Return whether the value of a URL's option is a secret, by the name of the option."""
    word = re.sub(r"[^a-z0-9]", "", key.lower())
    is_key = word in _SECRET_WORDS or any(secret in word for secret in _SECRET_KEYS)
    return is_key and not word.endswith(_FILE_KEYS)


def _secret_values(url: URL) -> list[str]:
    """The values of secret keys, also of those inside the value of another key."""
    secrets = []
    for key, texts in url.normalized_query.items():
        for text in texts:
            if is_secret(key):
                secrets.append(text)
            else:
                secrets += _settings(text)
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


def refuse_unsafe_options(template: str) -> None:
    """ValueError for an option in the text of a URL that may name code to run or a file to write.

    The text was parsed before; a URL that is one variable is the user's own.
    """
    if _VARIABLE.fullmatch(template):
        return
    url, stand_ins = _taken_apart(template)
    for name, values in url.normalized_query.items():
        for value in values:
            if name.lower() == "odbc_connect" and value in stand_ins:
                continue  # the user's own settings
            _refuse_option(url.get_backend_name(), name, value, stand_ins)


def _refuse_option(kind: str, name: str, value: str, stand_ins: Collection[str]) -> None:
    if kind in _EMBEDDED:
        raise ValueError(f"must have no options, as none is needed for {kind}, got '{name:.40}'")
    if kind == "postgresql":
        problem = unsafe_option(name, value)
        if problem:
            raise ValueError(f"{problem}; leave it out, or set it in the environment (PGSSLKEY)")
        return
    _refuse_name(name, _OF_OTHERS)
    if name.lower() == "odbc_connect":
        _refuse_settings(value, stand_ins)
    if name.lower() == "driver":
        _refuse_driver(value, stand_ins)
    if name.lower() == "sslkey" and ":" in value:
        raise ValueError(f"sslkey must be the name of a file, without a colon; {_REMEDY}")


def _refuse_settings(text: str, stand_ins: Collection[str]) -> None:
    """ValueError for settings of ODBC that name more than a registered driver and a server."""
    if _SETTINGS.fullmatch(text) is None:
        raise ValueError(
            "odbc_connect must be settings such as DRIVER={ODBC Driver 18 for SQL Server};"
            "SERVER=db, without other braces or percent signs; for others name a DSN of your "
            "odbc.ini (DSN=shop)"
        )
    for name, value in _SETTING.findall(text):
        _refuse_name(name.strip(), _OF_ODBC)
        if name.strip().lower() == "driver":
            _refuse_driver(value.strip().removeprefix("{").removesuffix("}"), stand_ins)


def _refuse_name(name: str, known: tuple[str, ...]) -> None:
    if name.lower() not in known and not is_secret(name):
        raise ValueError(
            f"must not have the option '{name:.40}', which may name code to run or a file to "
            f"write{did_you_mean(name.lower(), known)}; {_REMEDY}, or into a DSN of your odbc.ini"
        )


def _refuse_driver(name: str, stand_ins: Collection[str]) -> None:
    if _DRIVER.fullmatch(name) is None or any(digits in name for digits in stand_ins):
        raise ValueError(
            "driver must be the name of a driver in your odbcinst.ini, such as "
            "'ODBC Driver 18 for SQL Server', not a library or a variable"
        )
