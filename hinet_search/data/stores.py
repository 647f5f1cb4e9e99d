"""Stores: tables at URLs. They are read once, into the cache, and are local tables from then on.

Polars reads object stores, which find credentials in the environment. A URL holds none: studies,
databases and reports keep it.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote
from urllib.request import urlopen

import polars as pl
from polars.exceptions import PanicException

from hinet_search.common.errors import (
    ConfigurationError,
    DataError,
    EnvironmentFault,
    gone_or_similar,
    hide_passwords,
)
from hinet_search.data.fingerprint import ContentHash, FileHasher, NotFetched
from hinet_search.data.formats.csv_dialect import scan_texts
from hinet_search.data.formats.kept_table import KeptRows, Say, keep, read_kept
from hinet_search.data.formats.known_formats import (
    ARROW,
    CSV,
    IN_WORDS,
    JSON_LINES,
    PARQUET,
    TSV,
    format_of,
    is_table,
    suffix_of,
)
from hinet_search.data.reading import OWN, reading, shorten

FOLDER = ".objects"
CLOUDS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
WEB = ("http", "https")
STORES = (*CLOUDS, "hf", *WEB, "file")
SECONDS = 60  # that an answer may take
PATIENCE = {"max_retries": 3, "connect_timeout": "10s", "timeout": f"{SECONDS}s"}
ROWS_AT_ONCE = 2**18
STORED_AT = f"{OWN}stored at"  # the column with the URL of every row
LEFT_OVER = r"/[._][^=/]*(/|$)"  # what writers leave beside tables, in the path below a URL
NOTHING = "expanded paths were empty"  # what Polars says of a folder or a glob without a file

scan_lines = partial(
    pl.scan_csv, has_header=False, separator="\x01", quote_char=None, infer_schema=False
)
TEXTS = {CSV: "rows.csv", TSV: "rows.tsv", JSON_LINES: "rows.jsonl"}

# In texts all values stay texts, as the types of columns depend on all of them.
READERS: Mapping[str, Callable[..., pl.LazyFrame]] = {
    PARQUET: pl.scan_parquet,
    ARROW: pl.scan_ipc,
    CSV: scan_texts,
    TSV: scan_texts,
    JSON_LINES: partial(pl.scan_ndjson, infer_schema_length=None),
}
_URL = re.compile(r"[a-z][a-z0-9+._-]*://", re.IGNORECASE)
_WITH_CONTAINER = ("abfs", "abfss")  # of Azure: CONTAINER@ACCOUNT
_SECRET_OPTION = re.compile(
    r"pass|pwd|token|secret|credential|signature|jwt|(api|access|account|private)key|^sig$"
)


def is_url(path: str) -> bool:
    """Return whether the path of a table is a URL, such as `s3://bucket/folder`."""
    return _URL.match(path) is not None


def is_stored(path: str) -> bool:
    """Return whether a table is in a store, and not a file of this machine."""
    return is_url(path) and _store_of(path) != "file"


def check_table_path(path: str) -> str:
    """Return the path of a table; ValueError for a URL that no store has, or with credentials."""
    if not is_url(path):
        return path
    store = _store_of(path)
    # The text may hold a secret, so it is not repeated.
    if store not in STORES:
        raise ValueError(
            f"must be a path, or a URL of a store that can be read ({', '.join(STORES)})"
            f"{gone_or_similar(store, STORES)}; of any other store or database, write the rows as "
            "Parquet, and name that file"
        )
    if store == "file" and not path[len("file://") :].startswith("/"):
        raise ValueError("must be file:// with an absolute path, such as file:///data/rows.csv")
    if _holds_credentials(path):
        raise ValueError(
            "must be a URL without user, key and signature, as files, databases and reports keep "
            "it; leave them out and let the store find them (AWS_PROFILE, "
            "GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_NAME, ...)"
        )
    return path


def local_path(path: str, key: str, cache: Path, say: Say) -> str:
    """Return the path of a table on this machine: the given path, or the copy of a URL.

    `key` is where the path was given. `say` gets the progress.
    Errors: ConfigurationError for a URL that is refused; DataError if there is no table at a URL;
    EnvironmentFault if the store cannot be read, or the cache cannot be written.
    """
    try:
        check_table_path(path)
    except ValueError as error:
        raise ConfigurationError(f"{key}: {error}") from None
    if not is_stored(path):
        return unquote(path[len("file://") :]) if is_url(path) else path
    (name,) = _copied(path, key, cache, say).files
    return str(_home(path, cache) / name)


def content_of(url: str, key: str, contents: FileHasher) -> str:
    """Return the hash of the rows at a URL of a store: of those that were copied once.

    Errors: as in `local_path`; NotFetched.
    """
    if contents.may_fetch:
        return _copied(url, key, contents.cache, contents.say).content
    kept = read_kept(_home(url, contents.cache))
    if kept is None:
        raise NotFetched(f"{key}: {shorten(url)} was not copied yet")
    return kept.content


def _store_of(url: str) -> str:
    return url.partition("://")[0].lower()


def _holds_credentials(url: str) -> bool:
    authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority and _store_of(url) not in _WITH_CONTAINER:
        return True
    # A key may hold a slash, which ends the authority: KEY:SEC/RET@bucket.
    _, colon, port = re.sub(r"^\[[^]]*\]", "", authority).partition(":")
    options = [name.lower() for name, _ in parse_qsl(url.partition("?")[2])]
    words = [re.sub("[^a-z0-9]", "", name) for name in options]
    return bool(colon and not port.isdecimal()) or any(map(_SECRET_OPTION.search, words))


def _home(url: str, cache: Path) -> Path:
    return cache.absolute() / FOLDER / hashlib.blake2b(url.encode(), digest_size=8).hexdigest()


def _copied(url: str, key: str, cache: Path, say: Say) -> KeptRows:
    where = f"{key}: {shorten(url)}"
    home = _home(url, cache)
    kept = read_kept(home)
    if kept is not None:
        say(f"reading the copy of {shorten(url)} in {home}; remove it to copy the rows anew")
        return kept

    def write(part: Path) -> str:
        say(f"copying {shorten(url)}")
        copy = _copy(url, where, part)
        content = ContentHash()
        with reading(where):
            for rows in READERS[format_of(copy)](copy).collect_batches(chunk_size=ROWS_AT_ONCE):
                content.add(rows)
        say(f"copied {content.num_rows:,} rows to {home}")
        return content.digest()

    return keep(home, write, say, f"copies {shorten(url)}")


def _copy(url: str, where: str, folder: Path) -> Path:
    """Copy the rows at a URL into a file of the folder."""
    try:
        if _store_of(url) in WEB:
            return _downloaded(url, folder)
        return _read(url, folder)
    except (Exception, PanicException) as error:  # noqa: BLE001  each store has errors of its own
        # Not raised from it: its text may hold a password.
        reason = hide_passwords(" ".join(str(error).split()) or type(error).__name__)
        if isinstance(error, FileNotFoundError) or NOTHING in reason:
            raise DataError(
                f"{where}: must be a table ({IN_WORDS}), or a folder or glob of Parquet files, but "
                f"there is none: {shorten(reason)}",
                remedy="check the names of bucket and folder, and list them with the store's own "
                "tool",
            ) from None
        raise EnvironmentFault(
            f"{where}: cannot be copied: {shorten(reason)}",
            remedy="check the network, the address, and the credentials of the environment",
        ) from None


def _downloaded(url: str, folder: Path) -> Path:
    """Polars waits without end for a server that does not answer."""
    if not is_table(url):
        raise FileNotFoundError("a table on the web must be one file")
    file = folder / f"rows{suffix_of(url)}"
    with urlopen(url, timeout=SECONDS) as answer, file.open("wb") as to:  # noqa: S310 -- of WEB
        shutil.copyfileobj(answer, to)
    return file


def _read(url: str, folder: Path) -> Path:
    """A file of any format, or a folder or a glob of Parquet."""
    options = PATIENCE if _store_of(url) in CLOUDS else None
    kind = format_of(url) if is_table(url) else PARQUET
    if kind in TEXTS:  # line by line
        lines = scan_lines(url, storage_options=options)
        lines.sink_csv(folder / TEXTS[kind], include_header=False, quote_style="never")
    elif kind == ARROW:
        pl.scan_ipc(url, storage_options=options).sink_parquet(folder / "rows.parquet")
    else:
        _of_parquet(url, options).sink_parquet(folder / "rows.parquet")
    return next(folder.iterdir())


def _of_parquet(url: str, options: dict[str, Any] | None) -> pl.LazyFrame:
    """The rows of a file, a folder or a glob; folders named `day=2026-05-03` are columns."""
    place = re.split(r"[*?\[]", url, maxsplit=1)[0]
    is_file = is_table(url) and place == url
    is_folder = not is_file and place == url
    lazy = pl.scan_parquet(
        f"{url.rstrip('/')}/" if is_folder else url,
        hive_partitioning=not is_file,
        include_file_paths=STORED_AT,
        storage_options=options,
    )
    below = pl.col(STORED_AT).str.slice(place.rindex("/"))
    return lazy.filter(~below.str.contains(LEFT_OVER)).drop(STORED_AT)
