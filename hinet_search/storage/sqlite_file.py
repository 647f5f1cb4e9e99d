"""SQLite file: check a database file's place, make it, and open it, also in a read-only folder."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.files import make_file, make_folder, open_lock, refuse_special

BUSY_SECONDS = 60
ANOTHER = "name another database with --storage"
_WAL, _SHARED, _JOURNAL = "-wal", "-shm", "-journal"  # SQLite's own files beside a database
_LONGEST_NAME = 255  # bytes
# Locks on these reach other machines late or never: two writers would damage the file.
OVER_THE_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs"})
MOUNTS = Path("/proc/mounts")


def is_there(file: Path) -> bool:
    """Whether the file exists; EnvironmentFault when it is a special file or cannot be examined."""
    try:
        refuse_special(file)
        return file.exists()
    except OSError as error:
        raise EnvironmentFault(
            f"database {file} cannot be used: {error.strerror}", remedy=ANOTHER
        ) from error


def refuse_unwritable(file: Path) -> None:
    """Raise EnvironmentFault where no database can be made or written; make nothing."""
    kind = file_system_of(file)
    if kind in OVER_THE_NETWORK:
        raise EnvironmentFault(
            f"{file} lies on {kind}, where SQLite can be damaged by two writers",
            remedy="name a file on a local disk with --storage, or a PostgreSQL database",
        )
    place = Path(os.path.realpath(file))
    if place.is_symlink():
        raise EnvironmentFault(
            f"database {file} cannot be used: its links lead in a circle", remedy=ANOTHER
        )
    if len(os.fsencode(place.name + _JOURNAL)) > _LONGEST_NAME:
        raise EnvironmentFault(
            f"database {file} cannot be made: its name must leave room for {_JOURNAL}, "
            "which SQLite adds",
            remedy=ANOTHER,
        )
    holder = next(folder for folder in place.parents if os.path.lexists(folder))
    if not holder.is_dir():
        raise EnvironmentFault(
            f"folder {file.parent} of the database cannot be made: {holder} is a file",
            remedy=ANOTHER,
        )
    if not os.access(holder, os.W_OK | os.X_OK):
        raise EnvironmentFault(
            f"database {file} cannot be written: no permission in folder {holder}", remedy=ANOTHER
        )
    if place.exists() and not os.access(place, os.W_OK):
        raise EnvironmentFault(f"database {file} cannot be written: no permission", remedy=ANOTHER)


def open_to_write(file: Path) -> sqlite3.Connection:
    """Connect to a database, whose file `creation_lock` made."""
    return _connection(file, "mode=rw")


def identity_of(file: Path) -> tuple[int, int]:
    """Return what stays the same of a file while it is neither deleted nor replaced."""
    status = file.stat()
    return status.st_dev, status.st_ino


def refuse_replaced(file: Path, identity: tuple[int, int]) -> None:
    """Raise EnvironmentFault when the file is no longer the one of `identity`.

    SQLite keeps writing to a deleted file, and these rows are lost.
    """
    with suppress(OSError):
        if identity_of(file) == identity:
            return
    raise EnvironmentFault(
        f"database {file} was deleted, moved or replaced while this process used it",
        remedy="put the same file back, or launch under another name (key 'name'): "
        "what was written since is lost",
    )


def open_to_read(file: Path) -> sqlite3.Connection:
    """Connect to an existing database, also in a folder that cannot be written.

    EnvironmentFault where rows in such a folder need write permission to be read.
    """
    if is_writable(file):
        return _connection(file, "mode=rw")
    return _connection(file, "mode=ro" if _is_being_written(file) else "immutable=1")


def is_writable(file: Path) -> bool:
    """Whether SQLite can write its own files beside a database."""
    return os.access(Path(os.path.realpath(file)).parent, os.W_OK | os.X_OK)


@contextmanager
def creation_lock(file: Path) -> Iterator[None]:
    """Hold the lock under which one process makes tables; make an empty database file if needed.

    An error inside the block removes the files made here.
    """
    place = Path(os.path.realpath(file))
    try:
        make_folder(place.parent)
        lock, made = _locked(place.with_name(f"{place.name}.lock"))
        if make_file(place):  # SQLite gives its other files the mode of this one
            made += [
                place.with_name(place.name + ending) for ending in ("", _WAL, _SHARED, _JOURNAL)
            ]
    except OSError as error:
        raise EnvironmentFault(
            f"database {file} cannot be made: {error.strerror}", remedy=ANOTHER
        ) from error
    with lock:
        try:
            yield
        except BaseException:
            for path in made:
                path.unlink(missing_ok=True)
            raise


def _locked(lock_file: Path) -> tuple[IO[str], list[Path]]:
    """Open and lock the lock file, again if its maker removed it; return it and what was made."""
    while True:
        made = [lock_file] if make_file(lock_file) else []
        lock = os.fdopen(open_lock(lock_file), "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(lock_file.stat(), os.fstat(lock.fileno())):
                return lock, made
        lock.close()


def _is_being_written(file: Path) -> bool:
    """Whether a process writes the database; EnvironmentFault if one that ended left rows."""
    place = Path(os.path.realpath(file))
    wal, shared, journal = (
        place.with_name(place.name + ending) for ending in (_WAL, _SHARED, _JOURNAL)
    )
    if wal.exists() and shared.exists():
        return True
    for leftover in (wal, journal):
        if leftover.exists() and leftover.stat().st_size > 0:
            raise EnvironmentFault(
                f"database {file} cannot be read: its newest rows are in {leftover.name}, "
                f"and folder {place.parent} cannot be written",
                remedy=f"copy {place.name} and {leftover.name} to a folder of yours, "
                "and name the copy with --storage",
            )
    return False


def _connection(file: Path, how: str) -> sqlite3.Connection:
    address = f"{file.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    connection.text_factory = _text  # else one text that is not UTF-8 makes all others unreadable
    return connection


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def file_system_of(path: Path) -> str:
    """Return the type of a path's file system; empty where the system does not tell.

    The path need not exist.
    """
    if not MOUNTS.exists():
        return ""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    place = place.resolve()
    kinds = {}
    for line in MOUNTS.read_text(encoding="utf-8").splitlines():
        _, mount, kind, *_ = line.split(" ")
        kinds[Path(mount.replace("\\040", " "))] = kind  # a later mount covers an earlier one
    holder = next((folder for folder in (place, *place.parents) if folder in kinds), None)
    return kinds[holder] if holder else ""
