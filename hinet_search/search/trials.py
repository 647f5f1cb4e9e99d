"""The search phase: every arm's trials on the slots, arms in turn so that all have spent the same share of the budget."""

import math
from collections.abc import Callable

from optuna.trial import TrialState

from hinet_search import faults
from hinet_search.errors import AllTrialsFailed
from hinet_search.executors import Job
from hinet_search.objective import Objective
from hinet_search.records import EvaluationRecord
from hinet_search.search.arm_search import MAX_REDRAWS, ArmSearch
from hinet_search.search.progress import Event, JobProgress, Progress, difference_text, value_text
from hinet_search.search.room import Room
from hinet_search.search.sampling import derive_seed
from hinet_search.trial import Trained, TrainingFailed, TrainJob, train

SAME_CAUSE_LIMIT = 5


class TrialPhase:
    """Asks arms for trials, passes evaluations on, and decides with each what became of it.

    `share` of the study's minutes is for these arms and those searched before them, which spent `seconds_before`; the
    default of every arm is trained in any case. A trial keeps its checkpoints in a folder of its own while it runs.
    """

    def __init__(self, arms: list[ArmSearch], room: Room, *, seconds_before: float, share: float = 1.0) -> None:
        self._arms = {arm.arm.name: arm for arm in arms}
        self._room = room
        self._spec = room.spec
        self._progress = room.progress
        self._watcher = room.watcher
        self._objective = Objective(room.spec.objective)
        self._seconds_before = seconds_before
        self._minutes = math.inf if room.spec.wall_clock_minutes is None else share * room.spec.wall_clock_minutes
        self._outcomes: dict[str, Trained | TrainingFailed] = {}
        self._pruned: set[str] = set()
        self._causes: list[str] = []
        self._said: set[str] = set()
        for name, arm in self._arms.items():
            _fill(room.progress, name, arm)
        room.progress.begin("search", self._trained(), room.spec.trials * len(arms))

    @property
    def seconds(self) -> float:
        """That it has lasted."""
        return self._progress.seconds - self._progress.phase.began

    def next_job(self) -> Job | None:
        """A trial of the arm that has started the smallest share of its budget.

        When time is up only one that was interrupted, or the first of an arm.
        """
        in_time = self._seconds_before + self.seconds <= self._minutes * 60
        if not in_time:
            minutes, names = f"{round(self._minutes, 1):g}", ", ".join(self._arms)
            self._say_once(f"time is up after {minutes} minutes of search: no further trial of {names} starts")
        for arm in sorted(self._arms.values(), key=lambda arm: arm.started):
            asked = arm.ask(new=in_time or arm.started == 0)
            if arm.exhausted:
                trials = f"{arm.started} of {self._spec.trials} trials"
                self._say_once(f"{arm.arm.name} ends with {trials}: its space gave nothing new in {MAX_REDRAWS} draws")
            if asked is not None:
                key = f"{arm.arm.name}/{asked.number}"
                self._progress.start(key)
                seed = derive_seed(self._spec.seed, "trial", asked.number)
                values = arm.arm.space.values(asked.drawn)
                payload = TrainJob(
                    self._room.dataset, arm.arm.model, values, seed, self._spec.objective, self._room.device,
                    checkpoints=self._room.checkpoints / key,
                )  # fmt: skip
                return Job(key, asked.attempt, train, payload)
        return None

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._watcher.event(Event("short", text))

    def hear(self, key: str, body: object, stop: Callable[[], None]) -> None:
        """An evaluation, or the outcome of a training."""
        if isinstance(body, Trained | TrainingFailed):
            self._outcomes[key] = body
            return
        assert isinstance(body, EvaluationRecord), "a training sends evaluations and one outcome"
        arm, number = self._of(key)
        self._progress.running[key].evaluated(body, self._progress.rows)
        if arm.evaluated(number, body) and key not in self._pruned:
            self._pruned.add(key)
            stop()

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Complete, prune or fail the trial; one that a signal stopped stays open, and the next launch goes on with it.

        A result counts once it was sent, even when the process died before it said that it had ended.
        """
        arm, number = self._of(key)
        running = self._progress.running.pop(key)
        outcome = self._outcomes.pop(key, None)
        given_up = isinstance(outcome, Trained) and outcome.stopped and key not in self._pruned
        if stopping and (outcome is None or given_up):
            arm.leave(number)
            return
        if isinstance(outcome, Trained) and outcome.best is not None:
            self._succeeded(arm, number, outcome, running)
        else:
            said = outcome.cause if isinstance(outcome, TrainingFailed) else cause
            self._failed(arm, number, said or "ended without a result")
        self._room.drop(self._room.checkpoints / key)  # not before the trial's end is written
        faults.point("after_checkpoints_dropped")
        self._progress.phase.done += 1
        self._stop_at_one_cause()

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """The trial goes on from its last checkpoint on another process."""
        arm, number = self._of(key)
        self._pruned.discard(key)
        self._outcomes.pop(key, None)
        arm.began(number, attempt)
        self._progress.start(key)
        self._room.tell_retry(key, attempt, cause)

    def _succeeded(self, arm: ArmSearch, number: int, outcome: Trained, running: JobProgress) -> None:
        assert outcome.best is not None, "checked by the caller"
        counters = self._progress.arms[arm.arm.name]
        value = outcome.best.objective
        self._causes.clear()
        if running.key in self._pruned and outcome.stopped:
            last = f"pruned at pass {running.passes:.2f}: {self._objective.name} {value_text(running.values[-1])}"
            arm.finish(number, TrialState.PRUNED, None, outcome.cost, last)
            counters.pruned += 1
            return
        arm.finish(number, TrialState.COMPLETE, value, outcome.cost, "")
        counters.done += 1
        if counters.best is None or self._objective.better(value, counters.best):
            before, counters.best, counters.best_trial = counters.best, value, number
            change = "" if before is None else f" ({difference_text(value - before)})"
            self._watcher.event(Event("best", f"{running.key} {value_text(value)}{change}", running.key, value))

    def _failed(self, arm: ArmSearch, number: int, cause: str) -> None:
        arm.finish(number, TrialState.FAIL, None, None, cause)
        self._progress.arms[arm.arm.name].failed += 1
        self._watcher.event(Event("failed", f"{arm.arm.name}/{number}: {cause}", f"{arm.arm.name}/{number}"))
        self._causes.append(cause)

    def _stop_at_one_cause(self) -> None:
        recent = self._causes[-SAME_CAUSE_LIMIT:]
        if len(recent) == SAME_CAUSE_LIMIT and len(set(recent)) == 1:
            raise AllTrialsFailed(f"{SAME_CAUSE_LIMIT} trials in a row failed with one cause: {recent[0]}")

    def _of(self, key: str) -> tuple[ArmSearch, int]:
        name, number = key.rsplit("/", 1)
        return self._arms[name], int(number)

    def _trained(self) -> int:
        return sum(self._progress.arms[name].trained for name in self._arms)


def _fill(progress: Progress, name: str, arm: ArmSearch) -> None:
    """Set an arm's counters from what earlier runs left."""
    counts, counters = arm.counts(), progress.arms[name]
    counters.done, counters.pruned, counters.failed = counts.done, counts.pruned, counts.failed
    counters.best, counters.best_trial = counts.best, counts.best_trial
