"""Job queue: a phase of jobs that are known before they start. Each is started once, in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hinet_search.executors import Job, JobFunction
from hinet_search.results.records import EvaluationRecord
from hinet_search.search.context import PhaseContext
from hinet_search.search.progress import Event
from hinet_search.training.jobs.messages import TrainingFailed, TrainingResult


@dataclass(frozen=True)
class QueuedJob:
    """A job, and what to do before it starts and with what it sent, once it has ended.

    `epochs` is 0 for a training that sends its `evaluations`. Without `store` a job may send
    nothing. Of jobs with `seconds`, which they may take, the longest come first. A report of its
    failure ends with `if_it_fails`.
    """

    key: str
    function: JobFunction
    payload: object
    store: Callable[[Any], None] | None = None
    before: Callable[[], None] = lambda: None
    epochs: float | None = None
    seconds: float = 0.0
    if_it_fails: str = ""
    evaluations: list[EvaluationRecord] = field(default_factory=list)


class JobQueue:
    """Runs jobs, of which none is pruned, and reports those that fail.

    A report begins with `prefix`. `num_done` jobs were done before. From `begin` on the study
    shows the queue's progress.
    """

    def __init__(
        self,
        name: str,
        jobs: Sequence[QueuedJob],
        context: PhaseContext,
        *,
        num_done: int = 0,
        prefix: str = "",
        begins: bool = True,
    ) -> None:
        self._name = name
        self._waiting: list[QueuedJob] = []
        self._running: dict[str, QueuedJob] = {}
        self._sent: dict[str, object] = {}
        self._context = context
        self._prefix = prefix
        self._num_done = self._num_jobs = 0
        self._has_begun = False
        self.add(jobs, num_done)
        if begins:
            self.begin()

    def add(self, jobs: Sequence[QueuedJob], num_done: int = 0) -> None:
        """Run these jobs too; others like them were done before."""
        self._waiting += jobs
        self._waiting.sort(key=lambda job: -job.seconds)
        self._num_done += num_done
        self._num_jobs += num_done + len(jobs)

    def begin(self) -> None:
        """Show this queue's progress as the progress of the study."""
        self._has_begun = True
        self._context.progress.begin(self._name, self._num_done, self._num_jobs)

    def next_job(self) -> Job | None:
        """Return the next job."""
        if not self._waiting:
            return None
        job = self._waiting.pop(0)
        job.before()
        self._running[job.key] = job
        self._context.progress.start(job.key, epochs=job.epochs)
        return Job(job.key, 1, job.function, job.payload)

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002
        """Take an evaluation, or keep what the job leaves."""
        progress = self._context.progress
        if isinstance(body, EvaluationRecord):
            self._running[key].evaluations.append(body)
            progress.running[key].on_evaluation(body, progress.rows)
        else:
            self._sent[key] = body

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Store what a job sent, or report its failure.

        A training that a signal stopped leaves nothing: the next launch resumes it.
        """
        job = self._running.pop(key)
        self._context.progress.running.pop(key)
        sent = self._sent.pop(key, None)
        if isinstance(sent, TrainingFailed):
            cause = sent.cause
        if isinstance(sent, TrainingResult):  # a signal may have cut it off
            is_result = sent.best is not None and not (stopping and sent.stopped)
        else:
            is_result = sent is not None and not isinstance(sent, TrainingFailed)
        if is_result and job.store:
            job.store(sent)
        elif stopping:
            return
        elif cause or (job.store and not is_result):
            reason = cause or "ended without a result"
            text = f"{self._prefix}{key}: {reason}{job.if_it_fails}"
            self._context.watcher.event(Event("failed", text, key))
            return  # it is still to be done, by the next launch
        self._num_done += 1
        if self._has_begun:
            self._context.progress.phase.done += 1

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Report that a job starts again in another process, a training from its checkpoint."""
        job = self._running[key]
        self._sent.pop(key, None)
        job.evaluations.clear()
        self._context.progress.start(key, epochs=job.epochs)
        self._context.report_retry(key, attempt, cause, self._prefix)
