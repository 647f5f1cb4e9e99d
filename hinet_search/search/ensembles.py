"""Ensembles: choose finalist runs to average, let the average teach, and open it on test.

An ensemble is made once for a pool of runs. A later launch with the same pool finds it stored; one
with another pool makes it again, and first retrains the runs whose weights are gone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from hinet_search.common import crash_points
from hinet_search.executors import JobFunction
from hinet_search.results.ensemble_records import (
    ENSEMBLE,
    TEACHER,
    EnsembleRecord,
    EnsembleSize,
    Member,
)
from hinet_search.results.finalist_values import headline
from hinet_search.results.objectives import Objective
from hinet_search.results.records import NO_LIMITS, Cost
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phases
from hinet_search.search.phases.finalists import CandidateRun, finalist_queue, serving_limits
from hinet_search.search.phases.job_queue import JobQueue, QueuedJob
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
    WeightedScores,
    score_ensemble,
    score_member,
    score_train,
    select_members,
)
from hinet_search.training.jobs.messages import (
    Split,
    ensemble_scores_path,
    scores_path,
    split_scores_path,
)
from hinet_search.training.tensors import has_tensor

# The name under which test accesses of an ensemble are counted; no arm can have it.
OF_ENSEMBLE = "(ensemble)"


class Ensembles:
    """Makes the ensembles of one study.

    A selection takes one slot: the jobs of `beside` run on the others meanwhile.
    """

    def __init__(self, context: PhaseContext, beside: Callable[[], Sequence[QueuedJob]]) -> None:
        self._context = context
        self._beside = beside

    def make(self, name: str, pool: Sequence[CandidateRun]) -> Phases[EnsembleRecord | None]:
        """Select the members from the pool and store the ensemble; None if the job failed."""
        context = self._context
        spec = context.spec
        limits = serving_limits(spec) if name == ENSEMBLE else NO_LIMITS
        keys = {run.run_key for run in pool}
        for stored in context.store.ensembles():
            if (stored.name, set(stored.pool), stored.limits) == (name, keys, limits):
                return stored
        yield from self._retrain_lost(pool)
        if name == TEACHER:  # students are of another one
            drop_students(context, tuple(context.store.students()))
        shares = None
        if limits.are_set:
            costs = self._costs()
            shares = tuple(limits.share(costs[run.candidate.key]) for run in pool)
        job = SelectJob(
            context.dataset,
            tuple(scores_path(run.weights(context.artifacts)) for run in pool),
            spec.objective,
            derive_seed(spec.seed, name, 0),
            shares,
            context.further,
        )
        key = f"selection of the {name}"
        selected = yield from self._result(name, key, select_members, job, self._beside())
        if not isinstance(selected, Selected):
            return None
        record = _record(name, pool, selected, Objective(spec.objective))
        record = replace(record, limits=limits)
        context.store.record_ensemble(record)
        crash_points.point("after_ensemble")
        text = (
            f"{name} of {len(record.members)} of {len(pool)} runs ({record.method}): "
            f"{value_text(record.valid_objective)} (valid), selecting gains "
            f"{difference_text(selected.selection.gain.estimate)} over the mean, cross-fitted"
        )
        context.watcher.event(Event("ensemble", text, name, record.valid_objective))
        return record

    def teach(self, teacher: EnsembleRecord, pool: Sequence[CandidateRun]) -> Phases[Path | None]:
        """Return the file of the teacher's scores of the training rows, made unless it is there.

        None if the job failed.
        """
        context = self._context
        path = context.artifacts / f"teacher-{identity_of(teacher)}.safetensors"
        if path.exists():
            return path
        members = yield from self._scored_members(teacher, pool, "train", "valid")
        if members is None:
            return None
        job = TeachJob(context.dataset, members, teacher.scale, path)
        queued = QueuedJob("scores of the teacher", score_train, job)
        yield JobQueue("teacher", [queued], context)
        self._forget_scores("train", "valid")
        return path if path.exists() else None

    def open_on_test(self, ensemble: EnsembleRecord, pool: Sequence[CandidateRun]) -> Phases[None]:
        """Score the ensemble on test, unless that was done; its test access is counted first."""
        context = self._context
        spec = context.spec
        if ensemble.test_cells is not None:
            return
        self._count_access(ensemble)
        members = yield from self._scored_members(ensemble, pool, "test")
        if members is None:
            return
        job = ScoreEnsembleJob(
            context.dataset,
            members,
            ensemble.scale,
            ensemble_scores_path(context.artifacts),
            headline(spec.objective),
            derive_seed(spec.seed, "users", 0),
            context.further,
        )
        on_test = yield from self._result("test", "test of the ensemble", score_ensemble, job)
        self._forget_scores("test")
        if isinstance(on_test, EnsembleOnTest):
            tested = replace(ensemble, test_cells=on_test.cells, resampled=on_test.resampled)
            context.store.record_ensemble(tested)
            crash_points.point("after_ensemble_on_test")

    def _result(
        self,
        name: str,
        key: str,
        function: JobFunction,
        payload: object,
        beside: Sequence[QueuedJob] = (),
    ) -> Phases[object]:
        """Run a job and those beside it; return what it sent, None if it failed or sent nothing."""
        sent: list[object] = []
        job = QueuedJob(key, function, payload, store=sent.append)
        yield JobQueue(name, [job, *beside], self._context)
        return sent[0] if sent else None

    def _costs(self) -> dict[str, Cost]:
        """Return the costs of all finalists by their names."""
        costs = {}
        for arm, finalists in self._context.store.finalists().items():
            for finalist in finalists:
                costs[f"{arm}/{finalist.trial_number}"] = finalist.cost
        return costs

    def _retrain_lost(self, runs: Sequence[CandidateRun]) -> Phases[None]:
        """Train the runs again whose weights or scores of validation are gone."""
        lost = []
        for run in runs:
            weights = run.weights(self._context.artifacts)
            if not (weights.exists() and scores_path(weights).exists()):
                lost.append(run)
        if lost:
            yield finalist_queue(lost, {}, self._context)

    def _scored_members(
        self, ensemble: EnsembleRecord, pool: Sequence[CandidateRun], *splits: Split
    ) -> Phases[tuple[WeightedScores, ...] | None]:
        """Return the members with their scores of splits; None if some could not be made."""
        context = self._context
        weights = {each.run: each.weight for each in ensemble.members}
        runs = [run for run in pool if run.run_key in weights]
        yield from self._retrain_lost(runs)
        costs = self._costs()

        def dearest_first(run: CandidateRun) -> float:
            return -(costs[run.candidate.key].milliseconds_per_100 or 0.0)

        jobs = []
        for run, split in product(sorted(runs, key=dearest_first), splits):
            if not has_tensor(self._scores(run, split), f"{split}_logits"):
                config = run.candidate.config
                stored = run.weights(context.artifacts)
                device = context.spec.device
                job = ScoreMemberJob(context.dataset, config, device, stored, split=split)
                jobs.append(QueuedJob(f"{run.key} on {split}", score_member, job))
        if jobs:
            yield JobQueue(f"scores of the {ensemble.name}", jobs, context)
        members = []
        for run in runs:
            scores = {split: self._scores(run, split) for split in splits}
            if not all(path.exists() for path in scores.values()):
                return None
            members.append(WeightedScores(weights[run.run_key], scores))
        return tuple(members)

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

    def _count_access(self, ensemble: EnsembleRecord) -> None:
        """Count the test access of an ensemble; another selection is another access."""
        store = self._context.store
        fingerprint = self._context.fingerprint
        number = int(identity_of(ensemble)[:7], 16)
        if store.accessed_seeds(fingerprint, OF_ENSEMBLE, number):
            return
        seeds = sorted({member.run.seed for member in ensemble.members})
        store.record_test_access(fingerprint, OF_ENSEMBLE, number, seeds)
        crash_points.point("after_ensemble_opening")
        text = f"the ensemble of {len(ensemble.members)} runs is scored on the test split"
        self._context.watcher.event(Event("test", text, ensemble.name))


def identity_of(ensemble: EnsembleRecord) -> str:
    """Return 16 digits that differ between ensembles with other members or weights."""
    text = repr((ensemble.scale, sorted(ensemble.members, key=repr)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _record(
    name: str, pool: Sequence[CandidateRun], selected: Selected, objective: Objective
) -> EnsembleRecord:
    keys = [run.run_key for run in pool]
    selection = selected.selection
    weights = zip(keys, selection.weight_M, strict=True)
    members = tuple(Member(key, weight) for key, weight in weights if weight > 0)
    sizes = []
    for size in selection.sizes:
        of_size = tuple(keys[index] for index in size.members)
        sizes.append(EnsembleSize(of_size, size.value, size.crossfitted))
    return EnsembleRecord(
        name,
        tuple(keys),
        members,
        selection.method,
        selection.scale,
        objective(selected.valid_cells),
        selected.valid_cells,
        selection.gain,
        tuple(sizes),
        calibration=selected.calibration,
        copies=tuple((keys[left], keys[right]) for left, right in selected.copies),
    )
