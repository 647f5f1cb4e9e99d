"""Private: folders and files that only their owner can read, whatever the umask says."""

import os
from contextlib import suppress
from pathlib import Path

FOLDER, FILE = 0o700, 0o600


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each for its owner alone; one that is there stays as it is."""
    if not folder.is_dir():
        make_folder(folder.parent)
        with suppress(FileExistsError):  # another process made it
            folder.mkdir(mode=FOLDER)


def make_file(file: Path) -> None:
    """Make an empty file for its owner alone; one that is there stays as it is, and is not opened.

    To close any descriptor of a file gives up all locks that this process has on it, those of SQLite's connections too.
    """
    if not file.exists():
        with suppress(FileExistsError):  # another process made it
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
