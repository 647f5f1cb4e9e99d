"""Node folders: temporary folders that are locked while in use; the last process removes them.

The next process that starts on this machine removes the folders of killed processes.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hinet_search.common.errors import EnvironmentFault

OF_A_STUDY = "hinet-search-of-"  # prefix, on a node that does not see the coordinator's folder
LOCK = ".lock"


@dataclass(frozen=True)
class NodeFolder:
    """A folder in use by this process, and the descriptor that holds its lock."""

    path: Path
    lock: int

    def leave(self) -> None:
        """Unlock the folder and remove it unless another process uses it."""
        with suppress(BlockingIOError):
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def private(prefix: str) -> NodeFolder:
    """Make a folder for this process only."""
    _remove_abandoned(prefix)
    path = Path(tempfile.mkdtemp(prefix=prefix))
    lock = os.open(path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return NodeFolder(path, lock)


def shared(study: str) -> NodeFolder:
    """Return the folder that the processes of a study share on this machine.

    Errors: EnvironmentFault if another user made a folder of that name.
    """
    path = Path(tempfile.gettempdir()) / f"{OF_A_STUDY}{study}"
    _remove_abandoned(OF_A_STUDY, except_path=path)
    while True:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(lock, fcntl.LOCK_SH)
        status = os.fstat(lock)
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise EnvironmentFault(
                f"{path} must be a folder of yours alone, but is not",
                remedy="remove it, or set TMPDIR on that node",
            )
        if path.exists() and os.path.samestat(status, path.stat()):
            return NodeFolder(path, lock)
        os.close(lock)  # another process removed it before it was locked


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Try to lock the folder among the processes of this machine; yield whether that succeeded."""
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _remove_abandoned(prefix: str, except_path: Path | None = None) -> None:
    """Remove the folders that no process uses."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if path != except_path:
            with suppress(OSError):  # another user's, or already removed
                NodeFolder(path, os.open(path, os.O_RDONLY)).leave()
