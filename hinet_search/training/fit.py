"""Fit: train one model on one data set, evaluate it as it goes, and leave it with the weights that did best.

Everything that changes on the way is in TrainingState, the weights, the optimiser and torch's generators.
Shape legend: B rows of a batch, T tasks.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from hinet_search.data.columns import Columns, Dataset
from hinet_search.nn.contracts import FollowsPasses
from hinet_search.objective import Objective
from hinet_search.records import CellValue, EvaluationRecord
from hinet_search.schema import Schema
from hinet_search.training.best import Best, keep_best
from hinet_search.training.config import TrainConfig
from hinet_search.training.device import begin_peak_memory, peak_memory_bytes
from hinet_search.training.divergence import Diverged, Readings, reading_interval
from hinet_search.training.feed import Feed, make_feed
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.metrics import NonFiniteScores, cell_values
from hinet_search.training.optimiser import EmbeddingPenalty, Optimiser, clip_gradients, make_optimiser
from hinet_search.training.precision import matrix_products
from hinet_search.training.predict import predict
from hinet_search.training.row_order import batches_of_pass
from hinet_search.training.schedule import Schedule, make_schedule
from hinet_search.training.seeding import Purpose, seeded

__all__ = ["Diverged", "FitResult", "TrainingState", "Watcher", "fit", "predict"]


@runtime_checkable
class Watcher(Protocol):
    """Who follows a training from outside."""

    def evaluated(self, record: EvaluationRecord) -> None:
        """Called after every evaluation."""

    def should_stop(self) -> bool:
        """Asked before every step, so it must be cheap; True ends the training there."""


@dataclass(frozen=True)
class FitResult:
    """What a training leaves beside the weights. Before the first evaluation there is no best: step 0, no value.

    `best_step` is the `step` of the best evaluation record. `stopped` says that the watcher ended it (not patience).
    `seconds` is all of it, `rows_per_second` is of training alone, `peak_memory_bytes` as training/device.py says.
    """

    evaluations: tuple[EvaluationRecord, ...]
    best_step: int
    valid_cells: tuple[CellValue, ...]
    valid_objective: float | None
    stopped: bool
    rows_per_second: float
    seconds: float
    peak_memory_bytes: int


@dataclass
class TrainingState:
    """All that changes while training, but for weights, optimiser and generators. `step` counts finished batches."""

    best: Best
    readings: Readings
    step: int = 0
    rows: int = 0
    evaluations: list[EvaluationRecord] = field(default_factory=list)
    best_objective: float | None = None
    without_improvement: int = 0  # evaluations in a row
    evaluation_seconds: float = 0.0


@dataclass(frozen=True)
class _Training:
    """What stays the same while training."""

    model: nn.Module
    schema: Schema
    config: TrainConfig
    seed: int
    objective: Objective
    feed: Feed
    valid_feed: Feed
    valid: Columns
    schedule: Schedule
    optimiser: Optimiser
    penalty: EmbeddingPenalty | None
    began: float


def fit(  # noqa: PLR0913  the one door of training: each argument is a thing of its own
    model: nn.Module,
    dataset: Dataset,
    schema: Schema,
    config: TrainConfig,
    *,
    seed: int,
    objective: Objective,
    device: torch.device,
    watcher: Watcher,
) -> FitResult:
    """Trains `model` in place on `device`; it ends in evaluation mode with its best weights on validation.

    The order of rows depends on `seed` and the pass only, so it is the same for every model. The number of threads is
    the caller's. Raises Diverged at the step where loss, gradient norm or scores stop being finite.
    """
    began = time.perf_counter()
    begin_peak_memory(device)
    model.to(device).train()
    training = _Training(
        model=model,
        schema=schema,
        config=config,
        seed=seed,
        objective=objective,
        feed=make_feed(dataset.train, device),
        valid_feed=make_feed(dataset.valid, device),
        valid=dataset.valid,
        schedule=make_schedule(dataset.train.num_rows, config),
        optimiser=make_optimiser(model, config),
        penalty=EmbeddingPenalty(model, config.embedding_l2) if config.embedding_l2 else None,
        began=began,
    )
    readings = Readings(config.learning_rate, reading_interval(device))
    state = TrainingState(keep_best(model, objective), readings)
    loop_began = time.perf_counter()
    with seeded(seed, Purpose.DROPOUT, device):
        stopped = _run(training, state, watcher)
    loop_seconds = time.perf_counter() - loop_began - state.evaluation_seconds
    if training.penalty:
        training.penalty.remove()
    state.best.restore()
    model.eval()
    return FitResult(
        evaluations=tuple(state.evaluations),
        best_step=state.best.evaluation,
        valid_cells=state.best.cells,
        valid_objective=objective(state.best.cells) if state.best.evaluation else None,
        stopped=stopped,
        rows_per_second=state.rows / loop_seconds,
        seconds=time.perf_counter() - began,
        peak_memory_bytes=peak_memory_bytes(device),
    )


def _run(training: _Training, state: TrainingState, watcher: Watcher) -> bool:
    """Steps and evaluations to the end of the schedule or of patience; True when the watcher stopped them before."""
    patience = training.config.patience
    for rows_B in _batches(training, state.step):
        if watcher.should_stop():
            return True
        _take_step(training, state, rows_B)
        if state.step in training.schedule.evaluation_steps:
            watcher.evaluated(_evaluate(training, state))
            if patience and state.without_improvement >= patience:
                break
    return False


def _batches(training: _Training, first_step: int) -> Iterator[Int[Tensor, "B"]]:
    """Row numbers of every step after `first_step`; tells the model where a pass begins."""
    schedule = training.schedule
    for pass_number in count(first_step // schedule.steps_per_pass):
        first_of_pass = pass_number * schedule.steps_per_pass
        skipped, steps_left = max(first_step - first_of_pass, 0), schedule.total_steps - first_of_pass
        if steps_left <= 0:
            return
        if not skipped and isinstance(training.model, FollowsPasses):
            training.model.begin_pass(pass_number)
        yield from islice(_pass(training, pass_number), skipped, steps_left)


def _pass(training: _Training, pass_number: int) -> Iterator[Int[Tensor, "B"]]:
    feed, config = training.feed, training.config
    return batches_of_pass(
        len(feed), config.batch_size, config.shuffle,
        seed=training.seed, pass_number=pass_number, device=feed.device,
    )  # fmt: skip


def _take_step(training: _Training, state: TrainingState, rows_B: Int[Tensor, "B"]) -> None:
    batch, labels_BT = training.feed.select(rows_B)
    training.optimiser.zero_grad()
    with matrix_products(training.config, training.feed.device):
        logits_BT = training.model(batch)
    loss = own_scenario_loss(logits_BT.float(), labels_BT)
    torch.autograd.backward(loss + training.penalty.take(len(batch)) if training.penalty else loss)
    norm = clip_gradients(training.model.parameters(), training.config.clip_norm)
    state.step += 1
    state.rows += len(batch)
    state.readings.add(state.step, loss, norm)  # without the penalty, to compare with the log loss of validation
    training.optimiser.step()


def _evaluate(training: _Training, state: TrainingState) -> EvaluationRecord:
    state.readings.read(state.step)
    began = time.perf_counter()
    scores_RT = predict(training.model, training.valid_feed)
    try:
        found = cell_values(scores_RT, training.valid, training.schema.scenarios, training.schema.tasks)
    except NonFiniteScores as error:
        raise Diverged(state.step, training.config.learning_rate, error.value, "score") from error
    number = len(state.evaluations) + 1
    cells = state.best.offer(number, found)
    value = training.objective(cells)
    improved = state.best_objective is None or training.objective.better(value, state.best_objective)
    state.best_objective = value if improved else state.best_objective
    state.without_improvement = 0 if improved else state.without_improvement + 1
    now = time.perf_counter()
    record = EvaluationRecord(
        step=number,
        passes=state.step / training.schedule.steps_per_pass,
        objective=value,
        train_loss=state.readings.take_mean_loss(),
        seconds=now - training.began,
        cells=cells,
    )
    state.evaluations.append(record)
    state.evaluation_seconds += now - began
    return record
