"""Node folders: temporary folders that are locked while a process uses them.

The next process that starts on this machine removes the folders of killed processes.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


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
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):  # another user's, or already removed
            NodeFolder(path, os.open(path, os.O_RDONLY)).leave()
    path = Path(tempfile.mkdtemp(prefix=prefix))
    lock = os.open(path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return NodeFolder(path, lock)
