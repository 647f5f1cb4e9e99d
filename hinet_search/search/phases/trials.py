"""Trials: run all arms' trials on the slots, so that arms spend equal shares of the budget.

The finalists of an arm begin once its own trials have ended: while the last trials of other arms
run, slots that would wait for them train finalists.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from optuna.trial import TrialState

from hinet_search.common import crash_points
from hinet_search.common.errors import AllTrialsFailed
from hinet_search.executors import Job
from hinet_search.results.causes import without_numbers
from hinet_search.results.objectives import Objective
from hinet_search.results.records import Cost, EvaluationRecord
from hinet_search.search.arm_search import ArmSearch, DrawnTrial
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phase
from hinet_search.search.phases.finalists import add_finalists, runs_of, stored_values
from hinet_search.search.phases.job_queue import JobQueue
from hinet_search.search.progress import Event, JobProgress, difference_text, value_text
from hinet_search.search.sampling import derive_seed
from hinet_search.training.jobs.messages import TrainingFailed, TrainingResult
from hinet_search.training.jobs.train import train

SAME_CAUSE_LIMIT = 5
DECIDED = "decided before: its only configuration is trained as a finalist"


@dataclass(frozen=True)
class _End:
    """How a trial of an arm ended. `cause` is empty when the trial gave a value."""

    arm: str
    cause: str


class TrialPhase:
    """Asks arms for trials, passes evaluations on to them, and ends each trial.

    Trials start within `most_seconds`; the default of every arm is trained in any case. An arm ends
    when its last SAME_CAUSE_LIMIT trials failed with one cause; the study ends when no other arm
    has given a value. A running trial keeps its checkpoints in a folder of its own.
    """

    def __init__(self, arms: list[ArmSearch], context: PhaseContext) -> None:
        self._arms = {arm.arm.name: arm for arm in arms}
        self._context = context
        self._spec = context.spec
        self._progress = context.progress
        self._watcher = context.watcher
        self._objective = Objective(context.spec.objective)
        self._most_seconds = math.inf
        self._outcomes: dict[str, TrainingResult | TrainingFailed] = {}
        self._pruned: set[str] = set()
        self._same_cause: list[_End] = []  # the latest ends, while all failed with one cause
        self._same_cause_of: dict[str, list[_End]] = defaultdict(list)  # the same of each arm
        self._events_sent: set[str] = set()
        self._begin()

    def go_on(self, context: PhaseContext, most_seconds: float) -> None:
        """Prepare for another round: more trials, and another limit of time."""
        self._context = context
        self._spec = context.spec
        self._most_seconds = most_seconds
        self._begin()

    def _begin(self) -> None:
        for name, arm in self._arms.items():
            self._progress.arms[name] = arm.progress()  # with trials of earlier launches
        budget = sum(arm.budget for arm in self._arms.values())
        trained = sum(self._progress.arms[name].trained for name in self._arms)
        self._progress.begin("search", trained, budget)
        self._began = self._progress.seconds

    @property
    def seconds(self) -> float:
        """Seconds since the phase began."""
        return self._progress.seconds - self._began

    @property
    def running(self) -> bool:
        """Whether a trial runs."""
        return any(arm.running for arm in self._arms.values())

    def done(self) -> list[ArmSearch]:
        """Return the arms without a running trial: once no trial can start, they are done."""
        return [arm for arm in self._arms.values() if not arm.running]

    def next_job(self) -> Job | None:
        """Return a trial of the arm that has started the fewest.

        When time is up, only an interrupted trial, or the first trial of an arm.
        """
        in_time = self.seconds <= self._most_seconds
        if not in_time:
            self._say_once(f"time is up: no further trial of {', '.join(self._arms)} starts")
        for arm in sorted(self._arms.values(), key=lambda arm: arm.started):
            if self._fails(arm):
                continue
            job = self._next_of(arm, in_time=in_time)
            if arm.exhausted:
                self._say_once(
                    f"{arm.arm.name} ends with {arm.started} of {self._spec.trials} trials: "
                    f"{arm.why_exhausted}"
                )
            if job is not None:
                return job
        return None

    def _next_of(self, arm: ArmSearch, *, in_time: bool) -> Job | None:
        """Return the next trial of an arm; one whose values do not fit together fails at once."""
        while not self._fails(arm):
            drawn_trial = arm.ask(new=in_time or arm.started == 0)
            if drawn_trial is None:
                return None
            if drawn_trial.config is None:
                self._failed(arm, drawn_trial.number, drawn_trial.problem)
            elif not arm.arm.is_decided:
                return self._job(arm, drawn_trial)
            else:  # there is nothing to decide: it is not trained
                arm.finish(drawn_trial.number, TrialState.PRUNED, None, None, DECIDED)
                self._progress.arms[arm.arm.name].pruned += 1
            self._count_end(arm)
        return None

    def _job(self, arm: ArmSearch, trial: DrawnTrial) -> Job:
        assert trial.config is not None, "others have failed at once"
        key = f"{arm.arm.name}/{trial.number}"
        self._progress.start(key)
        seed = derive_seed(self._spec.seed, "trial", trial.number)
        job = replace(
            self._context.train_job(trial.config, seed, self._context.checkpoints / key),
            teacher=self._context.teacher_of(arm.arm),
            measured_first=bool(self._spec.other_objectives),
        )
        return Job(key, trial.attempt, train, job)

    def _say_once(self, text: str) -> None:
        if text not in self._events_sent:
            self._events_sent.add(text)
            self._watcher.event(Event("short", text))

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:
        """Take a cost, an evaluation or the outcome; stop a trial that should be pruned."""
        if isinstance(body, TrainingResult | TrainingFailed):
            self._outcomes[key] = body
            return
        arm, number = self._of(key)
        if isinstance(body, Cost):
            arm.measured(number, body)
            return
        assert isinstance(body, EvaluationRecord), "a training sends evaluations and one outcome"
        self._progress.running[key].on_evaluation(body, self._progress.rows)
        if arm.on_evaluation(number, body) and key not in self._pruned:
            self._pruned.add(key)
            stop()

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Complete, prune or fail a trial; the next launch resumes one that a signal stopped.

        A result counts once it was sent, even when the process died before it reported its end.
        """
        arm, number = self._of(key)
        running = self._progress.running.pop(key)
        outcome = self._outcomes.pop(key, None)
        stopped = isinstance(outcome, TrainingResult) and outcome.stopped
        if stopping and (outcome is None or (stopped and key not in self._pruned)):
            arm.leave(number)
            return
        if isinstance(outcome, TrainingResult) and outcome.best is not None:
            self._succeeded(arm, number, outcome, running)
        else:
            if isinstance(outcome, TrainingFailed):
                cause = outcome.cause
            self._failed(arm, number, cause or "ended without a result")
        self._context.drop(self._context.checkpoints / key)  # after the trial's end is written
        crash_points.point("after_checkpoints_dropped")
        self._count_end(arm)

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Prepare for a trial that resumes from its last checkpoint in another process."""
        arm, number = self._of(key)
        self._pruned.discard(key)
        self._outcomes.pop(key, None)
        arm.began(number, attempt)
        self._context.report_retry(key, attempt, cause)
        self._progress.start(key)

    def _succeeded(
        self, arm: ArmSearch, number: int, outcome: TrainingResult, running: JobProgress
    ) -> None:
        assert outcome.best is not None, "checked by the caller"
        counters = self._progress.arms[arm.arm.name]
        value = outcome.best.objective
        self._note_end(_End(arm.arm.name, ""))
        if running.key in self._pruned and outcome.stopped:
            cause = (
                f"pruned at epoch {running.epochs:.2f}: "
                f"{self._objective.name} {value_text(running.values[-1])}"
            )
            arm.finish(number, TrialState.PRUNED, None, outcome.cost, cause)
            counters.pruned += 1
            return
        arm.finish(number, TrialState.COMPLETE, value, outcome.cost, "")
        counters.done += 1
        if counters.best is None or self._objective.better(value, counters.best):
            before = counters.best
            counters.best = value
            counters.best_trial = number
            change = "" if before is None else f" ({difference_text(value - before)})"
            self._watcher.event(
                Event("best", f"{running.key} {value_text(value)}{change}", running.key, value)
            )

    def _failed(self, arm: ArmSearch, number: int, cause: str) -> None:
        arm.finish(number, TrialState.FAIL, None, None, cause)
        self._progress.arms[arm.arm.name].failed += 1
        self._watcher.event(
            Event("failed", f"{arm.arm.name}/{number}: {cause}", f"{arm.arm.name}/{number}")
        )
        self._note_end(_End(arm.arm.name, cause))

    def _note_end(self, end: _End) -> None:
        self._same_cause = _with_same_cause(self._same_cause, end)
        self._same_cause_of[end.arm] = _with_same_cause(self._same_cause_of[end.arm], end)

    def _count_end(self, arm: ArmSearch) -> None:
        """Count a trial that ended; stop where all arms that gave a value fail with one cause."""
        self._progress.phase.done += 1
        recent = self._same_cause
        have_worked = {arm.name for arm in self._progress.arms.values() if arm.done or arm.pruned}
        if len(recent) >= SAME_CAUSE_LIMIT and have_worked <= {end.arm for end in recent}:
            raise AllTrialsFailed(
                f"{len(recent)} trials in a row failed with one cause: {recent[-1].cause}"
            )
        if ends := self._fails(arm):
            trials = f"{self._progress.arms[arm.arm.name].trained} of {arm.budget} trials"
            causes = f"its last {SAME_CAUSE_LIMIT} failed with one cause: {ends[-1].cause}"
            self._say_once(f"{arm.arm.name} ends with {trials}: {causes}")

    def _fails(self, arm: ArmSearch) -> list[_End]:
        """Return the last ends of an arm if they failed with one cause and are enough to end it."""
        recent = self._same_cause_of[arm.arm.name]
        return recent if len(recent) >= SAME_CAUSE_LIMIT else []

    def _of(self, key: str) -> tuple[ArmSearch, int]:
        name, number = key.rsplit("/", 1)
        return self._arms[name], int(number)


def _with_same_cause(ends: Sequence[_End], last: _End) -> list[_End]:
    """Return the ends in a row, up to the last one, that failed with its cause."""
    if not last.cause:
        return []
    same = ends and without_numbers(ends[-1].cause) == without_numbers(last.cause)
    return [*ends, last] if same else [last]


class TrialsThenFinalists:
    """Two phases at once; trials go first.

    Once no trial is left, progress counts the finalists, however many have ended before, and
    `ahead` further jobs.
    """

    def __init__(self, trials: TrialPhase, context: PhaseContext, ahead: int = 0) -> None:
        self._trials = trials
        self._finalists = JobQueue("finalists", [], context, prefix="finalist ", begins=False)
        self._values = stored_values(context.store.finalists())
        self._context = context
        self._ahead = ahead
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
        add_finalists(self._finalists, runs, self._values, self._context)
        if self._trials_left and not self._trials.running:
            self._trials_left = False
            self._context.progress.ahead = self._ahead
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
