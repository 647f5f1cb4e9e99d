"""Summaries: summarise each arm's chosen finalist over its seeds, once every seed is scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hinet_search.common import crash_points
from hinet_search.executors import Job
from hinet_search.results.finalist_values import headline
from hinet_search.results.objectives import Objective
from hinet_search.results.records import FinalistRecord, FinalistSummary
from hinet_search.search.context import PhaseContext
from hinet_search.search.progress import Event
from hinet_search.search.sampling import derive_seed
from hinet_search.training.jobs.messages import scores_path, weights_path
from hinet_search.training.jobs.summarise import SummaryJob, summarise


@dataclass(frozen=True)
class ScoredFinalist:
    """A finalist with a test value for every seed that counts."""

    arm: str
    trial_number: int
    seeds: tuple[int, ...]
    best_seed: int  # on validation

    @property
    def key(self) -> str:
        """The finalist's name, such as `hinet/12`."""
        return f"{self.arm}/{self.trial_number}"


def finalists_to_summarise(
    stored: Mapping[str, Sequence[FinalistRecord]], seeds: Sequence[int], objective: Objective
) -> list[ScoredFinalist]:
    """Return the chosen finalists that are scored on every seed and lack a summary of the seeds."""
    missing = []
    for arm, finalists in stored.items():
        for finalist in finalists:
            scored = {run.seed for run in finalist.runs if run.test_cells is not None}
            is_complete = finalist.chosen and scored >= set(seeds)
            summary = finalist.summary
            if is_complete and (summary is None or summary.seeds != tuple(seeds)):
                best = _best_seed(finalist, seeds, objective)
                missing.append(ScoredFinalist(arm, finalist.trial_number, tuple(seeds), best))
    return missing


def _best_seed(finalist: FinalistRecord, seeds: Sequence[int], objective: Objective) -> int:
    pick = max if objective.maximize else min
    runs = [run for run in finalist.runs if run.seed in seeds]
    return pick(runs, key=lambda run: run.valid_objective).seed


class SummaryPhase:
    """Runs one job per arm; all jobs draw the same users."""

    def __init__(self, finalists: list[ScoredFinalist], context: PhaseContext) -> None:
        self._waiting = finalists
        self._running: dict[str, ScoredFinalist] = {}
        self._context = context
        context.progress.begin("summaries", 0, len(finalists))

    def next_job(self) -> Job | None:
        """Return the job of the next arm."""
        if not self._waiting:
            return None
        finalist = self._waiting.pop(0)
        context = self._context
        self._running[finalist.key] = finalist
        context.progress.start(finalist.key, passes=None)
        arm = finalist.arm
        number = finalist.trial_number
        paths = (weights_path(context.artifacts, arm, number, seed) for seed in finalist.seeds)
        payload = SummaryJob(
            dataset=context.dataset,
            scores=tuple(scores_path(path) for path in paths),
            seeds=finalist.seeds,
            best_seed=finalist.best_seed,
            headline=headline(context.spec.objective),
            seed=derive_seed(context.spec.seed, "users", 0),
            further=context.further,
        )
        return Job(finalist.key, 1, summarise, payload)

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002
        """Store the summary; its job is never stopped."""
        assert isinstance(body, FinalistSummary), "a summary job sends its summary"
        finalist = self._running[key]
        self._context.store.record_summary(finalist.arm, finalist.trial_number, body)
        crash_points.point("after_summary")

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Count the job as done, and report a failure."""
        self._running.pop(key)
        self._context.progress.running.pop(key)
        self._context.progress.phase.done += 1
        if cause and not stopping:
            self._context.watcher.event(Event("failed", f"summary of {key}: {cause}", key))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Report that a summary starts again in another process."""
        self._context.report_retry(key, attempt, cause, "summary of ")
