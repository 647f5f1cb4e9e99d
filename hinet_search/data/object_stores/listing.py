"""Listing: the objects of a table in a store, with what changes when one is written again."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinet_search.common.errors import DataError, EnvironmentFault, hide_passwords
from hinet_search.data.formats.suffixes import IN_WORDS, is_table
from hinet_search.data.object_stores.address import store_of, without_short_address
from hinet_search.data.reading import shorten
from hinet_search.data.table_files import (
    GLOB_CHARACTERS,
    VERSIONED,
    is_left_over,
    refuse_versions,
)

LIBRARY = "libhdfs.so"
_FOLDERS = {"ARROW_LIBHDFS_DIR": "", "HADOOP_HOME": "lib/native"}  # where Arrow looks in them
_PATHS = ("ARROW_LIBHDFS_DIR", "HADOOP_HOME", "JAVA_HOME")
_LISTS_OF_PATHS = ("CLASSPATH", "LD_LIBRARY_PATH")

# What stores say of an object beside its size; each store has some of these.
_MARKS = (
    *("ETag", "etag", "md5Hash", "generation", "Content-MD5", "Digest"),
    *("Last-Modified", "LastModified", "last_modified", "updated", "mtime", "modified", "created"),
)


@dataclass(frozen=True)
class StoredObject:
    """An object of a table: its path below the table's root, and its state.

    `marks` are entity tag, generation and time of the last change, as far as the store has them.
    """

    name: str
    num_bytes: int
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """The objects of a table, sorted by name. `root` is their folder, as the store names it."""

    root: str
    objects: tuple[StoredObject, ...]

    @property
    def num_bytes(self) -> int:
        """The bytes of all objects."""
        return sum(stored.num_bytes for stored in self.objects)


@dataclass(frozen=True)
class Place:
    """A table in a store: its URL, and the key of the definition that has it."""

    url: str
    key: str

    @contextmanager
    def errors_in_words(self) -> Iterator[None]:
        """Raise DataError if there is nothing, EnvironmentFault if the store cannot be read."""
        try:
            yield
        except FileNotFoundError as error:
            raise self.nothing(_in_words(error)) from None
        except PermissionError as error:
            raise EnvironmentFault(
                f"{self}: the store refuses access: {_in_words(error)}",
                remedy="check which credentials the environment holds, and what they may read",
            ) from None
        except ImportError as error:
            raise EnvironmentFault(
                f"{self}: needs a package that is not installed: {_in_words(error)}",
                remedy="pip install s3fs for s3://, gcsfs for gs://, adlfs for az:// and abfs://, "
                "aiohttp for http:// and https://",
            ) from None
        except Exception as error:  # noqa: BLE001  each store raises errors of its own library
            # Not raised from it: its text may hold a password.
            raise EnvironmentFault(
                f"{self}: cannot be read: {_in_words(error)}",
                remedy="check the network, the address of the store, and the credentials of the "
                "environment",
            ) from None

    def nothing(self, reason: str) -> DataError:
        """Return the error for a URL without objects."""
        return DataError(
            f"{self}: must be a table ({IN_WORDS}), or a folder or glob of such files, "
            f"but there is none: {reason}",
            remedy="check the names of bucket and folder, and list them with the store's own tool",
        )

    def __str__(self) -> str:
        return f"{self.key}: {shorten(self.url)}"


def open_store(place: Place) -> tuple[Any, str]:
    """Return fsspec's file system of a URL and the path in it; nothing of it is remembered.

    Errors: EnvironmentFault if the store's package is missing, or its library not the user's own.
    """
    from fsspec.core import url_to_fs

    if store_of(place.url) == "hdfs":
        require_own_client(str(place))
    with place.errors_in_words():
        store, path = url_to_fs(without_short_address(place.url))
        store.invalidate_cache()  # fsspec keeps listings
    return store, path.rstrip("/")


def require_package(place: Place) -> None:
    """Raise EnvironmentFault if the package of the store of a URL is missing."""
    from fsspec import get_filesystem_class

    with place.errors_in_words():
        get_filesystem_class(store_of(place.url))


def list_objects(place: Place) -> Listing:
    """List the tables at a URL: an object, those in a folder and its folders, or of a glob.

    What writers leave beside tables is skipped, as in local folders.
    Errors: DataError if there is no table, or an object is none; EnvironmentFault.
    """
    store, path = open_store(place)
    with place.errors_in_words():
        root, found = _found(store, path)
    names = {file[len(root) :].lstrip("/"): facts for file, facts in found.items()}
    tables = {name: facts for name, facts in names.items() if _is_table(place, name)}
    if not tables:
        raise place.nothing("it holds no table")
    objects = []
    for name, facts in sorted(tables.items()):
        if facts["size"] is None:
            raise DataError(f"{place}: the store must tell the size of '{shorten(name)}'")
        marks = tuple(str(facts[mark]) for mark in _MARKS if mark in facts)
        objects.append(StoredObject(name, facts["size"], marks))
    return Listing(root, tuple(objects))


def _found(store: Any, path: str) -> tuple[str, Mapping[str, Mapping[str, Any]]]:
    """Return the root of a table, and the facts of all files at a path."""
    if GLOB_CHARACTERS & set(path):
        found = store.glob(path, detail=True)
        parts = path.split("/")
        first = next(number for number, part in enumerate(parts) if GLOB_CHARACTERS & set(part))
        files = {file: facts for file, facts in found.items() if facts["type"] == "file"}
        return "/".join(parts[:first]), files
    facts = store.info(path)
    if facts["type"] == "file":
        return path.rpartition("/")[0], {path: facts}
    return path, store.find(path, detail=True)


def _is_table(place: Place, name: str) -> bool:
    """Return whether an object is a table; DataError if it is neither that nor left over."""
    parts = name.split("/")
    for part in parts:
        if part in VERSIONED:
            refuse_versions(place.url, place.key, part)
    if any(map(is_left_over, parts)):  # `..` too, which would be a file outside the cache
        return False
    if not is_table(name):
        raise DataError(
            f"{place}: must hold tables ({IN_WORDS}), got '{shorten(name)}'",
            remedy="write a glob of the tables, such as 's3://bucket/folder/*.parquet'",
        )
    if "" in parts:
        raise DataError(f"{place}: '{shorten(name)}' is no name of a file", remedy="rename it")
    return True


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return shorten(hide_passwords(text))


def require_own_client(where: str) -> None:
    """Raise EnvironmentFault unless an absolute path of the environment leads to Hadoop's client.

    `where` is the URL that needs it, in words.
    """
    problems = [f"{where}: {problem}" for problem in _problems()]
    if problems:
        raise EnvironmentFault(
            *problems,
            remedy="export ARROW_LIBHDFS_DIR=/opt/hadoop/lib/native, JAVA_HOME and "
            "CLASSPATH=$(hadoop classpath --glob), or read the table by webhdfs://",
        )


def _problems() -> Iterator[str]:
    if os.path.lexists(LIBRARY):
        yield (
            f"the current folder must hold no {LIBRARY}, as its code would run in place of that "
            "of Hadoop's client; start the command in another folder"
        )
    single = {name: [os.environ[name]] for name in _PATHS if name in os.environ}
    lists = {name: os.environ[name].split(":") for name in _LISTS_OF_PATHS if os.environ.get(name)}
    for name, paths in (single | lists).items():
        relative = [path for path in paths if not Path(path).is_absolute()]
        if relative:
            yield (
                f"the variable {name} must hold absolute paths, got '{relative[0]}', "
                "which is another file in each current folder"
            )
    folders = [
        Path(os.environ[name], below) for name, below in _FOLDERS.items() if name in os.environ
    ]
    if not any((folder / LIBRARY).is_file() for folder in folders):
        yield (
            f"{LIBRARY} of Hadoop's client must be in the folder of the variable "
            "ARROW_LIBHDFS_DIR, or in lib/native below that of HADOOP_HOME, and is not"
        )
