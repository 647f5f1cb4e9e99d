"""Temporary: a file for rows in the cache, whose space is freed when nothing maps it any more."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from hinet_search.common.errors import EnvironmentFault

PREFIX = ".hinet-search-rows-"
ABANDONED_SECONDS = 86_400


@contextmanager
def temporary_file(folder: Path, suffix: str) -> Iterator[IO[bytes]]:
    """Yield an open file in `folder`, which is removed afterwards; a mapping of it stays valid.

    While `folder` does not exist, the nearest parent that exists holds the file: the rows may still
    turn out to be wrong. EnvironmentFault when a file cannot be read or written in this context.
    """
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        _remove_abandoned(existing)
        with tempfile.NamedTemporaryFile(dir=existing, prefix=PREFIX, suffix=suffix) as file:
            yield file
    except OSError as error:
        if error.errno is None:  # of Polars, which cannot read the source
            raise
        raise EnvironmentFault(
            f"{folder}: rows cannot be streamed from their source into this folder: {error}",
            remedy="free space, or name another folder with --output "
            "(HINET_SEARCH_CACHE where it is set)",
        ) from error


def _remove_abandoned(folder: Path) -> None:
    """Remove files of killed processes."""
    for file in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another process removed it, or another user owns it
            if time.time() - file.stat().st_mtime > ABANDONED_SECONDS:
                file.unlink()
