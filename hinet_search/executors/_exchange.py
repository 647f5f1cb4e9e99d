"""Exchange: a folder behind a URL (s3://bucket/prefix), where the machines of a study leave files for one another.

An object is named after its file and what is in it: `artifacts/shop/checkpoints/hinet/3/000006.json/SHA256`. So nothing is
ever written over, what is put twice is there once, and what is fetched is what was put: half an object has another hash.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from hinet_search import disk, life
from hinet_search.errors import EnvironmentFault, ExchangeAway
from hinet_search.patience import Patience

URL = re.compile(r"([a-z][a-z0-9+.-]*)://(?![^/]*:[^/]*@)[^?#\s]+")  # no password in it, and no token behind it
CHUNK = 2**24  # bytes that are fetched at once, and again when they did not come
OPTIONS: Mapping[str, Mapping[str, Any]] = {  # of drivers
    "file": {"auto_mkdir": True},
    "s3": {"max_concurrency": 1},  # so that an upload is in memory by pieces of 50 MB
}
SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|CREDENTIAL|KEY")


@dataclass(frozen=True)
class Content:
    """What is in a file."""

    sha256: str
    num_bytes: int


class Damaged(EnvironmentFault):
    """An object does not hold what was put."""


def check_url(url: str) -> str:
    """The URL, when it is one that may be shown and whose driver is installed.

    Errors: ValueError, which does not repeat what could be a secret; EnvironmentFault without the driver.
    """
    if not URL.fullmatch(url):
        raise ValueError(
            "must be a URL such as s3://bucket/prefix without a password, ? or #: its driver takes credentials from the "
            "environment of every node"
        )
    if package := missing_driver(url):
        raise EnvironmentFault(
            f"exchange {url} needs a driver, but there is no package {package}",
            remedy="install it with pip, here and on every node",
        )
    return url


def missing_driver(url: str) -> str:
    """The package that an exchange needs and this machine does not have; empty when it has all. Imports none of them."""
    from fsspec.registry import known_implementations, registry

    scheme = url.partition("://")[0]
    if scheme in registry:  # its package has told so itself
        return ""
    known = known_implementations.get(scheme)
    package = known["class"].partition(".")[0] if known else f"for {scheme}://"
    return "" if known and find_spec(package) else package


@lru_cache(maxsize=4096)
def _hashed(file: Path, _modified: int, num_bytes: int) -> Content:
    with file.open("rb") as opened:
        return Content(hashlib.file_digest(opened, "sha256").hexdigest(), num_bytes)


def content_of(file: Path) -> Content:
    """What is in a file; read once, as long as nobody writes it."""
    found = file.stat()
    return _hashed(file, found.st_mtime_ns, found.st_size)


def holds(file: Path, content: Content) -> bool:
    """Whether a file is there with this content."""
    return file.is_file() and file.stat().st_size == content.num_bytes and content_of(file) == content


@dataclass(frozen=True)
class Exchange:
    """The objects below a URL. Errors of every method: ExchangeAway, with what the driver says of it."""

    url: str

    def check(self) -> None:
        """Whether it can be written, read and cleared from here."""
        content = b"from hinet-search"
        with self._told():
            place = f"{self._root}/.check-{uuid4().hex}"
            self._files.pipe_file(place, content)
            read = self._files.cat_file(place)
            self._files.rm_file(place)
        if read != content:
            raise ExchangeAway(f"exchange {self.url} must give back what was put, but gave {len(read)} other bytes")

    def put(self, name: str, file: Path, content: Content) -> None:
        """Leave a file; it must stay as it is meanwhile."""
        with self._told(), suppress(FileExistsError):  # some drivers write nothing over, and it would be the same
            self._files.put_file(str(file), self._object(name, content))

    def found(self, name: str) -> Mapping[str, Content]:
        """What was left under a name: of a folder, everything below it."""
        with self._told():
            self._files.invalidate_cache()
            objects: Mapping[str, Any] = self._files.find(f"{self._root}/{name}", detail=True)
        found = {}
        for path, about in sorted(objects.items()):
            of_file, _, sha256 = path.removeprefix(self._root).lstrip("/").rpartition("/")
            if is_plain(of_file) and re.fullmatch(r"[0-9a-f]{64}", sha256):
                found[of_file] = Content(sha256, about["size"])
        return found

    def fetch(self, name: str, content: Content, file: Path, patience: Patience) -> None:
        """Write a file, whole or not at all. A piece that does not come is asked for again, not the ones before it.

        Errors: Damaged too, when the object holds something else; DiskFull.
        """
        place, digest = self._object(name, content), hashlib.sha256()
        with disk.replacing(file, content.num_bytes) as part, part.open("wb") as written:
            for start in range(0, content.num_bytes, CHUNK):
                piece = patience(partial(self._read, place, start, min(start + CHUNK, content.num_bytes)))
                life.sign()
                digest.update(piece)
                written.write(piece)
            if digest.hexdigest() != content.sha256:
                raise Damaged(f"{self.url}/{name} must hold what was put, but is damaged")

    def drop(self, name: str, content: Content) -> None:
        """Remove a file that was left."""
        with self._told(), suppress(FileNotFoundError):
            self._files.rm_file(self._object(name, content))

    def drop_all(self, name: str) -> None:
        """Remove what was left under a name."""
        with self._told(), suppress(FileNotFoundError):
            self._files.invalidate_cache()
            self._files.rm(f"{self._root}/{name}", recursive=True)

    def _read(self, place: str, start: int, end: int) -> bytes:
        with self._told():
            piece: bytes = self._files.cat_file(place, start=start, end=end)
        return piece

    def _object(self, name: str, content: Content) -> str:
        return f"{self._root}/{name}/{content.sha256}"

    @property
    def _files(self) -> Any:
        return self._opened[0]

    @property
    def _root(self) -> str:
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """The driver, and what it calls the URL."""
        from fsspec.core import url_to_fs

        files, root = url_to_fs(self.url, **OPTIONS.get(self.url.partition("://")[0], {}))
        return files, root.rstrip("/")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # drivers raise whatever the libraries below them raise
            raise ExchangeAway(
                f"exchange {self.url} is not usable: {_reason(error)}",
                remedy="the driver of its URL takes credentials and address from the environment of the node",
            ) from error


def is_plain(name: str) -> bool:
    """Whether a name stays inside the folder that it is looked for in, whoever wrote it."""
    return bool(name) and not name.startswith("/") and ".." not in PurePosixPath(name).parts


def _reason(error: Exception) -> str:
    """The first line of what a driver says, without what the environment keeps secret."""
    said = next(iter(str(error).strip().splitlines()), "")
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= 8:
            said = said.replace(value, "***")
    return said or type(error).__name__
