"""Context: what every phase of a study needs."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from hinet_search.results.objectives import BETWEEN_GROUPS, WITHIN_GROUPS, further_metrics
from hinet_search.search.progress import Event, Progress, Watcher
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import Arm
from hinet_search.study.study_spec import StudySpec
from hinet_search.training.jobs.messages import TrainJob
from hinet_search.training.trial_config import TrialConfig


@dataclass(frozen=True)
class PhaseContext:
    """The study, the places of its data, rows and files, and its progress and watcher.

    `teacher` is the file of the scores that students learn from.
    """

    spec: StudySpec
    store: StudyStore
    dataset: Path
    fingerprint: str
    artifacts: Path
    progress: Progress
    watcher: Watcher
    teacher: Path | None = None

    @property
    def further(self) -> tuple[str, ...]:
        """The metrics to measure beside those that are always: of the objectives, and of `rank`."""
        of_rank = () if self.spec.data.rank is None else (WITHIN_GROUPS,)
        return further_metrics((self.spec.objective, *self.spec.other_objectives, *of_rank))

    @property
    def further_on_test(self) -> tuple[str, ...]:
        """The same on test, where gains are split into those between and within groups."""
        return self.further if self.spec.data.rank is None else (*self.further, BETWEEN_GROUPS)

    def report_retry(self, key: str, attempt: int, cause: str, prefix: str = "") -> None:
        """Report that a job starts again in another process."""
        self.progress.retry(key, cause)
        self.watcher.event(Event("retry", f"{prefix}{key} attempt {attempt}: {cause}", key))

    def drop(self, folder: Path) -> None:
        """Remove a folder of checkpoints."""
        shutil.rmtree(folder, ignore_errors=True)

    def teacher_of(self, arm: Arm) -> Path | None:
        """Return the file of the teacher's scores for a student; None for any other arm."""
        assert self.teacher or not arm.student_of, "students are trained once their teacher is made"
        return self.teacher if arm.student_of else None

    def train_job(self, config: TrialConfig, seed: int, checkpoints: Path | None) -> TrainJob:
        """Return the job that trains a configuration as the study asks, without further files."""
        return TrainJob(
            self.dataset,
            config,
            seed,
            self.spec.objective,
            self.spec.device,
            checkpoints=checkpoints,
            further=self.further,
        )

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints; each running training has a folder of its own in it."""
        return self.artifacts / "checkpoints"
