"""Scores on test: score the chosen finalist of each arm on test, and summarise it over its seeds.

Each test access is counted first. Test scores of other finalists are never computed.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean

from hinet_search.common import crash_points
from hinet_search.results.finalist_values import headline
from hinet_search.results.objectives import Objective
from hinet_search.results.records import FinalistRecord, FinalistSummary
from hinet_search.search.context import PhaseContext
from hinet_search.search.phases.finalists import CandidateRun
from hinet_search.search.phases.job_queue import JobQueue, QueuedJob
from hinet_search.search.progress import Event
from hinet_search.search.sampling import derive_seed
from hinet_search.training.jobs.messages import (
    MetricsOnTest,
    ScoreTestJob,
    scores_path,
    weights_path,
)
from hinet_search.training.jobs.score import SummaryJob, score_test, summarise


def best_arm(finalists: Mapping[str, Sequence[FinalistRecord]], objective: Objective) -> str:
    """Return the arm whose chosen finalist has the best mean on validation; empty without one."""
    means = {}
    for arm, of_arm in finalists.items():
        for finalist in of_arm:
            if finalist.chosen:
                means[arm] = fmean(run.valid_objective for run in finalist.runs)
    pick = max if objective.maximize else min
    return pick(means, key=means.__getitem__, default="")


def scoring_phase(runs: Sequence[CandidateRun], context: PhaseContext, best: str = "") -> JobQueue:
    """Score these runs on the test split; count each access before it happens.

    Of the arm `best`, measure on validation what its inputs are worth to it.
    """

    def count_access(run: CandidateRun) -> None:
        """Count one access for all seeds of a finalist.

        Seeds of an access that was cut off were counted then, and are not counted again.
        """
        arm = run.candidate.arm.name
        number = run.candidate.trial_number
        counted = context.store.accessed_seeds(context.fingerprint, arm, number)
        if run.seed in counted:
            return
        seeds = [each.seed for each in runs if each.candidate == run.candidate]
        uncounted = [seed for seed in seeds if seed not in counted]
        context.store.record_test_access(context.fingerprint, arm, number, uncounted)
        crash_points.point("after_opening")
        text = f"{run.candidate.key}, chosen on validation, is scored on the test split"
        context.watcher.event(Event("test", text, run.candidate.key))

    def store_cells(run: CandidateRun, metrics: MetricsOnTest) -> None:
        candidate = run.candidate
        context.store.set_test_cells(
            candidate.arm.name, candidate.trial_number, run.seed, metrics.cells
        )
        crash_points.point("after_test_cells")

    jobs = []
    for run in runs:
        payload = ScoreTestJob(
            context.dataset,
            run.candidate.config,
            context.spec.device,
            run.weights(context.artifacts),
            further=context.further_on_test,
            seed=run.seed if run.candidate.arm.name == best else None,
        )
        store = partial(store_cells, run)
        jobs.append(QueuedJob(run.key, score_test, payload, store, partial(count_access, run)))
    return JobQueue("test", jobs, context, prefix="test of ")


def summary_jobs(
    finalists: Mapping[str, Sequence[FinalistRecord]], seeds: Sequence[int], context: PhaseContext
) -> list[QueuedJob]:
    """Summarise the chosen finalists that are scored on every seed and lack a summary of the seeds.

    One job per arm; all draw the same users.
    """
    jobs = []
    for arm, of_arm in finalists.items():
        for finalist in of_arm:
            scored = {run.seed for run in finalist.runs if run.test_cells is not None}
            is_summarised = finalist.summary and finalist.summary.seeds == tuple(seeds)
            if finalist.chosen and scored >= set(seeds) and not is_summarised:
                jobs.append(_summary_job(arm, finalist, seeds, context))
    return jobs


def _summary_job(
    arm: str, finalist: FinalistRecord, seeds: Sequence[int], context: PhaseContext
) -> QueuedJob:
    number = finalist.trial_number
    objective = Objective(context.spec.objective)
    pick = max if objective.maximize else min
    runs = [run for run in finalist.runs if run.seed in seeds]
    paths = [weights_path(context.artifacts, arm, number, seed) for seed in seeds]
    payload = SummaryJob(
        dataset=context.dataset,
        scores=tuple(map(scores_path, paths)),
        seeds=tuple(seeds),
        best_seed=pick(runs, key=lambda run: run.valid_objective).seed,
        headline=headline(context.spec.objective),
        seed=derive_seed(context.spec.seed, "users", 0),
        further=context.further,
    )

    def store(summary: FinalistSummary) -> None:
        context.store.record_summary(arm, number, summary)
        crash_points.point("after_summary")

    return QueuedJob(f"summary of {arm}/{number}", summarise, payload, store)
