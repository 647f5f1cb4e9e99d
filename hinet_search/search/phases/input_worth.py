"""Input worth: train one configuration with different groups of inputs, with paired seeds."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from hinet_search.common import crash_points
from hinet_search.executors import Job
from hinet_search.results.records import EvaluationRecord, InputRun
from hinet_search.search.context import PhaseContext
from hinet_search.search.progress import Event
from hinet_search.training.jobs.messages import TrainingFailed, TrainingResult, TrainJob
from hinet_search.training.jobs.train import train
from hinet_search.training.trial_config import TrialConfig

FOLDER = "(inputs)"  # of checkpoints; no arm can have this name


@dataclass(frozen=True)
class InputTraining:
    """A configuration of `arm` without the groups `left_out`, and a seed."""

    arm: str
    left_out: tuple[str, ...]
    config: TrialConfig
    seed: int

    @property
    def key(self) -> str:
        """The training's name, such as `without lists seed 7`."""
        inputs = f"without {', '.join(self.left_out)}" if self.left_out else "all inputs"
        return f"{inputs} seed {self.seed}"


class InputWorthPhase:
    """Trains what is not stored yet, and stores the objective on validation."""

    def __init__(
        self,
        trainings: Sequence[InputTraining],
        stored: Collection[InputRun],
        context: PhaseContext,
    ) -> None:
        done = {(run.left_out, run.seed) for run in stored}
        # Groups may have any names, so checkpoints are in numbered folders.
        self._folders = {each.key: str(number) for number, each in enumerate(trainings)}
        self._waiting = [each for each in trainings if (each.left_out, each.seed) not in done]
        self._running: dict[str, InputTraining] = {}
        self._outcomes: dict[str, TrainingResult | TrainingFailed] = {}
        self._context = context
        context.progress.begin("inputs", len(trainings) - len(self._waiting), len(trainings))

    def next_job(self) -> Job | None:
        """Return the next training."""
        if not self._waiting:
            return None
        training = self._waiting.pop(0)
        context = self._context
        self._running[training.key] = training
        context.progress.start(training.key)
        payload = TrainJob(
            context.dataset,
            training.config,
            training.seed,
            context.spec.objective,
            context.device,
            checkpoints=self._checkpoints(training.key),
            further=context.further,
        )
        return Job(training.key, 1, train, payload)

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002
        """Take an evaluation or the outcome; these trainings are never pruned."""
        if isinstance(body, TrainingResult | TrainingFailed):
            self._outcomes[key] = body
            return
        assert isinstance(body, EvaluationRecord), "a training sends evaluations and one outcome"
        progress = self._context.progress
        progress.running[key].on_evaluation(body, progress.rows)

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Store the value; the next launch resumes a training that a signal stopped."""
        self._context.progress.running.pop(key)
        training = self._running.pop(key)
        outcome = self._outcomes.pop(key, None)
        is_cut_off = stopping and isinstance(outcome, TrainingResult) and outcome.stopped
        if isinstance(outcome, TrainingResult) and outcome.best is not None and not is_cut_off:
            value = outcome.best.objective
            self._context.store.record_input_run(
                InputRun(training.arm, training.left_out, training.seed, value)
            )
            crash_points.point("after_input_run")
            self._context.drop(self._checkpoints(key))
        elif stopping:
            return
        else:
            if isinstance(outcome, TrainingFailed):
                cause = outcome.cause
            text = f"{key}: {cause or 'ended without a result'}"
            self._context.watcher.event(Event("failed", text, key))
        self._context.progress.phase.done += 1

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Prepare for a training that resumes from its last checkpoint in another process."""
        self._outcomes.pop(key, None)
        self._context.progress.start(key)
        self._context.report_retry(key, attempt, cause)

    def _checkpoints(self, key: str) -> Path:
        return self._context.checkpoints / FOLDER / self._folders[key]
