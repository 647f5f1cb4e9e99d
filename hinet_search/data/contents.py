"""Contents: the hash of a whole file. That of a large one is kept in the cache, so that it is not read at every start."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hinet_search.private import make_file, make_folder

LARGE_BYTES = 64 * 2**20
KEPT = ".contents"  # in the cache: an empty file for each that was read, `WHICH.HASH`


@dataclass(frozen=True)
class Contents:
    """What hashes files; `say` is told of one that takes long. A cache that is not there yet is not made: rows may be refused."""

    cache: Path
    say: Callable[[str], None]

    def of(self, file: Path) -> str:
        """Size and hash: the same for the same bytes, wherever they lie and whenever they were written."""
        facts = file.stat()
        if facts.st_size <= LARGE_BYTES:
            return f"{facts.st_size} {_hash(file)}"
        which = _short(f"{file.resolve()} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}")
        kept = next((self.cache / KEPT).glob(f"{which}.*"), None)
        if kept is not None:
            return f"{facts.st_size} {kept.suffix[1:]}"
        self.say(f"reading {file.name} ({facts.st_size / 1e9:.1f} GB) to tell it from other data")
        found = _hash(file)
        if self.cache.is_dir():
            with suppress(OSError):  # not kept, it is read again
                make_folder(self.cache / KEPT)
                make_file(self.cache / KEPT / f"{which}.{found}")
        return f"{facts.st_size} {found}"


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
