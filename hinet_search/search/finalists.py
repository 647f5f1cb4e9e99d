"""Finalists: the best trials of each arm and its default, retrained with paired seeds; the best mean is opened on test.

Every arm uses the same seeds, hence the same data order per seed. Chosen on validation only; the others' test scores
are never computed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from hinet_search import faults
from hinet_search.executors import Job
from hinet_search.objective import Objective
from hinet_search.records import EvaluationRecord, FinalistRecord, FinalistRun, Scalar
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.progress import Event, value_text
from hinet_search.search.room import Room
from hinet_search.search.sampling import derive_seed
from hinet_search.spec import StudySpec
from hinet_search.study import Arm
from hinet_search.trial import (
    OfSeed,
    Opened,
    OpenTestJob,
    SeedsJob,
    Trained,
    TrainingFailed,
    TrainJob,
    open_test,
    train,
    train_seeds,
    weights_path,
)


@dataclass(frozen=True)
class Candidate:
    """A configuration that may represent its arm."""

    arm: Arm
    trial_number: int
    drawn: Mapping[str, Scalar]

    @property
    def key(self) -> str:
        """`hinet/12`."""
        return f"{self.arm.name}/{self.trial_number}"

    @property
    def is_default(self) -> bool:
        """The default configuration is always trial 0."""
        return self.trial_number == 0


@dataclass(frozen=True)
class Run:
    """One candidate with one seed."""

    candidate: Candidate
    seed: int

    @property
    def key(self) -> str:
        """`hinet/12 seed 7`."""
        return f"{self.candidate.key} seed {self.seed}"

    def weights(self, artifacts: Path) -> Path:
        """Where its best weights are kept."""
        return weights_path(artifacts, self.candidate.arm.name, self.candidate.trial_number, self.seed)


def candidates_of(search: ArmSearch, top: int) -> list[Candidate]:
    """The `top` best complete trials and the default, which may have been pruned as a trial."""
    default = search.trained_default()
    trials = [*search.complete_trials()[:top], *([default] if default else [])]
    by_number = {trial.number: Candidate(search.arm, trial.number, trial.params) for trial in trials}
    return list(by_number.values())


def paired_seeds(spec: StudySpec) -> list[int]:
    """The same for every arm."""
    return [derive_seed(spec.seed, "finalist", index) for index in range(spec.finalists.seeds)]


class FinalistPhase:
    """Trains the runs that are not stored yet, and keeps their weights."""

    def __init__(self, runs: list[Run], stored: Mapping[str, tuple[FinalistRecord, ...]], room: Room) -> None:
        done = {
            (arm, finalist.trial_number, run.seed)
            for arm, finalists in stored.items()
            for finalist in finalists
            for run in finalist.runs
        }
        self._room = room
        missing = [run for run in runs if (run.candidate.arm.name, run.candidate.trial_number, run.seed) not in done]
        self._waiting = _by_candidate(missing) if room.spec.finalists.shared_batches else [(run,) for run in missing]
        self._running: dict[str, tuple[Run, ...]] = {}
        self._evaluations: dict[str, list[EvaluationRecord]] = {}
        self._outcomes: dict[str, Trained | TrainingFailed] = {}
        room.progress.begin("finalists", len(runs) - len(missing), len(runs))

    def next_job(self) -> Job | None:
        """The next run, or all runs of the next candidate where they share their batches."""
        if not self._waiting:
            return None
        runs = self._waiting.pop(0)
        jobs = tuple(self._train_job(run) for run in runs)
        shared = self._room.spec.finalists.shared_batches
        key = f"{runs[0].candidate.key} all seeds" if shared else runs[0].key
        self._running[key] = runs
        self._begin(key)
        if shared:
            return Job(key, 1, train_seeds, SeedsJob(jobs, paired_seeds(self._room.spec)[0]))
        return Job(key, 1, train, jobs[0])

    def _train_job(self, run: Run) -> TrainJob:
        room, candidate = self._room, run.candidate
        return TrainJob(
            room.dataset, candidate.arm.model, candidate.arm.space.values(candidate.drawn), run.seed,
            room.spec.objective, room.device, run.weights(room.artifacts), self._checkpoints(run),
        )  # fmt: skip

    def hear(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002  finalists are never pruned
        """An evaluation, or the outcome."""
        run = self._running[key][0]
        if isinstance(body, OfSeed):
            run, body = next(one for one in self._running[key] if one.seed == body.seed), body.body
        if isinstance(body, Trained | TrainingFailed):
            self._outcomes[run.key] = body
            return
        assert isinstance(body, EvaluationRecord), "a training sends evaluations and one outcome"
        self._evaluations[run.key].append(body)
        self._room.progress.running[key].evaluated(body, self._room.progress.rows)

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Store the runs that sent a result; with one that a signal stopped the next launch goes on."""
        self._room.progress.running.pop(key)
        for run in self._running.pop(key):
            self._end(run, cause, stopping=stopping)

    def _checkpoints(self, run: Run) -> Path:
        return self._room.checkpoints / run.candidate.key / f"seed-{run.seed}"

    def _end(self, run: Run, cause: str, *, stopping: bool) -> None:
        outcome = self._outcomes.pop(run.key, None)
        if isinstance(outcome, Trained) and outcome.best is not None and not (stopping and outcome.stopped):
            kept = FinalistRun(
                run.seed, outcome.best.objective, outcome.best.cells, None,
                tuple(self._evaluations[run.key]), outcome.cost, outcome.insight,
            )  # fmt: skip
            candidate = run.candidate
            self._room.store.record_finalist(
                candidate.arm.name, candidate.trial_number, candidate.drawn, kept, is_default=candidate.is_default
            )
            faults.point("after_finalist")
            self._room.drop(self._checkpoints(run))
            self._room.progress.phase.done += 1
            self._room.watcher.event(
                Event(
                    "finalist", f"{run.key}: {value_text(kept.valid_objective)} (valid)", run.key, kept.valid_objective
                )
            )
        elif not stopping:
            self._room.progress.phase.done += 1
            said = outcome.cause if isinstance(outcome, TrainingFailed) else cause
            self._room.watcher.event(
                Event("failed", f"finalist {run.key}: {said or 'ended without a result'}", run.key)
            )

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """The run goes on from its last checkpoint on another process."""
        self._begin(key)
        self._room.tell_retry(key, attempt, cause, "finalist ")

    def _begin(self, key: str) -> None:
        for run in self._running[key]:
            self._evaluations[run.key] = []
            self._outcomes.pop(run.key, None)
        self._room.progress.start(key)


def _by_candidate(runs: Sequence[Run]) -> list[tuple[Run, ...]]:
    """The runs of each candidate together."""
    keys = dict.fromkeys(run.candidate.key for run in runs)
    return [tuple(run for run in runs if run.candidate.key == key) for key in keys]


def choose(finalists: Sequence[FinalistRecord], objective: Objective, seeds: list[int]) -> FinalistRecord | None:
    """The finalist with the best mean validation value among those with every seed; None when there is none."""
    whole = [finalist for finalist in finalists if {run.seed for run in finalist.runs} >= set(seeds)]
    sign = 1.0 if objective.maximize else -1.0
    return max(
        whole,
        key=lambda finalist: sign * fmean(run.valid_objective for run in finalist.runs if run.seed in seeds),
        default=None,
    )


class OpeningPhase:
    """Opens the test split for the chosen finalists; each opening is counted before it happens."""

    def __init__(self, runs: list[Run], room: Room) -> None:
        self._waiting = runs
        self._room = room
        self._running: dict[str, Run] = {}
        room.progress.begin("test", 0, len(runs))

    def next_job(self) -> Job | None:
        """The next seed to score."""
        if not self._waiting:
            return None
        self._count(self._waiting[0])
        run = self._waiting.pop(0)
        candidate, room = run.candidate, self._room
        self._running[run.key] = run
        room.progress.start(run.key, passes=None)
        values = candidate.arm.space.values(candidate.drawn)
        payload = OpenTestJob(room.dataset, candidate.arm.model, values, room.device, run.weights(room.artifacts))
        return Job(run.key, 1, open_test, payload)

    def hear(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002  scoring is never stopped
        """The cells of one seed."""
        assert isinstance(body, Opened), "an opening sends its cells"
        candidate = self._running[key].candidate
        self._room.store.set_test_cells(candidate.arm.name, candidate.trial_number, self._running[key].seed, body.cells)
        faults.point("after_test_cells")

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Count it."""
        self._running.pop(key)
        self._room.progress.running.pop(key)
        self._room.progress.phase.done += 1
        if cause and not stopping:
            self._room.watcher.event(Event("failed", f"test of {key}: {cause}", key))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Scored again on another process."""
        self._room.tell_retry(key, attempt, cause, "test of ")

    def _count(self, run: Run) -> None:
        """Count one opening for all waiting seeds of a finalist; seeds of an opening that was cut off are counted."""
        arm, number = run.candidate.arm.name, run.candidate.trial_number
        if run.seed in self._room.store.opened_seeds(self._room.fingerprint, arm, number):
            return
        seeds = [one.seed for one in self._waiting if one.candidate == run.candidate]
        self._room.store.record_opening(self._room.fingerprint, arm, number, seeds)
        faults.point("after_opening")
        self._room.watcher.event(
            Event("opened", f"test split for {arm}/{number}, chosen on validation", f"{arm}/{number}")
        )
