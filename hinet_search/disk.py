"""Disk: files that are whole or not there, and what is said when it is full.

A file is written beside its place, forced to the disk and then renamed, so a disk that fills up damages nothing.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hinet_search import faults
from hinet_search.errors import DiskFull
from hinet_search.private import make_folder

PART = ".part"  # ends the name of a file that is being written
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, one's share of it, the longest file that one may write


@contextmanager
def replacing(path: Path, num_bytes: int) -> Iterator[Path]:
    """Inside it the file is written at the path that is given; after it, it stands at `path` with all of its content.

    `num_bytes` is about how long it will be. Errors: DiskFull, and what else the writing raises; `path` is then as it was.
    """
    part = path.with_name(path.name + PART)
    try:
        with _said_when_full(path, num_bytes):
            make_folder(path.parent)
            yield part
            _force(part)
            faults.point("before_file_renamed")
            part.replace(path)
            _force(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(folder: Path, num_bytes: int) -> Iterator[Path]:
    """As `replacing`, of a whole folder; what stands at `folder` must be nothing, or an empty folder."""
    part = folder.with_name(folder.name + PART)
    shutil.rmtree(part, ignore_errors=True)  # what a killed process left
    try:
        with _said_when_full(folder, num_bytes):
            make_folder(folder.parent)
            part.mkdir()
            yield part
            for path in sorted(part.rglob("*"), reverse=True):
                _force(path)
            _force(part)
            part.replace(folder)
            _force(folder.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def free_bytes(path: Path) -> int:
    """On the disk of a path, which need not exist yet."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


@contextmanager
def _said_when_full(path: Path, num_bytes: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        free = free_bytes(path)
        raise DiskFull(
            f"{path}: no room for about {num_bytes:,} bytes, {free:,} are free", remedy="free some space on that disk"
        ) from error


def _is_full(error: BaseException | None) -> bool:
    """Libraries that write by themselves name the error of the system in words, or raise another one over it."""
    if error is None:
        return False
    of_system = isinstance(error, OSError) and error.errno in FULL
    return of_system or f"os error {errno.ENOSPC}" in str(error) or _is_full(error.__context__)


def _force(path: Path) -> None:
    """What was written to a file, or into a folder, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
