"""A disk that can be filled and freed: a small one in memory if mounting is allowed, else simulated errors."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEGABYTES = 4  # of a small disk
MEGABYTES_OF_STORM = 32


class SmallDisk:
    """A small file system, mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, but: int = 0) -> None:
        """No byte is free, or nearly so many as are left."""
        with self._filler.open("wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue
            os.truncate(self._filler, max(0, file.tell() - but))

    def free(self) -> None:
        """There is room again."""
        self._filler.unlink()


class PretendedDisk(SmallDisk):
    """A folder in which fsync fails while it is full."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self._full = False
        fsync = os.fsync

        def refuse(opened: int) -> None:
            if self._full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(opened)

        patch.setattr(os, "fsync", refuse)

    def fill(self, but: int = 0) -> None:
        self._full = True

    def free(self) -> None:
        self._full = False


@contextmanager
def small_disk(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """Mount a small disk at the folder inside the context, or simulate one if that is not allowed."""
    folder.mkdir(exist_ok=True)
    if not mount(folder):
        yield PretendedDisk(folder, patch)
        return
    try:
        yield SmallDisk(folder)
    finally:
        unmount(folder)


def mount(folder: Path, megabytes: int = MEGABYTES) -> bool:
    """Mount a small disk; return whether that was allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def disk_of_storm(folder: Path) -> Iterator[SmallDisk | None]:
    """Mount a disk for a database at the folder; None if that is not allowed."""
    folder.mkdir()
    if not mount(folder, MEGABYTES_OF_STORM):
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        unmount(folder)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True)
