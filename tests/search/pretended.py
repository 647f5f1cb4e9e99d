"""Launches with fake trainings: all that a launch does, in milliseconds, with a record of every job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.executors import Job, JobEnd, JobEvent, Message, local
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.ensemble_records import SelectionGain
from hinet_search.results.records import (
    CellValue,
    Cost,
    EvaluationRecord,
    FinalistSummary,
    Resampled,
)
from hinet_search.results.statistics.ensemble_selection import Selection
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.launch import launch
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.progress import Event, NullWatcher, Progress, Watcher
from hinet_search.search.warm_start import warm_started
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import ChosenDevice
from hinet_search.training.jobs.ensemble import (
    EnsembleOnTest,
    ScoreEnsembleJob,
    ScoreMemberJob,
    Selected,
    SelectJob,
    TeachJob,
)
from hinet_search.training.jobs.messages import (
    MetricsOnTest,
    RefitJob,
    Refitted,
    ScoreTestJob,
    TrainingResult,
    TrainJob,
    scores_path,
    split_scores_path,
)
from hinet_search.training.jobs.score import SummaryJob
from tests.search import studies

RATE = "train.learning_rate"
FEATURES = "{categorical: [user_id]}"
STUDY = f"""\
data:
  source: {{kind: synthetic}}
  scenario: {{column: scenario}}
  tasks: {{click: {{column: click}}}}
  features: {FEATURES}
  split: {{by: random}}
trials: 4
sampler: random
pruner: none
slots: 1
device: cpu
"""
ARMS = "{mmoe: {space: rate}}"
SPACE = f"parameters:\n  {RATE}: {{kind: float, low: 1.0e-4, high: 1.0e-2, log: true, default: 1.0e-3}}\n"

TESTED = CellValue("home", "click", 5, 2, auc=0.6, logloss=0.6)
Value = Callable[[TrainJob], float]


def larger_rates_are_better(job: TrainJob) -> float:
    """The objective of a pretended training."""
    return 0.5 + job.config.train.learning_rate


SCHEMA = Schema(("home",), ("click",), ("user_id",), (10,), ())
TWO_ROWS = Columns(
    ids_RF=np.ones((2, 1), dtype=np.int32),
    numeric_RN=np.empty((2, 0), dtype=np.float32),
    scenario_R=np.zeros(2, dtype=np.int16),
    labels_RT=np.array([[0], [1]], dtype=np.uint8),
    user_R=np.zeros(2, dtype=np.int32),
    lists_RS=np.empty((2, 0), dtype=np.int32),
)


@dataclass(frozen=True)
class PretendedData:
    """The parts of a data set that a launch reads."""

    folder: Path
    fingerprint: str = studies.DATA.fingerprint
    record = studies.DATA
    full_schema = SCHEMA
    train = valid = test = TWO_ROWS
    groups = MappingProxyType[str, tuple[str, ...]]({})

    def schema(self, minimum_frequency: int, groups: str, pooling: str | None) -> Schema:
        """A small one."""
        return SCHEMA


@dataclass
class Pretender:
    """An executor with one slot that trains nothing. Weights are a file with the seed; a job's cause ends it."""

    value: Value = larger_rates_are_better
    seconds: Value = lambda job: studies.COST.seconds
    milliseconds: Value = lambda job: 1.0  # of a request
    failing: Callable[[Job], str] = lambda job: ""
    jobs: list[Job] = field(default_factory=list)
    coming: list[JobEvent] = field(default_factory=list)

    waiting = ""

    @property
    def free(self) -> int:
        return 0 if self.coming else 1

    def submit(self, job: Job) -> None:
        self.jobs.append(job)
        cause = self.failing(job)
        said = (
            []
            if cause
            else [Message(job.key, job.attempt, body) for body in self._bodies(job.payload)]
        )
        self.coming = [*said, JobEnd(job.key, job.attempt, cause)]

    def stop(self, key: str) -> None: ...

    def runs(self, key: str) -> bool:
        return True

    def kill(self, key: str) -> None: ...

    def poll(self, timeout: float) -> list[JobEvent]:
        heard, self.coming = self.coming, []
        return heard

    def close(self) -> None: ...

    def _bodies(self, payload: object) -> list[object]:
        if isinstance(payload, ScoreTestJob):
            assert payload.weights.exists(), "test is scored with the weights of the run"
            return [MetricsOnTest((TESTED,))]
        if isinstance(payload, SummaryJob):
            return [
                FinalistSummary(
                    payload.seeds, (), (), Resampled("users", 5, (0.6, 0.6), ((0.6, 0.6),))
                )
            ]
        if isinstance(payload, SelectJob | ScoreMemberJob | TeachJob | ScoreEnsembleJob):
            return self.of_ensemble(payload)
        if isinstance(payload, RefitJob):
            return [self.of_refit(payload)]
        assert isinstance(payload, TrainJob)
        return self.of_training(payload)

    def of_ensemble(
        self, payload: SelectJob | ScoreMemberJob | TeachJob | ScoreEnsembleJob
    ) -> list[object]:
        """Do nothing with the models, but check that their files are there."""
        if isinstance(payload, SelectJob):
            assert all(path.exists() for path in payload.scores), "each run left its scores"
            return [self.selected(payload)]
        if isinstance(payload, ScoreMemberJob):
            assert payload.weights.exists()
            split_scores_path(payload.weights, payload.split).write_text("scores")
            return []
        scores = [path for member in payload.members for path in member.scores.values()]
        assert scores, "each member was scored"
        assert all(path.exists() for path in scores), "and its scores are there"
        if isinstance(payload, TeachJob):
            payload.path.write_text("scores")
            return []
        return [EnsembleOnTest((TESTED,), Resampled("users", 5, (0.6, 0.6), ((0.6, 0.6),)))]

    def of_refit(self, payload: RefitJob) -> Refitted:
        """Leave weights and scores."""
        training = payload.training
        assert training.weights is not None
        assert training.teacher is None or training.teacher.exists(), "the teacher stays"
        scores_path(training.weights).write_text("refit")
        training.weights.write_text("refit")
        return Refitted(10, 4)

    def of_training(self, payload: TrainJob) -> list[object]:
        """Leave weights and scores, and send one evaluation and the result."""
        assert payload.teacher is None or payload.teacher.exists(), "the teacher came before"
        if payload.weights:
            payload.weights.parent.mkdir(parents=True, exist_ok=True)
            payload.weights.write_text(str(payload.seed))
            scores_path(payload.weights).write_text(str(payload.seed))
        evaluation: EvaluationRecord = studies.evaluation(1, self.value(payload))
        return [evaluation, TrainingResult(evaluation, stopped=False, cost=self.cost(payload))]

    def cost(self, payload: TrainJob) -> Cost:
        """What a pretended training takes, and its model."""
        return replace(
            studies.COST,
            seconds=self.seconds(payload),
            milliseconds_per_100=self.milliseconds(payload),
        )

    def selected(self, job: SelectJob) -> Selected:
        """Select the plain mean of all runs."""
        return mean_of(len(job.scores))

    def keys(self, kind: type[TrainJob] | type[ScoreTestJob] | type[SummaryJob]) -> list[str]:
        """Keys of the submitted jobs, in order."""
        return [job.key for job in self.jobs if isinstance(job.payload, kind)]

    @property
    def finalists(self) -> list[str]:
        """Trial numbers of finalists that were trained alone, one for each seed: `2 2 0 0`."""
        return [key.split("/")[1].split()[0] for key in self.keys(TrainJob) if " seed " in key]

    @property
    def tested(self) -> list[str]:
        """Trial numbers of finalists that were scored on test, one for each seed."""
        return [key.split("/")[1].split()[0] for key in self.keys(ScoreTestJob)]


def mean_of(num_runs: int) -> Selected:
    """The plain mean of so many runs."""
    gain = SelectionGain(0.0, -0.1, 0.1, 0.6, 0.6)
    selection = Selection((1 / num_runs,) * num_runs, "mean", "logits", gain, ())
    return Selected(selection, (TESTED,), Calibration(()), ())


@dataclass(frozen=True)
class Studio:
    """Launches in one folder, each with its own Pretender."""

    folder: Path
    patch: pytest.MonkeyPatch

    def launch(
        self,
        pretender: Pretender | None = None,
        more: str = "",
        arms: str = ARMS,
        finalists: str = "{top: 1, seeds: 2}",
        watcher: Watcher | None = None,
        slots: int = 1,
        *,
        features: str = FEATURES,
        without: str = "",
        **options: object,
    ) -> tuple[StudyRecord, Pretender]:
        """Run or resume study `s`; `more` are further lines of its file, `arms` and `features` its own.

        The key `without` is left out.
        """
        made = pretender or Pretender()
        self.patch.setattr(local, "start", lambda *_: made)
        (self.folder / "rate.yaml").write_text(SPACE)
        path = self.folder / "s.yaml"
        lines = STUDY.replace(FEATURES, features).splitlines(keepends=True)
        path.write_text(
            "".join(line for line in lines if not without or not line.startswith(f"{without}:"))
            + f"arms: {arms}\nfinalists: {finalists}\n"
            + more
        )
        given = LaunchOptions(output=self.folder / "out", **options)  # type: ignore[arg-type]  # as a caller writes them
        study = given.load(str(path))
        device = ChosenDevice(torch.device("cpu"))
        ready = PreparedStudy(study, PretendedData(self.folder), device, slots)  # type: ignore[arg-type]  # the part that is read
        ready = warm_started(ready, given, lambda _: None)
        return launch(ready, given, "hinet-search launch s", watcher or NullWatcher()), made

    def weights(self) -> list[str]:
        """Names of the weights on disk."""
        paths = self.folder.rglob("trial-*.safetensors")
        return sorted(path.name for path in paths if not {".scores", ".refit"} & {*path.suffixes})

    def refits(self) -> list[str]:
        """Files of refits on disk."""
        paths = self.folder.rglob("trial-*.refit.*")
        return sorted(f"{path.parent.name}/{path.name}" for path in paths)


def chosen(record: StudyRecord) -> Mapping[str, int]:
    """Trial number of each arm's chosen finalist."""
    return {
        arm.name: finalist.trial_number
        for arm in record.arms
        for finalist in arm.finalists
        if finalist.chosen
    }


@dataclass
class Listener(NullWatcher):
    """Keeps the events of a launch."""

    events: list[Event] = field(default_factory=list)

    def event(self, event: Event) -> None:
        self.events.append(event)

    def said(self, *kinds: str) -> list[str]:
        return [event.text for event in self.events if event.kind in kinds]


@dataclass
class Clock(NullWatcher):
    """A clock by which every job takes `step` seconds."""

    step: float = 0.0
    seconds: float = 0.0

    def tick(self, progress: Progress) -> None:
        self.seconds += self.step
        progress.seconds = self.seconds
