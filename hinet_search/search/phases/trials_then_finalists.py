"""Trials, then finalists: those of an arm begin once its own trials have ended.

While the last trials of other arms run, slots that would wait for them train finalists.
"""

from collections.abc import Callable

from hinet_search.executors import Job
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phase
from hinet_search.search.phases.finalists import add_finalists, keys_of, runs_of
from hinet_search.search.phases.job_queue import JobQueue
from hinet_search.search.phases.trials import TrialPhase


class TrialsThenFinalists:
    """Two phases at once; trials go first.

    `trials_ended` is called once no trial is left: from then on progress is that of the finalists,
    however many have ended before.
    """

    def __init__(
        self,
        trials: TrialPhase,
        context: PhaseContext,
        trials_ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._trials = trials
        self._finalists = JobQueue("finalists", [], context, prefix="finalist ", begins=False)
        self._stored = keys_of(context.store.finalists())
        self._context = context
        self._trials_ended = trials_ended
        self._phase_of: dict[str, Phase] = {}
        self._added: set[str] = set()
        self._trials_left = True

    def next_job(self) -> Job | None:
        """Return the next trial, or where there is none left to start, the next finalist."""
        if self._trials_left and (job := self._trials.next_job()):
            self._phase_of[job.key] = self._trials
            return job
        done = [arm for arm in self._trials.done() if arm.arm.name not in self._added]
        self._added |= {arm.arm.name for arm in done}
        runs = runs_of(done, self._context.spec)
        add_finalists(self._finalists, runs, self._stored, self._context)
        if self._trials_left and not self._trials.running:
            self._trials_left = False
            self._trials_ended()
            self._finalists.begin()
        if job := self._finalists.next_job():
            self._phase_of[job.key] = self._finalists
        return job

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:
        """Pass a message on."""
        self._phase_of[key].handle_message(key, body, stop)

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Pass the end of a job on."""
        self._phase_of.pop(key).end(key, cause, stopping=stopping)

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Pass on that a job starts again."""
        self._phase_of[key].retry(key, attempt, cause)
