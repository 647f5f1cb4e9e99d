"""Room: what every phase of a study needs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hinet_search.search.progress import Event, Progress, Watcher
from hinet_search.spec import StudySpec
from hinet_search.storage.store import StudyStore
from hinet_search.training.device import Wanted


def _only_here(_path: Path) -> None:
    """Files of this machine are nowhere else."""


@dataclass(frozen=True)
class Room:
    """The study, where its data, rows and files are, who is told, and how the executor forgets files of jobs."""

    spec: StudySpec
    store: StudyStore
    dataset: Path
    fingerprint: str
    artifacts: Path
    progress: Progress
    watcher: Watcher
    forget: Callable[[Path], None] = _only_here

    def tell_retry(self, key: str, attempt: int, cause: str, what: str = "") -> None:
        """A job begins again on another process."""
        self.progress.retry(key, cause)
        self.watcher.event(Event("retry", f"{what}{key} attempt {attempt}: {cause}", key))

    def drop(self, folder: Path) -> None:
        """Remove checkpoints, wherever they are."""
        shutil.rmtree(folder, ignore_errors=True)
        self.forget(folder)

    @property
    def device(self) -> Wanted:
        """The device that the study asks for."""
        return self.spec.device

    @property
    def checkpoints(self) -> Path:
        """Where trainings keep their checkpoints while they run, each in a folder of its own."""
        return self.artifacts / "checkpoints"
