"""Messages: the jobs of a slot, what they send to the coordinator and how, and their files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hinet_search.common import crash_points
from hinet_search.common.plugins import allowed
from hinet_search.common.retry import Notice, Retry
from hinet_search.results.records import CellValue, Cost, EvaluationRecord, Insight
from hinet_search.training.device import Wanted
from hinet_search.training.trial_config import TrialConfig

Emit = Callable[[object], None]  # sends an object to the coordinator
Split = Literal["train", "valid", "test"]
ShouldStop = Callable[[], bool]  # returns whether the coordinator asks the job to stop


@dataclass(frozen=True)
class TrainJob:
    """Train one configuration with one seed.

    `weights` is a file for the best weights; with it the job also computes insights. Neither is
    done for a stopped training: its weights must not be mistaken for those of a recorded run.
    `checkpoints` is a folder of this job, from which an interrupted training resumes. `teacher` is
    the file of the teacher's scores of a student (training/teaching.py). A job that is
    `measured_first` sends what the model costs before it is trained. `further` are the metrics that
    the study's objectives read beside those that are always measured. `plugins` are the
    packages from which models may come: those of the process that made the job.
    """

    dataset: Path
    config: TrialConfig
    seed: int
    objective: str
    device: Wanted
    weights: Path | None = None
    checkpoints: Path | None = None
    teacher: Path | None = None
    measured_first: bool = False
    further: tuple[str, ...] = ()
    plugins: tuple[str, ...] = field(default_factory=allowed)


@dataclass(frozen=True)
class RefitJob:
    """Train on training and validation rows together, for the steps until the `best` evaluation.

    `best` is that of the training on the training rows alone, `falls` are its evaluations after
    which rates fell. The files of `training` are those of the refit.
    """

    training: TrainJob
    best: EvaluationRecord
    falls: tuple[EvaluationRecord, ...] = ()


@dataclass(frozen=True)
class StoredModel:
    """A configuration with the weights of its training."""

    dataset: Path
    config: TrialConfig
    device: Wanted
    weights: Path
    plugins: tuple[str, ...] = field(default_factory=allowed)


@dataclass(frozen=True)
class ScoreTestJob(StoredModel):
    """Score the test split with stored weights; the scores (rows, tasks) are stored beside them.

    `further` are metrics to measure, as in a TrainJob. With a `seed`, what inputs are worth on
    validation is stored there too (training/importance.py).
    """

    further: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True)
class TrainingResult:
    """A training ended, or was stopped after at least one evaluation."""

    best: EvaluationRecord | None
    stopped: bool
    cost: Cost
    insight: Insight = field(default_factory=Insight)


@dataclass(frozen=True)
class TrainingFailed:
    """A training diverged and has no result."""

    cause: str


@dataclass(frozen=True)
class Refitted:
    """A refit ended, and its weights and scores are stored; a staged model's steps are stages."""

    steps: int
    rows: int


@dataclass(frozen=True)
class MetricsOnTest:
    """Metrics of every cell on the test split."""

    cells: tuple[CellValue, ...]


def weights_path(artifacts: Path, arm: str, trial_number: int, seed: int) -> Path:
    """Return the path of the best weights of one finalist with one seed."""
    return artifacts / arm / f"trial-{trial_number}-seed-{seed}.safetensors"


def scores_path(weights: Path) -> Path:
    """Return the path of the scores of stored weights.

    The training writes scores of validation, opening the test split scores of both.
    """
    return weights.with_suffix(".scores.safetensors")


def split_scores_path(weights: Path, split: Split) -> Path:
    """Return the path of the scores of a split that an ensemble needs of stored weights."""
    return weights.with_suffix(f".{split}.safetensors")


def ensemble_scores_path(artifacts: Path) -> Path:
    """Return the path of the ensemble's scores of the test split."""
    return artifacts / "ensemble.scores.safetensors"


def refit_path(weights: Path) -> Path:
    """Return the path of the weights that a refit makes in place of the given ones."""
    return weights.with_suffix(".refit.safetensors")


def refit_files(weights: Path) -> tuple[Path, Path]:
    """Return the files of a refit: its weights, and its scores of test."""
    path = refit_path(weights)
    return path, scores_path(path)


@dataclass(frozen=True)
class CoordinatorLink:
    """Send evaluations and notices to the coordinator while a model trains.

    `emit` sends a message; `should_stop` returns whether the coordinator asks to stop the job.
    """

    emit: Callable[[object], None]
    should_stop: Callable[[], bool]

    @property
    def retry(self) -> Retry:
        """Retries writes that fail because the disk is full."""
        return Retry(self.notice, self.should_stop)

    def notice(self, text: str) -> None:
        """Send a notice to the user."""
        self.emit(Notice(text))

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Send an evaluation."""
        crash_points.point("before_evaluation_sent")
        self.emit(record)
        crash_points.point("after_evaluation_sent")
