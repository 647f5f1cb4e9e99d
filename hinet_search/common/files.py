"""Disk: write files and folders atomically, and say in words why one cannot be written.

A file is written into a temporary folder beside its destination, synced to the disk and then
renamed. So a full disk damages nothing, and of several writers of one path the last one wins.
A writer locks its temporary folder. The next writer of the same path removes the folders without
a lock, which killed writers left. Only the owner may read folders, whatever the umask is.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hinet_search.common import crash_points
from hinet_search.common.errors import DiskFull, EnvironmentFault

# The disk is full, the user's quota is used up, the file would exceed the allowed size.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The same in words: of Rust with its number, of Polars at the end of a Parquet file, of NumPy.
_FULL_IN_WORDS = re.compile(
    rf"os error ({'|'.join(map(str, FULL))})\b|Invalid thrift: transport error"
    r"|^\d+ requested and \d+ written$"
)
_ELSEWHERE = (
    "name another place (-o, --to, --output, HINET_SEARCH_CACHE), or make this one writable"
)
# The path can hold no such file.
REFUSED = (
    *(errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP),
)
_PART = ".part"  # suffix of temporary folders
_LONGEST_NAME = 255  # bytes
FOLDER = 0o700
FILE = 0o600


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, readable by the owner only; keep an existing one."""
    if not folder.is_dir() and folder != folder.parent:  # the current folder may be deleted
        make_folder(folder.parent)
        with suppress(FileExistsError):  # another process made it
            folder.mkdir(mode=FOLDER)


def make_file(file: Path) -> bool:
    """Make an empty file, readable by the owner only, and return whether it was made.

    An existing file is not even opened: to close any descriptor of a file gives up all locks that
    this process has on it, the locks of SQLite's connections too.
    """
    if file.exists():
        return False
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
    except FileExistsError:  # another process made it
        return False
    return True


@contextmanager
def replacing(path: Path, num_bytes: int) -> Iterator[Path]:
    """Yield a temporary path to write a file at, and move the file to `path` afterwards.

    `num_bytes` is its approximate size. If `path` is a link, its target is written.
    Errors: as in `writing`, also if `path` is a folder or a special file, and what the writing
    raises; `path` is then unchanged.
    """
    with writing(path, num_bytes):
        refuse_special(path)
        with _put_in_place(path) as part:
            yield part
            _force(part)
            crash_points.point("before_file_renamed")


def write_text(path: Path, text: str) -> None:
    """Write a file of text; errors: as in `replacing`."""
    with replacing(path, len(text.encode())) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def replacing_folder(folder: Path, num_bytes: int | None) -> Iterator[Path]:
    """Do the same as `replacing` for a folder; `folder` must not exist or must be empty.

    `num_bytes` is None where the size is not known before.
    """
    with writing(folder, num_bytes), _put_in_place(folder) as part:
        part.mkdir()
        yield part
        for path in sorted(part.rglob("*"), reverse=True):
            _force(path)
        _force(part)


@contextmanager
def locked(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a path among the processes of this machine, a file that is removed after.

    `wait` is called if another process holds it. A file system without locks locks nothing.
    Errors: as in `writing`.
    """
    file = path.with_name(f"{path.name}.lock")
    with writing(path):
        make_folder(path.parent)
        lock = _locked(file, wait)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(lock)


def whole_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, except those that are being written or removed meanwhile."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.endswith(_PART)]
        yield from (Path(parent, name) for name in names)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_a(kind: Callable[[Path], bool], path: Path) -> bool:
    """Whether a path is there and of a kind, such as `Path.is_file`."""
    try:
        return kind(path)
    except OSError:  # too long for the file system, or in a folder that may not be read
        return False


def num_bytes(folder: Path) -> int:
    """Return the bytes of the files below a folder."""
    size = 0
    for path in whole_files(folder):
        with suppress(OSError):  # removed a moment ago
            size += path.stat().st_size
    return size


def refuse_special(path: Path) -> None:
    """Raise OSError if a folder, a device, a pipe or a socket is where a file is to be written."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, not a file", str(path))


def free_bytes(path: Path) -> int:
    """Return the free bytes on the disk of a path, which need not exist yet."""
    existing = path.absolute()
    while not os.path.exists(existing):  # noqa: PTH110 -- Path.exists raises for a long name
        existing = existing.parent
    return shutil.disk_usage(existing).free


def open_lock(file: Path) -> int:
    """Open a lock file, made if needed; OSError if it is a link, which would make another file."""
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(errno.ELOOP, f"{file.name} must be a lock, but is a link") from error


@contextmanager
def _put_in_place(path: Path) -> Iterator[Path]:
    target = Path(os.path.realpath(path))
    with _locked_folder(target) as folder:
        part = folder / target.name
        yield part
        part.replace(target)
        _force(target.parent)


@contextmanager
def _locked_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside a path; remove it afterwards."""
    make_folder(target.parent)
    _remove_abandoned(target)
    folder, lock = _make_locked(target)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make_locked(target: Path) -> tuple[Path, int]:
    """Make and lock a folder, again if another writer removed it; return it and its descriptor."""
    while True:
        folder = target.with_name(f"{_prefix(target)}{secrets.token_hex(4)}{_PART}")
        folder.mkdir(mode=FOLDER)
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            # Without locks in the file system no other writer can lock the folder to remove it.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _locked(file: Path, wait: Callable[[], None]) -> int:
    """Make and lock a lock file, again if it was removed; return its descriptor."""
    while True:
        lock = open_lock(file)
        with suppress(OSError):  # without locks in the file system
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wait()
                fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(file.stat(), os.fstat(lock)):
                return lock
        os.close(lock)


def _remove_abandoned(target: Path) -> None:
    """Remove the folders that killed writers of a path left."""
    prefix = _prefix(target)
    for entry in list(os.scandir(target.parent)):
        if not entry.name.startswith(prefix) or not entry.name.endswith(_PART):
            continue
        with suppress(OSError):  # it is in use, or already removed
            lock = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry.path)
            finally:
                os.close(lock)


def _prefix(target: Path) -> str:
    """Return the prefix of the temporary folders of a path; a long name is cut."""
    name = target.name
    while len(os.fsencode(name)) > _LONGEST_NAME - len(f"..12345678{_PART}"):
        name = name[:-1]
    return f".{name}."


@contextmanager
def writing(path: Path, num_bytes: int | None = None) -> Iterator[None]:
    """Say in words why a file or folder cannot be written inside: EnvironmentFault, DiskFull.

    `num_bytes` is its approximate size, where it is known. An OSError without a number passes, as
    it is Polars' for a source that it cannot read, and so does a lack of memory.
    """
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        if not _is_full(error):
            if not isinstance(error, OSError) or error.errno in (None, errno.ENOMEM):
                raise
            other = str(error.filename or path)
            where = "" if str(path) in other or _PART in other else f" ({other})"
            raise EnvironmentFault(
                f"{path} cannot be written: {error.strerror}{where}", remedy=_ELSEWHERE
            ) from error
        free = f"{free_bytes(path):,}"
        if num_bytes is None:
            room = f"no room for its content, {free} bytes are free"
        else:
            room = f"no room for about {num_bytes:,} bytes, {free} are free"
        raise DiskFull(f"{path}: {room}", remedy="free some space on that disk") from error


def refusal(error: BaseException) -> EnvironmentFault | None:
    """Say in words which path the system refuses; None for an error of another kind."""
    if not isinstance(error, OSError) or error.errno not in REFUSED or error.filename is None:
        return None
    return EnvironmentFault(f"{error.filename} cannot be used: {error.strerror}", remedy=_ELSEWHERE)


def _is_full(error: BaseException | None) -> bool:
    """Return whether a full disk caused an error, also by its message or the error before it."""
    if error is None:
        return False
    is_numbered = isinstance(error, OSError) and error.errno in FULL
    in_words = _FULL_IN_WORDS.search(str(error)) is not None
    return is_numbered or in_words or _is_full(error.__context__)


def _force(path: Path) -> None:
    """Sync a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
