"""Training run: the conditions, schedule, state, batches and evaluations of one training.

Everything that changes during training is in TrainingState, the weights, the optimiser and torch's
random generators. The rows of every step depend on the seed and the epoch alone (row_order.py).
Shape legend: B rows of a batch, R rows of a split, S steps, T tasks.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, islice
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search.data.columns import Dataset
from hinet_search.data.schema import Schema
from hinet_search.models.layers.contracts import LengthAware, NumberAware
from hinet_search.results.objectives import Objective
from hinet_search.results.records import CellValue, EvaluationRecord
from hinet_search.training.best_weights import Best, keep_best
from hinet_search.training.device import peak_memory_bytes, sort_on
from hinet_search.training.feed import Feed, made_ahead, make_feed, predict
from hinet_search.training.metrics import NonFiniteScores, cell_values
from hinet_search.training.row_order import batches_of_epoch, reader_ahead, rows_together
from hinet_search.training.step_log import Diverged, StepLog
from hinet_search.training.train_config import TrainConfig

DRAWN_AHEAD_ROWS = 1_000_000  # from which on a thread draws the next epoch; fewer take a moment


@runtime_checkable
class TrainingWatcher(Protocol):
    """Follows a training from outside."""

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Receive a record; called after every evaluation."""

    def should_stop(self) -> bool:
        """Return True to stop the training; called before every step, so it must be cheap."""

    def notice(self, text: str) -> None:
        """Tell the user what differs from what was asked for."""


@dataclass(frozen=True)
class FitResult:
    """The outcome of a training, apart from the weights.

    `best_step` is the `step` of the best evaluation and `valid_objective` its value, by which
    trainings are compared; 0 and None before the first evaluation. `valid_cells` are of the weights
    that the model ends with; independent parts can take theirs from different evaluations.
    `stopped` is True if the watcher ended the training, and False after patience. `seconds` is the
    whole time, `rows_per_second` is of training steps alone, `peak_memory_bytes` is as in
    training/device.py.
    """

    evaluations: tuple[EvaluationRecord, ...]
    best_step: int
    valid_cells: tuple[CellValue, ...]
    valid_objective: float | None
    stopped: bool
    rows_per_second: float
    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class FixedSteps:
    """A length that is given, not decided by validation: `total` steps, evaluated after the last.

    Models are told of a new epoch after every `per_epoch` steps, whatever the number of rows. Rates
    fall by `plateau_factor` after each of the steps `falls`. For a staged model, `total` counts
    stages.
    """

    total: int
    per_epoch: int
    falls: tuple[int, ...] = ()


@dataclass(frozen=True)
class Conditions:
    """What one model is trained on and how.

    `seed` decides the order of rows and everything else that is random. `teacher_RT` are a
    teacher's logits of the training rows, for a student. With `fixed_steps` neither epochs nor
    patience of the configuration end the training. `further` are metrics that evaluations measure
    beside the usual ones.
    """

    dataset: Dataset
    schema: Schema
    config: TrainConfig
    seed: int
    objective: Objective
    device: torch.device
    teacher_RT: NDArray[np.float16] | None = None
    fixed_steps: FixedSteps | None = None
    further: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """When a training ends and is evaluated. Steps count batches from 1.

    The last batch of an epoch may be smaller, so that it has every row once. Models are told of a
    new epoch every `steps_per_announcement` steps. Rates decay over `steps_of_decay`, if they do.
    `falls` are the steps after which they fall where that is known before.
    """

    steps_per_epoch: int
    total_steps: int
    evaluation_steps: frozenset[int]
    steps_per_announcement: int
    steps_of_decay: int | None = None
    falls: tuple[int, ...] = ()

    def rate_share(self, step: int) -> float:
        """Return the share of the learning rates that decay leaves after `step` finished steps."""
        return 1.0 if self.steps_of_decay is None else 1 - step / self.steps_of_decay


def make_schedule(num_rows: int, config: TrainConfig, fixed: FixedSteps | None = None) -> Schedule:
    """Space evaluations evenly; one is at the end of every epoch and one after the last step.

    With `fixed` steps there is only the one after the last.
    """
    steps_per_epoch = count_steps(num_rows, config)
    per_announcement = steps_per_epoch if fixed is None else fixed.per_epoch
    planned = max(1, round(config.epochs * per_announcement))
    if fixed is None:
        total_steps = planned
        spacing = steps_per_epoch / config.evaluations_per_epoch
        numbers = range(1, int(total_steps / spacing) + 1)
        evaluations = {*(round(number * spacing) for number in numbers), total_steps} - {0}
    else:
        total_steps = fixed.total
        evaluations = {total_steps}
        # As in the training whose length this is, which may have ended before its rate was 0.
        planned = max(planned, total_steps)
    return Schedule(
        steps_per_epoch,
        total_steps,
        frozenset(evaluations),
        per_announcement,
        planned if config.rate_decay else None,
        fixed.falls if fixed else (),
    )


def count_steps(num_rows: int, config: TrainConfig) -> int:
    """Return the steps of an epoch."""
    return math.ceil(num_rows / config.batch_size)


@dataclass(frozen=True)
class TrainingRun:
    """What stays the same while a model trains."""

    model: nn.Module
    conditions: Conditions
    feed: Feed
    valid_feed: Feed
    schedule: Schedule

    def rate_share(self, state: "TrainingState") -> float:
        """Return the share of the learning rates for the next step."""
        config = self.conditions.config
        num_falls = state.num_falls + sum(step <= state.step for step in self.schedule.falls)
        return self.schedule.rate_share(state.step) * config.plateau_factor**num_falls


@dataclass
class TrainingState:
    """What changes while a model trains, apart from weights, optimiser and random generators.

    `step` counts finished batches, `without_improvement` the latest evaluations in a row that were
    no better, `num_falls` how often rates fell where validation stood still. `began` and
    `loop_began` are values of `time.perf_counter`, shifted so that the pause between two processes
    is left out.
    """

    best: Best
    step_log: StepLog
    step: int = 0
    rows: int = 0
    evaluations: list[EvaluationRecord] = field(default_factory=list)
    best_objective: float | None = None
    without_improvement: int = 0
    num_falls: int = 0
    evaluation_seconds: float = 0.0
    began: float = 0.0
    loop_began: float = 0.0


def begin(
    model: nn.Module, conditions: Conditions, began: float
) -> tuple[TrainingRun, TrainingState]:
    """Set up a training before its first step."""
    dataset = conditions.dataset
    config = conditions.config
    device = conditions.device
    run = TrainingRun(
        model=model,
        conditions=conditions,
        feed=make_feed(dataset.train, device),
        valid_feed=make_feed(dataset.valid, device),
        schedule=make_schedule(dataset.train.num_rows, config, conditions.fixed_steps),
    )
    for part in model.modules():
        if isinstance(part, LengthAware):
            part.begin_training(run.schedule.steps_per_announcement)
        if isinstance(part, NumberAware):
            part.begin_with(dataset.train.numeric_RN)
    readings = StepLog(config.learning_rate, at_once=device.type == "cpu")
    return run, TrainingState(keep_best(model, conditions.objective), readings, began=began)


def batches(
    run: TrainingRun, first_step: int, before_epoch: Callable[[int], None]
) -> Iterator[Int[Tensor, "B"]]:
    """Yield the row numbers of every step after `first_step`, in a step by scenario.

    `before_epoch` receives the number of finished epochs before each epoch.
    """
    steps_apart = run.schedule.steps_per_announcement
    epochs = _epochs(run, first_step)
    if len(run.feed) >= DRAWN_AHEAD_ROWS and run.conditions.config.shuffle != "blocks":
        epochs = made_ahead(epochs, num_ahead=1)  # a thread draws the next epoch
    rows = map(run.feed.by_scenario, chain.from_iterable(epochs))
    for step, rows_B in enumerate(run.feed.ahead(rows), start=first_step):
        if step % steps_apart == 0:
            before_epoch(step // steps_apart)
        yield rows_B


def _epochs(run: TrainingRun, first_step: int) -> Iterator[Iterator[Int[Tensor, "B"]]]:
    """Yield the rows of the steps of each epoch, once its order is drawn."""
    schedule = run.schedule
    config = run.conditions.config
    columns = run.conditions.dataset.train
    for epoch_number in count(first_step // schedule.steps_per_epoch):
        steps_before = epoch_number * schedule.steps_per_epoch
        steps_left = schedule.total_steps - steps_before
        if steps_left <= 0:
            return
        skipped = max(first_step - steps_before, 0)
        rows_of_epoch = batches_of_epoch(
            len(run.feed),
            config.batch_size,
            config.shuffle,
            seed=run.conditions.seed,
            epoch_number=epoch_number,
            user_R=columns.ranked_within,
            together=rows_together(columns),
            coming=reader_ahead(columns, skipped * config.batch_size),
        )
        of_steps = islice(rows_of_epoch, skipped, steps_left)
        yield chain([next(of_steps)], of_steps)


def evaluate(run: TrainingRun, state: TrainingState) -> EvaluationRecord:
    """Score the validation split, and keep the best weights.

    Errors: Diverged when a loss, gradient norm or score is not finite.
    """
    conditions = run.conditions
    objective = conditions.objective
    state.step_log.read(state.step)
    began = time.perf_counter()
    scores_RT = predict(run.model, run.valid_feed)
    try:
        cells = cell_values(
            scores_RT,
            conditions.dataset.valid,
            conditions.schema.cells,
            sort_on(conditions.device),
            conditions.further,
        )
    except NonFiniteScores as error:
        raise Diverged(state.step, conditions.config.learning_rate, error.value, "score") from error
    number = len(state.evaluations) + 1
    state.best.offer(number, cells)
    kept_value = objective(state.best.cells)
    if state.best_objective is None or objective.better(kept_value, state.best_objective):
        state.best_objective = kept_value
        state.without_improvement = 0
    else:
        state.without_improvement += 1
    now = time.perf_counter()
    record = EvaluationRecord(
        step=number,
        epochs=state.step / run.schedule.steps_per_epoch,
        objective=objective(cells),
        train_loss=state.step_log.take_mean_loss(),
        seconds=now - state.began,
        cells=cells,
        memory_bytes=peak_memory_bytes(conditions.device),
    )
    state.evaluations.append(record)
    state.num_falls = len(falls_at(state.evaluations, objective, conditions.config))
    state.evaluation_seconds += now - began
    return record


def best_evaluation(
    evaluations: Sequence[EvaluationRecord], objective: Objective
) -> EvaluationRecord | None:
    """Return the best evaluation, the earlier of two equal ones; None without any."""
    best: EvaluationRecord | None = None
    for evaluation in evaluations:
        if best is None or objective.better(evaluation.objective, best.objective):
            best = evaluation
    return best


def falls_at(
    evaluations: Sequence[EvaluationRecord], objective: Objective, config: TrainConfig
) -> list[EvaluationRecord]:
    """Return the evaluations after which rates fall: at each, validation has stood still again."""
    best: float | None = None
    still = 0
    falls: list[EvaluationRecord] = []
    if config.plateau_factor == 1:
        return falls
    for evaluation in evaluations:
        if best is None or objective.better(evaluation.objective, best):
            best = evaluation.objective
            still = 0
        else:
            still += 1
            if still % config.plateau_patience == 0:
                falls.append(evaluation)
    return falls


def out_of_patience(run: TrainingRun, state: TrainingState) -> bool:
    """Return whether as many evaluations as patience allows have brought no improvement.

    Where rates fall, this is asked once half of them is gone: before, evaluations can stand still.
    """
    config = run.conditions.config
    if config.rate_decay and run.schedule.rate_share(state.step) > 0.5:
        return False
    return config.patience > 0 and state.without_improvement >= config.patience


def finish(run: TrainingRun, state: TrainingState, *, stopped: bool) -> FitResult:
    """Restore the best weights; return the result."""
    loop_seconds = time.perf_counter() - state.loop_began - state.evaluation_seconds
    best = best_evaluation(state.evaluations, run.conditions.objective)
    state.best.restore()
    run.model.eval()
    return FitResult(
        evaluations=tuple(state.evaluations),
        best_step=best.step if best else 0,
        valid_cells=state.best.cells,
        valid_objective=best.objective if best else None,
        stopped=stopped,
        rows_per_second=state.rows / loop_seconds,
        seconds=time.perf_counter() - state.began,
        peak_memory_bytes=peak_memory_bytes(run.conditions.device),
    )
