"""Finalists: train each arm's best trials and its default with paired seeds; choose on validation.

Every arm uses the same seeds, hence the same order of rows per seed.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from hinet_search.common import crash_points
from hinet_search.common.amounts import counted
from hinet_search.results.ensemble_records import RunKey
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
from hinet_search.search.phases.job_queue import JobQueue, QueuedJob
from hinet_search.search.progress import Event, value_text
from hinet_search.search.sampling import derive_seed
from hinet_search.study.load_study import Arm
from hinet_search.study.study_spec import FinalistSpec, StudySpec
from hinet_search.training.jobs.messages import TrainingResult, refit_files, weights_path
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
    """One candidate with one of its paired seeds, and the seed's number from 1 on."""

    candidate: Candidate
    seed: int
    number: int

    @property
    def key(self) -> str:
        """The run's name, such as `hinet/12 seed 2`."""
        return f"{self.candidate.key} seed {self.number}"

    @property
    def run_key(self) -> RunKey:
        """The run's name in a record."""
        return RunKey(self.candidate.arm.name, self.candidate.trial_number, self.seed)

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
    """Return the runs of the arms' candidates, seed by seed."""
    runs = paired_runs(candidates_of(searches, spec.finalists), spec)
    return sorted(runs, key=lambda run: run.number)


def paired_runs(candidates: Sequence[Candidate], spec: StudySpec) -> list[CandidateRun]:
    """Return the runs of candidates; seeds are numbered as in reports, by their size."""
    seeds = sorted(paired_seeds(spec))
    runs = []
    for each in candidates:
        runs += [CandidateRun(each, seed, number) for number, seed in enumerate(seeds, start=1)]
    return runs


def paired_seeds(spec: StudySpec) -> list[int]:
    """Return the finalist seeds, the same for every arm."""
    return [derive_seed(spec.seed, "finalist", index) for index in range(spec.finalists.seeds)]


def stored_values(finalists: Mapping[str, Sequence[FinalistRecord]]) -> dict[RunKey, float]:
    """Return the values on validation of the stored runs."""
    values = {}
    for arm, of_arm in finalists.items():
        for finalist in of_arm:
            for run in finalist.runs:
                key = RunKey(arm, finalist.trial_number, run.seed)
                values[key] = run.valid_objective
    return values


def finalist_queue(
    runs: Sequence[CandidateRun], values: dict[RunKey, float], context: PhaseContext
) -> JobQueue:
    """Return the queue of the runs; see `add_finalists`."""
    queue = JobQueue("finalists", [], context, prefix="finalist ", begins=False)
    add_finalists(queue, runs, values, context)
    queue.begin()
    return queue


def add_finalists(
    queue: JobQueue,
    runs: Sequence[CandidateRun],
    values: dict[RunKey, float],
    context: PhaseContext,
) -> None:
    """Train the runs that have none of the `values`; store results and weights, add the values.

    The longest come first, so that no slot waits long for the last one. A finalist whose last run
    has ended is an event.
    """
    missing = [run for run in runs if run.run_key not in values]
    jobs = [_finalist_job(run, values, context) for run in missing]
    queue.add(jobs, num_done=len(runs) - len(missing))


def _finalist_job(
    run: CandidateRun, values: dict[RunKey, float], context: PhaseContext
) -> QueuedJob:
    candidate = run.candidate
    checkpoints = context.checkpoints / candidate.key / f"seed-{run.seed}"
    weights = run.weights(context.artifacts)
    evaluations: list[EvaluationRecord] = []

    def drop_refits() -> None:
        for refit in refit_files(weights):  # of the weights that are made again
            refit.unlink(missing_ok=True)

    def store(outcome: TrainingResult) -> None:
        assert outcome.best is not None, "checked by the queue"
        values[run.run_key] = outcome.best.objective
        result = FinalistRun(
            run.seed,
            outcome.best.objective,
            outcome.best.cells,
            None,
            tuple(evaluations),
            outcome.cost,
            outcome.insight,
        )
        context.store.record_finalist(
            candidate.arm.name,
            candidate.trial_number,
            candidate.drawn,
            result,
            is_default=candidate.is_default,
        )
        crash_points.point("after_finalist")
        context.drop(checkpoints)
        _report_whole(candidate, values, context)

    training = replace(
        context.train_job(candidate.config, run.seed, checkpoints),
        weights=weights,
        teacher=context.teacher_of(candidate.arm),
    )
    return QueuedJob(
        run.key,
        train,
        training,
        store,
        drop_refits,
        epochs=0.0,
        seconds=candidate.seconds,
        evaluations=evaluations,
    )


def _report_whole(
    candidate: Candidate, values: Mapping[RunKey, float], context: PhaseContext
) -> None:
    """Report the mean of a finalist all of whose runs have a value."""
    known = []
    for run in paired_runs([candidate], context.spec):
        if run.run_key not in values:
            return
        known.append(values[run.run_key])
    text = f"{value_text(fmean(known))} on validation, with {counted(len(known), 'seed')}"
    event = Event("finalist", f"{candidate.key}: {text}", candidate.key, fmean(known))
    context.watcher.event(event)


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
    complete = [
        finalist for finalist in finalists if {run.seed for run in finalist.runs} >= set(seeds)
    ]
    within = [finalist for finalist in complete if limits.share(finalist.cost) <= 1]

    def mean_value(finalist: FinalistRecord) -> float:
        return objective.sign * fmean(
            run.valid_objective for run in finalist.runs if run.seed in seeds
        )

    return max(within or complete, key=mean_value, default=None)
