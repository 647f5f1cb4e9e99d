"""Finalists: train each arm's best trials and its default with paired seeds; choose on validation.

Every arm uses the same seeds, hence the same order of rows per seed.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
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
from hinet_search.search.progress import Event, value_text
from hinet_search.search.sampling import derive_seed
from hinet_search.study.load_study import Arm
from hinet_search.study.study_spec import FinalistSpec, StudySpec
from hinet_search.training.jobs.messages import (
    TrainingFailed,
    TrainingResult,
    TrainJob,
    refit_files,
    weights_path,
)
from hinet_search.training.jobs.train import train
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
    candidates: dict[str, Candidate] = {}
    for search in searches:
        arm = search.arm
        trials = search.best_trials(finalists.top)
        default = search.trained_default()
        if default and (finalists.default or not trials):
            trials.append(default)
        for trial in trials:
            config = build_config(arm.model, arm.space.values(trial.parameters))
            seconds = trial.cost.seconds if trial.cost else 0.0
            candidate = Candidate(arm, trial.number, trial.parameters, config, seconds)
            candidates[candidate.key] = candidate
    return list(candidates.values())


def runs_of(searches: Sequence[ArmSearch], spec: StudySpec) -> list[CandidateRun]:
    """Return the runs of the candidates of these arms, seed by seed."""
    candidates = candidates_of(searches, spec.finalists)
    runs = []
    for seed in paired_seeds(spec):
        runs += [CandidateRun(each, seed) for each in candidates]
    return runs


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
        self._stored: set[str] = set()
        for arm, finalists in stored.items():
            for finalist in finalists:
                key = f"{arm}/{finalist.trial_number}"
                self._stored |= {f"{key} seed {run.seed}" for run in finalist.runs}
        self._context = context
        self._waiting: list[CandidateRun] = []
        self._running: dict[str, CandidateRun] = {}
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
        missing = [run for run in runs if run.key not in self._stored]
        self._num_runs += len(runs)
        self._num_done += len(runs) - len(missing)
        self._waiting += missing
        self._waiting.sort(key=lambda run: -run.candidate.seconds)

    def begin(self) -> None:
        """Let the progress of the study be that of this phase."""
        self._has_begun = True
        self._context.progress.begin("finalists", self._num_done, self._num_runs)

    def _count(self) -> None:
        self._num_done += 1
        if self._has_begun:
            self._context.progress.phase.done += 1

    def next_job(self) -> Job | None:
        """Return the next run."""
        if not self._waiting:
            return None
        run = self._waiting.pop(0)
        for refit in refit_files(run.weights(self._context.artifacts)):
            refit.unlink(missing_ok=True)  # of the weights that are made again
        self._running[run.key] = run
        self._begin(run.key)
        return Job(run.key, 1, train, self._train_job(run))

    def _train_job(self, run: CandidateRun) -> TrainJob:
        context = self._context
        return replace(
            context.train_job(run.candidate.config, run.seed, self._checkpoints(run)),
            weights=run.weights(context.artifacts),
            teacher=context.teacher_of(run.candidate.arm),
        )

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002
        """Take an evaluation or the outcome of a run; finalists are never pruned."""
        if isinstance(body, TrainingResult | TrainingFailed):
            self._outcomes[key] = body
            return
        assert isinstance(body, EvaluationRecord), "a training sends evaluations and one outcome"
        self._evaluations[key].append(body)
        self._context.progress.running[key].on_evaluation(body, self._context.progress.rows)

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Store a run that sent a result; the next launch resumes one that a signal stopped."""
        self._context.progress.running.pop(key)
        run = self._running.pop(key)
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

    def _checkpoints(self, run: CandidateRun) -> Path:
        return self._context.checkpoints / run.candidate.key / f"seed-{run.seed}"

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
        self._evaluations[key] = []
        self._outcomes.pop(key, None)
        self._context.progress.start(key)


def serving_limits(spec: StudySpec) -> ServingLimits:
    """Return what a shipped model of the study may cost."""
    return ServingLimits(**spec.serving.model_dump())


def choose(
    finalists: Sequence[FinalistRecord], numbers: Container[int], spec: StudySpec
) -> FinalistRecord | None:
    """Return the finalist of an arm with the best mean validation value over the paired seeds.

    It is one of those that have every seed, and if some of these meet the serving limits, one of
    them. `numbers` are the candidates of this launch: an earlier one may have had another budget.
    """
    known = [finalist for finalist in finalists if finalist.trial_number in numbers]
    return best_of(known, Objective(spec.objective), paired_seeds(spec), serving_limits(spec))


def best_of(
    finalists: Sequence[FinalistRecord],
    objective: Objective,
    seeds: Sequence[int],
    limits: ServingLimits = NO_LIMITS,
) -> FinalistRecord | None:
    """Return the one that `choose` describes; None when no finalist has every seed."""
    sign = 1.0 if objective.maximize else -1.0
    complete = [
        finalist for finalist in finalists if {run.seed for run in finalist.runs} >= set(seeds)
    ]
    within = [finalist for finalist in complete if limits.share(finalist.cost) <= 1]

    def mean_value(finalist: FinalistRecord) -> float:
        return sign * fmean(run.valid_objective for run in finalist.runs if run.seed in seeds)

    return max(within or complete, key=mean_value, default=None)
