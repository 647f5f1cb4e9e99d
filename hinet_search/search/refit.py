"""Refit: find the runs that a study ships, and train each on train and validation rows together.

What is shipped follows from the record (results/decision.py): every seed of the finalist of an arm
or a student, or every member of the ensemble. A later launch that ships something else refits that.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hinet_search.common import crash_points
from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import ENSEMBLE, RunKey
from hinet_search.results.finalist_values import chosen
from hinet_search.results.objectives import Objective
from hinet_search.results.records import EvaluationRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phases
from hinet_search.search.phases.finalists import Candidate, CandidateRun
from hinet_search.search.phases.job_queue import JobQueue, QueuedJob
from hinet_search.search.progress import Event
from hinet_search.training.jobs.messages import (
    RefitJob,
    Refitted,
    refit_files,
    refit_path,
    scores_path,
    weights_path,
)
from hinet_search.training.jobs.refit import refit
from hinet_search.training.run_state import best_evaluation, falls_at


def refit_shipped(
    candidates: Sequence[Candidate], context: PhaseContext
) -> Phases[Collection[RunKey]]:
    """Refit what the study ships, unless that was done; return its runs.

    A run of an earlier launch that this one does not train is announced and left as it is.
    """
    # All but the refit is done, and what a done study ships may differ from a running one.
    record = replace(context.store.load_record(), state="done")
    keys = shipped_runs(record)
    if not keys:
        context.watcher.event(Event("failed", "no refit: the study has nothing to ship yet"))
    by_number = {(each.arm.name, each.trial_number): each for each in candidates}
    evaluations = _evaluations(record)
    objective = Objective(record.objective)
    jobs = []
    num_done = 0
    for key in keys:
        candidate = by_number.get((key.arm, key.trial_number))
        best = best_evaluation(evaluations[key], objective)
        if candidate is None or best is None:
            text = f"no refit of {key.arm}/{key.trial_number}: this launch does not train it"
            context.watcher.event(Event("failed", text, f"{key.arm}/{key.trial_number}"))
            continue
        run = CandidateRun(candidate, key.seed, record.seed_number(key))
        # The weights are written last.
        if all(path.exists() for path in refit_files(run.weights(context.artifacts))):
            num_done += 1
        else:
            falls = falls_at(evaluations[key], objective, candidate.config.train)
            jobs.append(_refit_job(run, best, falls, context))
    yield JobQueue("refit", jobs, context, num_done=num_done, prefix="refit of ")
    return keys


def _refit_job(
    run: CandidateRun,
    best: EvaluationRecord,
    falls: Iterable[EvaluationRecord],
    context: PhaseContext,
) -> QueuedJob:
    """Return the job that refits a run, with the best evaluation and the falls of its training."""
    checkpoints = context.checkpoints / run.candidate.key / f"refit-seed-{run.seed}"
    training = replace(
        context.train_job(run.candidate.config, run.seed, checkpoints),
        weights=refit_path(run.weights(context.artifacts)),
        teacher=context.teacher_of(run.candidate.arm),
    )

    def tell(refitted: Refitted) -> None:
        crash_points.point("after_refit")
        context.drop(checkpoints)
        steps = f"{refitted.steps:,} steps on {refitted.rows:,} rows of train and validation"
        context.watcher.event(Event("refit", f"refit of {run.key}: {steps}", run.key))

    if_it_fails = "; the model that was tested is shipped"
    job = RefitJob(training, best, tuple(falls))
    return QueuedJob(run.key, refit, job, tell, if_it_fails=if_it_fails)


def shipped_runs(record: StudyRecord) -> list[RunKey]:
    """Return the runs of what a done study ships; none while it has nothing to ship."""
    taken = decision(record, verdict(record)).taken
    if taken is None:
        return []
    if taken.kind == "ensemble":
        ensemble = record.ensemble(ENSEMBLE)
        assert ensemble is not None, "it is shipped"
        return [member.run for member in ensemble.members]
    arm = next(arm for arm in (*record.arms, *record.students) if arm.name == taken.name)
    finalist = chosen(arm)
    assert finalist is not None, "it is shipped"
    return list(_runs(arm.name, [finalist]))


def drop_files(
    context: PhaseContext,
    finalists: Mapping[str, Sequence[FinalistRecord]],
    refitted: Collection[RunKey],
) -> None:
    """Keep only what can be shipped: no checkpoints, and refits of the runs `refitted` alone.

    Weights stay of chosen finalists and of the members of the ensemble, with several objectives of
    all finalists.
    """
    context.drop(context.checkpoints)
    artifacts = context.artifacts
    several = bool(context.spec.other_objectives)
    kept = set()
    for ensemble in context.store.ensembles():
        if ensemble.name == ENSEMBLE:
            kept |= {member.run for member in ensemble.members}
    for arm, of_arm in finalists.items():
        kept.update(_runs(arm, [each for each in of_arm if each.chosen or several]))
        for run in set(_runs(arm, of_arm)) - kept:
            weights = _weights(artifacts, run)
            weights.unlink(missing_ok=True)
            scores_path(weights).unlink(missing_ok=True)
    refits: set[Path] = set()
    for run in refitted:
        refits.update(refit_files(_weights(artifacts, run)))
    for path in set(artifacts.rglob("trial-*.refit.*safetensors")) - refits:
        path.unlink(missing_ok=True)


def _runs(arm: str, finalists: Iterable[FinalistRecord]) -> Iterable[RunKey]:
    for finalist in finalists:
        for run in finalist.runs:
            yield RunKey(arm, finalist.trial_number, run.seed)


def _weights(artifacts: Path, run: RunKey) -> Path:
    return weights_path(artifacts, run.arm, run.trial_number, run.seed)


def _evaluations(record: StudyRecord) -> Mapping[RunKey, tuple[EvaluationRecord, ...]]:
    """Return the evaluations of every run of a finalist."""
    evaluations = {}
    for arm in record.arms_and_students:
        for finalist in arm.finalists:
            for run in finalist.runs:
                key = RunKey(arm.name, finalist.trial_number, run.seed)
                evaluations[key] = run.evaluations
    return evaluations
