"""Store address: the URL of a table in an object store, which holds no credentials.

A definition is stored and shown in reports. Stores find credentials in the environment.
"""

import re
from ipaddress import IPv6Address
from urllib.parse import parse_qsl

from hinet_search.common.errors import did_you_mean

# Other file systems of fsspec read URLs inside URLs, unpack archives, or start programs.
STORES = (
    *("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss"),
    *("hdfs", "webhdfs", "http", "https", "memory"),
)
_DATABASES = (
    *("sqlite", "postgresql", "postgres", "duckdb", "mysql", "mariadb", "mssql", "oracle"),
    *("snowflake", "bigquery", "redshift", "clickhouse", "trino", "databricks"),
)
_SECRET_KEYS = (
    *("pass", "pwd", "token", "secret", "credential", "signature", "jwt"),
    *("apikey", "accesskey", "accountkey", "privatekey"),
)
_SECRET_WORDS = ("sig",)  # whole names: a signature of Azure
_URL = re.compile(r"[a-z][a-z0-9+._-]*(://|::.*://)", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"(?<=://)\[([0-9a-f:.]*:[0-9a-f:.]*)\](?=[:/?#]|$)", re.IGNORECASE)
_WITH_CONTAINER = ("abfs", "abfss")  # of Azure: CONTAINER@ACCOUNT


def is_url(path: str) -> bool:
    """Return whether the path of a table is a URL, such as `s3://bucket/folder`."""
    return _URL.match(path) is not None


def is_database(path: str) -> bool:
    """Return whether it is the URL of a database."""
    return is_url(path) and store_of(path).partition("+")[0] in _DATABASES


def check_table_path(path: str) -> str:
    """Return the path of a table; ValueError for a URL that no store has, or with credentials."""
    if not is_url(path):
        return path
    url = without_short_address(path)
    # The text may hold a secret, so it is not repeated.
    if "::" in url:
        raise ValueError(
            "must be one URL, got several that are chained by '::'; "
            "unpack or copy the table, and name the copy"
        )
    store = store_of(url)
    if is_database(url):
        raise ValueError(
            "must be a table, got the URL of a database: write the rows of the query as Parquet, "
            "and name that file"
        )
    if store not in STORES:
        raise ValueError(
            f"must be a path, or a URL of a store that can be read ({', '.join(STORES)})"
            f"{did_you_mean(store, STORES)}; of any other, copy the table and name the copy"
        )
    if _holds_credentials(url):
        raise ValueError(
            "must be a URL without user, key and signature, as files, databases and reports keep "
            "it; leave them out and let the store find them (AWS_PROFILE, "
            "GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_CONNECTION_STRING, ...)"
        )
    return path


def store_of(url: str) -> str:
    """Return the kind of the store of a URL, such as `s3`."""
    return url.partition("://")[0].lower()


def without_short_address(url: str) -> str:
    """Return a URL whose address of IPv6, if it has one, has no `::`; fsspec chains URLs by it.

    ValueError if the address is none.
    """
    return _IN_BRACKETS.sub(lambda match: f"[{IPv6Address(match[1]).exploded}]", url)


def _holds_credentials(url: str) -> bool:
    store, _, place = url.partition("://")
    authority = re.split(r"[/?#]", place, maxsplit=1)[0]
    if "@" in authority and store.lower() not in _WITH_CONTAINER:
        return True
    # A key may hold a slash, which ends the authority: KEY:SEC/RET@bucket.
    _, colon, port = re.sub(r"^\[[^]]*\]", "", authority).partition(":")
    options = parse_qsl(url.partition("?")[2])
    return bool(colon and not port.isdecimal()) or any(_is_secret(name) for name, _ in options)


def _is_secret(option: str) -> bool:
    """Return whether the value of a URL's option is a secret, by the name of the option."""
    word = re.sub(r"[^a-z0-9]", "", option.lower())
    return word in _SECRET_WORDS or any(secret in word for secret in _SECRET_KEYS)
