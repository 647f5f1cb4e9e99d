"""Open test split: score the chosen finalist of each arm on test, and count each test access first.

Test scores of other finalists are never computed.
"""

from collections.abc import Callable

from hinet_search.common import crash_points
from hinet_search.executors import Job
from hinet_search.search.context import PhaseContext
from hinet_search.search.phases.finalists import CandidateRun
from hinet_search.search.progress import Event
from hinet_search.training.jobs.messages import MetricsOnTest, ScoreTestJob
from hinet_search.training.jobs.score import score_test


class ScoreTestPhase:
    """Scores the chosen finalists on the test split; counts each access before it happens."""

    def __init__(self, runs: list[CandidateRun], context: PhaseContext) -> None:
        self._waiting = runs
        self._context = context
        self._running: dict[str, CandidateRun] = {}
        context.progress.begin("test", 0, len(runs))

    def next_job(self) -> Job | None:
        """Return the job that scores the next seed."""
        if not self._waiting:
            return None
        self._count(self._waiting[0])
        run = self._waiting.pop(0)
        context = self._context
        self._running[run.key] = run
        context.progress.start(run.key, passes=None)
        payload = ScoreTestJob(
            context.dataset,
            run.candidate.config,
            context.device,
            run.weights(context.artifacts),
            further=context.further,
        )
        return Job(run.key, 1, score_test, payload)

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002
        """Store the test cells of one seed; scoring is never stopped."""
        assert isinstance(body, MetricsOnTest), "an opening sends its cells"
        candidate = self._running[key].candidate
        self._context.store.set_test_cells(
            candidate.arm.name, candidate.trial_number, self._running[key].seed, body.cells
        )
        crash_points.point("after_test_cells")

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Count the job as done, and report a failure."""
        self._running.pop(key)
        self._context.progress.running.pop(key)
        self._context.progress.phase.done += 1
        if cause and not stopping:
            self._context.watcher.event(Event("failed", f"test of {key}: {cause}", key))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Report that a seed is scored again in another process."""
        self._context.report_retry(key, attempt, cause, "test of ")

    def _count(self, run: CandidateRun) -> None:
        """Count one test access for all waiting seeds of a finalist.

        Seeds of an access that was cut off were counted then, and are not counted again.
        """
        arm = run.candidate.arm.name
        number = run.candidate.trial_number
        if run.seed in self._context.store.accessed_seeds(self._context.fingerprint, arm, number):
            return
        seeds = [waiting.seed for waiting in self._waiting if waiting.candidate == run.candidate]
        self._context.store.record_test_access(self._context.fingerprint, arm, number, seeds)
        crash_points.point("after_opening")
        key = f"{arm}/{number}"
        text = f"test split for {arm}/{number}, chosen on validation"
        self._context.watcher.event(Event("opened", text, key))
