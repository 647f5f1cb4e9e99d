"""URL options: which of them a study file may write into the address of a database.

Options of drivers name libraries that are opened, files that are written, and programs. A study
file may be a stranger's, so it has only options of which none of that is known. The user's own URL,
in one variable of the environment, and the user's own settings of ODBC may have any.
"""

import re

from sqlalchemy.engine import URL

from hinet_search.common.database_url import unsafe_option
from hinet_search.common.errors import did_you_mean
from hinet_search.data.queries.address import is_secret, option_texts, taken_apart

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
_SETTING = re.compile(r"([^=;{}]+)=(\{[^{}]*\}|[^;{}]*)")
_REMEDY = "leave it out, or put the whole URL into a variable of your environment: ${NAME}"


def refuse_unsafe_options(template: str) -> None:
    """ValueError for an option in the text of a URL that may name code to run or a file to write.

    The text was parsed before; a URL that is one variable is the user's own.
    """
    parsed = taken_apart(template)
    if parsed is None:
        return
    url, stand_ins = parsed
    for name in url.query:
        for value in option_texts(url, name):
            if name.lower() == "odbc_connect" and value in stand_ins:
                continue  # the user's own settings
            _refuse_option(url, name, value, tuple(stand_ins))


def _refuse_option(url: URL, name: str, value: str, stand_ins: tuple[str, ...]) -> None:
    kind = url.get_backend_name()
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


def _refuse_settings(text: str, stand_ins: tuple[str, ...]) -> None:
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


def _refuse_driver(name: str, stand_ins: tuple[str, ...]) -> None:
    if _DRIVER.fullmatch(name) is None or any(digits in name for digits in stand_ins):
        raise ValueError(
            "driver must be the name of a driver in your odbcinst.ini, such as "
            "'ODBC Driver 18 for SQL Server', not a library or a variable"
        )
