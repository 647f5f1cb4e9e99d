"""Refit: train what a study ships once more, on the rows of train and validation together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hinet_search.common import crash_points
from hinet_search.executors import Job
from hinet_search.results.records import EvaluationRecord
from hinet_search.search.context import PhaseContext
from hinet_search.search.phases.finalists import CandidateRun, paired_seeds
from hinet_search.search.progress import Event
from hinet_search.training.jobs.messages import (
    RefitJob,
    Refitted,
    TrainingFailed,
    TrainJob,
    refit_files,
    refit_path,
)
from hinet_search.training.jobs.refit import refit


@dataclass(frozen=True)
class ShippedRun:
    """A run that the study ships, with the best evaluation of its training."""

    run: CandidateRun
    best: EvaluationRecord

    def is_refitted(self, artifacts: Path) -> bool:
        """Whether the files of its refit are there; the weights are written last."""
        return all(path.exists() for path in refit_files(self.run.weights(artifacts)))


class RefitPhase:
    """Trains the runs whose refit is missing; one that fails leaves the model before it to ship."""

    def __init__(self, runs: Sequence[ShippedRun], context: PhaseContext) -> None:
        self._context = context
        self._waiting = [each for each in runs if not each.is_refitted(context.artifacts)]
        self._running: dict[str, ShippedRun] = {}
        self._outcomes: dict[str, Refitted | TrainingFailed] = {}
        context.progress.begin("refit", len(runs) - len(self._waiting), len(runs))

    def next_job(self) -> Job | None:
        """Return the job of the next run."""
        if not self._waiting:
            return None
        shipped = self._waiting.pop(0)
        context = self._context
        run = shipped.run
        self._running[run.key] = shipped
        context.progress.start(run.key, passes=None)
        training = TrainJob(
            context.dataset,
            run.candidate.config,
            run.seed,
            context.spec.objective,
            context.device,
            refit_path(run.weights(context.artifacts)),
            self._checkpoints(run),
            context.teacher_of(run.candidate.arm),
            further=context.further,
        )
        shared = context.spec.finalists.shared_batches
        order_seed = paired_seeds(context.spec)[0] if shared else run.seed
        return Job(run.key, 1, refit, RefitJob(training, order_seed, shipped.best))

    def handle_message(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002
        """Keep the outcome; a refit is never pruned."""
        assert isinstance(body, Refitted | TrainingFailed), "a refit sends its outcome alone"
        self._outcomes[key] = body

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Report the refit; the next launch resumes a refit that a signal stopped."""
        run = self._running.pop(key).run
        outcome = self._outcomes.pop(key, None)
        context = self._context
        context.progress.running.pop(key)
        if isinstance(outcome, Refitted):
            crash_points.point("after_refit")
            context.drop(self._checkpoints(run))
            context.watcher.event(Event("refit", _done(key, outcome), key))
        elif not stopping:
            reason = outcome.cause if outcome else cause or "ended without a result"
            text = f"refit of {key}: {reason}; the model that was tested is shipped"
            context.watcher.event(Event("failed", text, key))
        context.progress.phase.done += 1

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Report that a refit resumes from its last checkpoint in another process."""
        self._context.report_retry(key, attempt, cause, "refit of ")

    def _checkpoints(self, run: CandidateRun) -> Path:
        return self._context.checkpoints / run.candidate.key / f"refit-seed-{run.seed}"


def _done(key: str, outcome: Refitted) -> str:
    return (
        f"refit of {key}: {outcome.steps:,} steps on {outcome.rows:,} rows of train and validation"
    )
