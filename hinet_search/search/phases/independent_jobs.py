"""Independent jobs: a phase of jobs that each send one result, in any order."""

from collections.abc import Callable, Sequence
from typing import Any

from hinet_search.executors import Job
from hinet_search.search.context import PhaseContext
from hinet_search.search.progress import Event


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
