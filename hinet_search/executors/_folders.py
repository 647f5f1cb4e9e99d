"""Folders: temporary ones of this machine, locked while somebody needs them; the next who comes removes what nobody does."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import sleep

from hinet_search.errors import EnvironmentFault

PREFIX = "hinet-search-of-"  # of what slots have of a study on a node that does not see the coordinator's folder
LOCK = ".lock"
PAUSE_SECONDS = 0.1


class Folder:
    """A folder of this process alone, under a name of its own."""

    def __init__(self, prefix: str) -> None:
        remove_abandoned(prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        self._lock = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """With all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


@cache
def shared(study: str) -> Path:
    """The folder that slots of a study share on this machine; it is needed as long as one of them lives.

    Errors: EnvironmentFault when somebody else made a folder of that name.
    """
    folder = Path(tempfile.gettempdir()) / f"{PREFIX}{study}"
    remove_abandoned(PREFIX, but=folder)
    while True:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(held, fcntl.LOCK_SH)
        found = os.fstat(held)
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise EnvironmentFault(
                f"{folder} must be a folder of yours alone, but is not", remedy="remove it, or set TMPDIR on that node"
            )
        if folder.exists() and os.path.samestat(found, folder.stat()):
            return folder
        os.close(held)  # it was removed just before it was locked


def remove_abandoned(prefix: str, but: Path | None = None) -> None:
    """Remove folders that killed processes left behind, and those that nobody needs: whoever lives holds their lock."""
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):  # it is locked, another user's, or gone by now
            lock = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if left != but:
                    shutil.rmtree(left)
            finally:
                os.close(lock)


@contextmanager
def alone(folder: Path, gives_up: Callable[[], bool]) -> Iterator[bool]:
    """Whether nobody else on this machine is inside for that folder; waits for it unless `gives_up`."""
    with (folder / LOCK).open("w") as lock:
        while not (free := _locked(lock.fileno())) and not gives_up():
            sleep(PAUSE_SECONDS)
        yield free


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
