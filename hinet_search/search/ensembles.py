"""Ensembles: choose finalist runs to average, let the average teach, and open it on test.

An ensemble is made once for a pool of runs. A later launch with the same pool finds it stored; one
with another pool makes it again, and first retrains the runs whose weights are gone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hinet_search.common import crash_points
from hinet_search.executors import Job, JobFunction
from hinet_search.results.ensemble_records import (
    ENSEMBLE,
    TEACHER,
    EnsembleRecord,
    EnsembleSize,
    Member,
    RunKey,
    SelectionGain,
)
from hinet_search.results.finalist_values import headline
from hinet_search.results.objectives import Objective
from hinet_search.results.records import NO_LIMITS, Cost, ServingLimits
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phase
from hinet_search.search.phases.finalists import CandidateRun, FinalistPhase, serving_limits
from hinet_search.search.progress import Event, difference_text, value_text
from hinet_search.search.sampling import derive_seed
from hinet_search.search.students import drop_students
from hinet_search.training.jobs.ensemble import (
    EnsembleOnTest,
    ScoreEnsembleJob,
    ScoreMemberJob,
    Selected,
    SelectJob,
    TeachJob,
    WeightedModel,
    score_ensemble,
    score_member,
    score_train,
    select_members,
)
from hinet_search.training.jobs.messages import (
    Split,
    StoredModel,
    ensemble_scores_path,
    scores_path,
    split_scores_path,
)
from hinet_search.training.tensors import has_tensor

# The name under which test accesses of an ensemble are counted; no arm can have it.
OF_ENSEMBLE = "(ensemble)"


class Ensembles:
    """Makes the ensembles of one study on its executor; `drive` runs a phase."""

    def __init__(self, context: PhaseContext, drive: Callable[[Phase], None]) -> None:
        self._context = context
        self._drive = drive

    def _stored(
        self, name: str, pool: Sequence[CandidateRun], limits: ServingLimits
    ) -> EnsembleRecord | None:
        """Return the stored ensemble of that name made from this pool within these limits."""
        keys = {run_key(run) for run in pool}
        for ensemble in self._context.store.ensembles():
            is_same = set(ensemble.pool) == keys and ensemble.limits == limits
            if ensemble.name == name and is_same:
                return ensemble
        return None

    def make(self, name: str, pool: Sequence[CandidateRun]) -> EnsembleRecord | None:
        """Select the members from the pool and store the ensemble; None if the job failed."""
        context = self._context
        spec = self._context.spec
        limits = serving_limits(spec) if name == ENSEMBLE else NO_LIMITS
        if stored := self._stored(name, pool, limits):
            return stored
        self._retrain_lost(pool)
        if name == TEACHER:
            self._forget_students()
        scores = tuple(scores_path(run.weights(context.artifacts)) for run in pool)
        seed = derive_seed(spec.seed, name, 0)
        job = SelectJob(
            context.dataset,
            scores,
            spec.objective,
            seed,
            self._shares(pool, limits),
            context.further,
        )
        selected = self._result(name, f"selection of the {name}", select_members, job)
        if not isinstance(selected, Selected):
            return None
        record = _record(name, pool, selected, Objective(spec.objective))
        record = replace(record, limits=limits)
        context.store.record_ensemble(record)
        crash_points.point("after_ensemble")
        text = f"{name} of {len(record.members)} of {len(pool)} runs ({record.method})"
        value = record.valid_objective
        context.watcher.event(
            Event("ensemble", f"{text}: {value_text(value)} (valid){_gain(record)}", name, value)
        )
        return record

    def teach(self, teacher: EnsembleRecord, pool: Sequence[CandidateRun]) -> Path | None:
        """Return the file of the teacher's scores of the training rows, made unless it is there.

        None if the job failed.
        """
        context = self._context
        path = context.artifacts / f"teacher-{identity_of(teacher)}.safetensors"
        if path.exists():
            return path
        members = self._scored_members(teacher, pool, "train", "valid")
        if members is None:
            return None
        job = TeachJob(members, teacher.scale, path)
        self._result("teacher", "scores of the teacher", score_train, job)
        self._forget_scores("train", "valid")
        return path if path.exists() else None

    def open_on_test(self, ensemble: EnsembleRecord, pool: Sequence[CandidateRun]) -> None:
        """Score the ensemble on test, unless that was done; its test access is counted first."""
        context = self._context
        spec = self._context.spec
        if ensemble.test_cells is not None:
            return
        self._count(ensemble)
        members = self._scored_members(ensemble, pool, "test")
        if members is None:
            return
        job = ScoreEnsembleJob(
            members,
            ensemble.scale,
            ensemble_scores_path(context.artifacts),
            headline(spec.objective),
            derive_seed(spec.seed, "users", 0),
            context.further,
        )
        on_test = self._result("test", "test of the ensemble", score_ensemble, job)
        self._forget_scores("test")
        if isinstance(on_test, EnsembleOnTest):
            tested = replace(ensemble, test_cells=on_test.cells, resampled=on_test.resampled)
            context.store.record_ensemble(tested)
            crash_points.point("after_ensemble_on_test")

    def _result(self, name: str, key: str, function: JobFunction, payload: object) -> object:
        """Run one job; return what it sent, None if it failed."""
        phase = IndependentJobs(name, [Job(key, 1, function, payload)], self._context)
        self._drive(phase)
        return phase.results.get(key)

    def _shares(
        self, pool: Sequence[CandidateRun], limits: ServingLimits
    ) -> tuple[float, ...] | None:
        """Return the share of the serving limits that each run takes; None without limits."""
        if not limits.are_set:
            return None
        costs = self._costs()
        return tuple(limits.share(costs[run.candidate.key]) for run in pool)

    def _costs(self) -> dict[str, Cost]:
        """Return the costs of all finalists by their names."""
        return {
            f"{arm}/{finalist.trial_number}": finalist.cost
            for arm, finalists in self._context.store.finalists().items()
            for finalist in finalists
        }

    def _retrain_lost(self, runs: Sequence[CandidateRun]) -> None:
        """Train the runs again whose weights or scores are gone."""
        lost = [run for run in runs if not has_files(run, self._context.artifacts)]
        if lost:
            self._drive(FinalistPhase.of(lost, {}, self._context))

    def _forget_students(self) -> None:
        """Drop the students of another teacher."""
        drop_students(self._context, tuple(self._context.store.students()))

    def _scored_members(
        self, ensemble: EnsembleRecord, pool: Sequence[CandidateRun], *splits: Split
    ) -> tuple[WeightedModel, ...] | None:
        """Return the members with their scores of splits, which all slots make where they lack.

        None if some could not be made. The dearest are made first, so that no slot waits long for
        the last one.
        """
        weights = {each.run: each.weight for each in ensemble.members}
        runs = [run for run in pool if run_key(run) in weights]
        self._retrain_lost(runs)
        costs = self._costs()
        lacking = [
            (run, split)
            for run in sorted(
                runs, key=lambda run: -(costs[run.candidate.key].milliseconds_per_100 or 0.0)
            )
            for split in splits
            if not has_tensor(self._scores(run, split), f"{split}_logits")
        ]
        if lacking:
            jobs = [self._job_of_member(run, split) for run, split in lacking]
            self._drive(IndependentJobs(f"scores of the {ensemble.name}", jobs, self._context))
        if not all(self._scores(run, split).exists() for run, split in lacking):
            return None
        return tuple(
            WeightedModel(
                self._stored_model(run),
                weights[run_key(run)],
                {split: self._scores(run, split) for split in splits},
            )
            for run in runs
        )

    def _job_of_member(self, run: CandidateRun, split: Split) -> Job:
        payload = ScoreMemberJob(**vars(self._stored_model(run)), split=split)
        return Job(f"{run.key} on {split}", 1, score_member, payload)

    def _stored_model(self, run: CandidateRun) -> StoredModel:
        context = self._context
        weights = run.weights(context.artifacts)
        return StoredModel(context.dataset, run.candidate.config, context.device, weights)

    def _scores(self, run: CandidateRun, split: Split) -> Path:
        """Return the file of a run's scores of a split: what it left itself, if that has them."""
        weights = run.weights(self._context.artifacts)
        left = scores_path(weights)
        return left if has_tensor(left, f"{split}_logits") else split_scores_path(weights, split)

    def _forget_scores(self, *splits: Split) -> None:
        """Remove what was scored for an average, once it is stored."""
        for split in splits:
            for path in self._context.artifacts.glob(f"*/trial-*.{split}.safetensors"):
                path.unlink(missing_ok=True)

    def _count(self, ensemble: EnsembleRecord) -> None:
        """Count the test access of an ensemble; another selection is another access."""
        store = self._context.store
        fingerprint = self._context.fingerprint
        number = int(identity_of(ensemble)[:7], 16)
        if store.accessed_seeds(fingerprint, OF_ENSEMBLE, number):
            return
        seeds = sorted({member.run.seed for member in ensemble.members})
        store.record_test_access(fingerprint, OF_ENSEMBLE, number, seeds)
        crash_points.point("after_ensemble_opening")
        text = f"test split for the ensemble of {len(ensemble.members)} runs"
        self._context.watcher.event(Event("opened", text, ensemble.name))


def run_key(run: CandidateRun) -> RunKey:
    """Return the name of a run in an ensemble."""
    return RunKey(run.candidate.arm.name, run.candidate.trial_number, run.seed)


def has_files(run: CandidateRun, artifacts: Path) -> bool:
    """Whether the weights of a run and its scores of validation are there."""
    weights = run.weights(artifacts)
    return weights.exists() and scores_path(weights).exists()


def identity_of(ensemble: EnsembleRecord) -> str:
    """Return 16 digits that differ between ensembles with other members or weights."""
    text = repr((ensemble.scale, sorted(ensemble.members, key=repr)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _record(
    name: str, pool: Sequence[CandidateRun], selected: Selected, objective: Objective
) -> EnsembleRecord:
    keys = [run_key(run) for run in pool]
    selection = selected.selection
    members = tuple(
        Member(key, weight)
        for key, weight in zip(keys, selection.weight_M, strict=True)
        if weight > 0
    )
    sizes = tuple(
        EnsembleSize(tuple(keys[index] for index in size.members), size.value, size.crossfitted)
        for size in selection.sizes
    )
    return EnsembleRecord(
        name,
        tuple(keys),
        members,
        selection.method,
        selection.scale,
        objective(selected.valid_cells),
        selected.valid_cells,
        SelectionGain(**asdict(selection.gain)),
        sizes,
        calibration=selected.calibration,
        copies=tuple((keys[left], keys[right]) for left, right in selected.copies),
    )


def _gain(record: EnsembleRecord) -> str:
    if record.gain is None:
        return ""
    return f", selecting gains {difference_text(record.gain.estimate)} over the mean, cross-fitted"


class IndependentJobs:
    """Starts jobs in order; `results` has what each sent, by its key, and lacks what failed."""

    def __init__(self, name: str, jobs: Sequence[Job], context: PhaseContext) -> None:
        self._waiting = list(jobs)
        self._context = context
        self.results: dict[str, Any] = {}
        context.progress.begin(name, 0, len(jobs))

    def next_job(self) -> Job | None:
        """Return the next job, each once."""
        if not self._waiting:
            return None
        job = self._waiting.pop(0)
        self._context.progress.start(job.key, passes=None)
        return job

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002
        """Keep the result; no job is ever stopped."""
        self.results[key] = body

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Count the job as done, and report a failure."""
        self._context.progress.running.pop(key)
        self._context.progress.phase.done += 1
        if cause and not stopping:
            self._context.watcher.event(Event("failed", f"{key}: {cause}", key))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Report that a job starts again in another process."""
        self._context.report_retry(key, attempt, cause)
