"""Single job: a phase with one job, which sends one result."""

from collections.abc import Callable
from typing import Any

from hinet_search.executors import Job
from hinet_search.search.context import PhaseContext
from hinet_search.search.progress import Event


class SingleJob:
    """Runs one job; `result` is what it sent, None if it failed."""

    def __init__(
        self,
        name: str,
        key: str,
        function: Callable[..., None],
        payload: Any,
        context: PhaseContext,
    ) -> None:
        self._waiting: Job | None = Job(key, 1, function, payload)
        self._context = context
        self.result: Any = None
        context.progress.begin(name, 0, 1)

    def next_job(self) -> Job | None:
        """Return the job once."""
        job, self._waiting = self._waiting, None
        if job is not None:
            self._context.progress.start(job.key, passes=None)
        return job

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002
        """Keep the result; the job is never stopped."""
        self.result = body

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Count the job as done, and report a failure."""
        self._context.progress.running.pop(key)
        self._context.progress.phase.done += 1
        if cause and not stopping:
            self._context.watcher.event(Event("failed", f"{key}: {cause}", key))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Report that the job starts again in another process."""
        self._context.report_retry(key, attempt, cause)
