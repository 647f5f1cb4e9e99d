"""Finalists: train each arm's best trials and its default with paired seeds; choose on validation.

Every arm uses the same seeds, hence the same order of rows per seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from hinet_search.common import crash_points
from hinet_search.executors import Job
from hinet_search.results.objectives import Objective
from hinet_search.results.records import (
    NO_LIMITS,
    EvaluationRecord,
    FinalistRecord,
    FinalistRun,
    Scalar,
    ServingLimits,
)
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Stop
from hinet_search.search.progress import Event, value_text
from hinet_search.search.sampling import derive_seed
from hinet_search.study.load_study import Arm
from hinet_search.study.study_spec import FinalistSpec, StudySpec
from hinet_search.training.jobs.messages import (
    PartMessage,
    TrainingFailed,
    TrainingResult,
    TrainingsJob,
    TrainJob,
    refit_files,
    weights_path,
)
from hinet_search.training.jobs.train import train, train_together
from hinet_search.training.trial_config import TrialConfig, build_config


@dataclass(frozen=True)
class Candidate:
    """A configuration that may represent its arm, and the draw that it was built from.

    `seconds` is what its trial took.
    """

    arm: Arm
    trial_number: int
    drawn: Mapping[str, Scalar]
    config: TrialConfig
    seconds: float

    @property
    def key(self) -> str:
        """The candidate's name, such as `hinet/12`."""
        return f"{self.arm.name}/{self.trial_number}"

    @property
    def is_default(self) -> bool:
        """Whether this is the default configuration, which is always trial 0."""
        return self.trial_number == 0


@dataclass(frozen=True)
class CandidateRun:
    """One candidate with one seed."""

    candidate: Candidate
    seed: int

    @property
    def key(self) -> str:
        """The run's name, such as `hinet/12 seed 7`."""
        return f"{self.candidate.key} seed {self.seed}"

    def weights(self, artifacts: Path) -> Path:
        """Return the file of its best weights."""
        return weights_path(
            artifacts, self.candidate.arm.name, self.candidate.trial_number, self.seed
        )


def candidates_of(searches: Sequence[ArmSearch], finalists: FinalistSpec) -> list[Candidate]:
    """Return each arm's `top` best complete trials and its default, which may have been pruned.

    Without `finalists.default`, the default is only a candidate if no trial is complete.
    """
    return [each for search in searches for each in _candidates_of(search, finalists)]


def runs_of(searches: Sequence[ArmSearch], spec: StudySpec) -> list[CandidateRun]:
    """Return the runs of the candidates of these arms, seed by seed."""
    candidates = candidates_of(searches, spec.finalists)
    return [CandidateRun(each, seed) for seed in paired_seeds(spec) for each in candidates]


def _candidates_of(search: ArmSearch, finalists: FinalistSpec) -> list[Candidate]:
    trials = search.best_trials(finalists.top)
    default = search.trained_default()
    if default and (finalists.default or not trials):
        trials.append(default)
    arm = search.arm
    by_number = {
        trial.number: Candidate(
            arm,
            trial.number,
            trial.parameters,
            build_config(arm.model, arm.space.values(trial.parameters)),
            trial.cost.seconds if trial.cost else 0.0,
        )
        for trial in trials
    }
    return list(by_number.values())


def paired_seeds(spec: StudySpec) -> list[int]:
    """Return the finalist seeds, the same for every arm."""
    return [derive_seed(spec.seed, "finalist", index) for index in range(spec.finalists.seeds)]


class FinalistPhase:
    """Trains the runs that are not stored yet, and stores their results and weights.

    The longest come first, so that no slot waits long for the last one. Runs can be added while
    others run; progress is that of this phase from `begin` on.
    """

    def __init__(
        self, stored: Mapping[str, tuple[FinalistRecord, ...]], context: PhaseContext
    ) -> None:
        self._stored = {
            (arm, finalist.trial_number, run.seed)
            for arm, finalists in stored.items()
            for finalist in finalists
            for run in finalist.runs
        }
        self._context = context
        self._waiting: list[tuple[CandidateRun, ...]] = []
        self._running: dict[str, tuple[CandidateRun, ...]] = {}
        self._evaluations: dict[str, list[EvaluationRecord]] = {}
        self._outcomes: dict[str, TrainingResult | TrainingFailed] = {}
        self._num_runs = self._num_done = 0
        self._has_begun = False

    @classmethod
    def of(
        cls,
        runs: Sequence[CandidateRun],
        stored: Mapping[str, tuple[FinalistRecord, ...]],
        context: PhaseContext,
    ) -> "FinalistPhase":
        """Return the phase of these runs."""
        phase = cls(stored, context)
        phase.add(runs)
        phase.begin()
        return phase

    def add(self, runs: Sequence[CandidateRun]) -> None:
        """Train these runs too."""
        missing = [
            run
            for run in runs
            if (run.candidate.arm.name, run.candidate.trial_number, run.seed) not in self._stored
        ]
        self._num_runs += len(runs)
        self._num_done += len(runs) - len(missing)
        shared = self._context.spec.finalists.shared_batches
        self._waiting += _by_candidate(missing) if shared else [(run,) for run in missing]
        self._waiting.sort(key=lambda runs: -runs[0].candidate.seconds)

    def begin(self) -> None:
        """Let the progress of the study be that of this phase."""
        self._has_begun = True
        self._context.progress.begin("finalists", self._num_done, self._num_runs)

    def _count(self) -> None:
        self._num_done += 1
        if self._has_begun:
            self._context.progress.phase.done += 1

    def next_job(self) -> Job | None:
        """Return the next run, or all runs of the next candidate where they share batches."""
        if not self._waiting:
            return None
        runs = self._waiting.pop(0)
        for run in runs:
            _drop_refit(run, self._context.artifacts)
        jobs = tuple(self._train_job(run) for run in runs)
        shared = self._context.spec.finalists.shared_batches
        key = f"{runs[0].candidate.key} all seeds" if shared else runs[0].key
        self._running[key] = runs
        self._begin(key)
        if shared:
            first_seed = paired_seeds(self._context.spec)[0]
            parts = tuple(run.key for run in runs)
            return Job(key, 1, train_together, TrainingsJob(jobs, parts, first_seed))
        return Job(key, 1, train, jobs[0])

    def _train_job(self, run: CandidateRun) -> TrainJob:
        context = self._context
        return TrainJob(
            context.dataset,
            run.candidate.config,
            run.seed,
            context.spec.objective,
            context.device,
            run.weights(context.artifacts),
            self._checkpoints(run),
            context.teacher_of(run.candidate.arm),
            further=context.further,
        )

    def handle_message(self, key: str, body: object, stop: Stop) -> None:  # noqa: ARG002
        """Take an evaluation or the outcome of a run; finalists are never pruned."""
        run = self._running[key][0]
        if isinstance(body, PartMessage):
            run = next(run for run in self._running[key] if run.key == body.part)
            body = body.body
        if isinstance(body, TrainingResult | TrainingFailed):
            self._outcomes[run.key] = body
            return
        assert isinstance(body, EvaluationRecord), "a training sends evaluations and one outcome"
        self._evaluations[run.key].append(body)
        self._context.progress.running[key].on_evaluation(body, self._context.progress.rows)

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Store the runs that sent a result; the next launch resumes runs that a signal stopped."""
        self._context.progress.running.pop(key)
        for run in self._running.pop(key):
            self._end(run, cause, stopping=stopping)

    def _checkpoints(self, run: CandidateRun) -> Path:
        return self._context.checkpoints / run.candidate.key / f"seed-{run.seed}"

    def _end(self, run: CandidateRun, cause: str, *, stopping: bool) -> None:
        outcome = self._outcomes.pop(run.key, None)
        is_cut_off = stopping and isinstance(outcome, TrainingResult) and outcome.stopped
        if isinstance(outcome, TrainingResult) and outcome.best is not None and not is_cut_off:
            self._store(run, outcome)
        elif not stopping:
            self._count()
            if isinstance(outcome, TrainingFailed):
                cause = outcome.cause
            text = f"finalist {run.key}: {cause or 'ended without a result'}"
            self._context.watcher.event(Event("failed", text, run.key))

    def _store(self, run: CandidateRun, outcome: TrainingResult) -> None:
        assert outcome.best is not None, "checked by the caller"
        result = FinalistRun(
            run.seed,
            outcome.best.objective,
            outcome.best.cells,
            None,
            tuple(self._evaluations[run.key]),
            outcome.cost,
            outcome.insight,
        )
        candidate = run.candidate
        self._context.store.record_finalist(
            candidate.arm.name,
            candidate.trial_number,
            candidate.drawn,
            result,
            is_default=candidate.is_default,
        )
        crash_points.point("after_finalist")
        self._context.drop(self._checkpoints(run))
        self._count()
        value = result.valid_objective
        text = f"{run.key}: {value_text(value)} (valid)"
        self._context.watcher.event(Event("finalist", text, run.key, value))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Prepare for a run that resumes from its last checkpoint in another process."""
        self._begin(key)
        self._context.report_retry(key, attempt, cause, "finalist ")

    def _begin(self, key: str) -> None:
        for run in self._running[key]:
            self._evaluations[run.key] = []
            self._outcomes.pop(run.key, None)
        self._context.progress.start(key)


def _drop_refit(run: CandidateRun, artifacts: Path) -> None:
    """Remove the refit of a run whose weights are made again."""
    for path in refit_files(run.weights(artifacts)):
        path.unlink(missing_ok=True)


def _by_candidate(runs: Sequence[CandidateRun]) -> list[tuple[CandidateRun, ...]]:
    """Group runs by candidate."""
    by_key: dict[str, list[CandidateRun]] = {}
    for run in runs:
        by_key.setdefault(run.candidate.key, []).append(run)
    return [tuple(of_candidate) for of_candidate in by_key.values()]


def serving_limits(spec: StudySpec) -> ServingLimits:
    """Return what a shipped model of the study may cost."""
    return ServingLimits(**spec.serving.model_dump())


def choose(
    finalists: Sequence[FinalistRecord],
    objective: Objective,
    seeds: list[int],
    limits: ServingLimits = NO_LIMITS,
) -> FinalistRecord | None:
    """Return the finalist with the best mean validation value, among those with every seed.

    If some meet the serving limits, it is one of them. None when no finalist has every seed.
    """
    sign = 1.0 if objective.maximize else -1.0

    def is_complete(finalist: FinalistRecord) -> bool:
        return {run.seed for run in finalist.runs} >= set(seeds)

    def mean_value(finalist: FinalistRecord) -> float:
        return sign * fmean(run.valid_objective for run in finalist.runs if run.seed in seeds)

    def meets_limits(finalist: FinalistRecord) -> bool:
        return limits.share(finalist.cost) <= 1

    complete = [finalist for finalist in finalists if is_complete(finalist)]
    eligible = [finalist for finalist in complete if meets_limits(finalist)] or complete
    return max(eligible, key=mean_value, default=None)
