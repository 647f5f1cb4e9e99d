"""Course: what a training is made of, the batches that it takes, its evaluations, and what it leaves.

Everything that changes on the way is in TrainingState, the weights, the optimiser and torch's generators.
Shape legend: B rows of a batch, T tasks.
"""

import time
from collections.abc import Iterator, Sequence
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
from hinet_search.training.device import peak_memory_bytes
from hinet_search.training.divergence import Diverged, Readings
from hinet_search.training.feed import Feed, make_feed
from hinet_search.training.metrics import NonFiniteScores, cell_values
from hinet_search.training.predict import predict
from hinet_search.training.row_order import batches_of_pass
from hinet_search.training.schedule import Schedule, make_schedule


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


@dataclass(frozen=True)
class Conditions:
    """What one model is trained under. The order of rows comes from `order_seed`, everything random else from `seed`."""

    dataset: Dataset
    schema: Schema
    config: TrainConfig
    seed: int
    order_seed: int
    objective: Objective
    device: torch.device


@dataclass(frozen=True)
class Course:
    """What stays the same while a model trains. `began` is a reading of `time.perf_counter`."""

    model: nn.Module
    given: Conditions
    feed: Feed
    valid_feed: Feed
    schedule: Schedule
    began: float

    @property
    def valid(self) -> Columns:
        """The validation split."""
        return self.given.dataset.valid


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
    loop_began: float = 0.0  # a reading of `time.perf_counter`; pauses between two processes do not count


def begin(model: nn.Module, given: Conditions, began: float) -> tuple[Course, TrainingState]:
    """A training before its first step."""
    dataset, config, device = given.dataset, given.config, given.device
    schedule = make_schedule(dataset.train.num_rows, config)
    course = Course(model, given, make_feed(dataset.train, device), make_feed(dataset.valid, device), schedule, began)
    readings = Readings(config.learning_rate, at_once=device.type == "cpu")
    return course, TrainingState(keep_best(model, given.objective), readings)


def batches(course: Course, first_step: int, models: Sequence[nn.Module]) -> Iterator[Int[Tensor, "B"]]:
    """Row numbers of every step after `first_step`; tells the models where a pass begins."""
    schedule, config = course.schedule, course.given.config
    for pass_number in count(first_step // schedule.steps_per_pass):
        first_of_pass = pass_number * schedule.steps_per_pass
        skipped, steps_left = max(first_step - first_of_pass, 0), schedule.total_steps - first_of_pass
        if steps_left <= 0:
            return
        for model in models if not skipped else ():
            if isinstance(model, FollowsPasses):
                model.begin_pass(pass_number)
        rows_of_pass = batches_of_pass(
            len(course.feed), config.batch_size, config.shuffle,
            seed=course.given.order_seed, pass_number=pass_number,
        )  # fmt: skip
        yield from islice(rows_of_pass, skipped, steps_left)


def evaluate(course: Course, state: TrainingState) -> EvaluationRecord:
    """Scores the validation split and keeps what is best; Diverged when loss, gradient or scores are not finite."""
    given = course.given
    state.readings.read(state.step)
    began = time.perf_counter()
    scores_RT = predict(course.model, course.valid_feed)
    try:
        found = cell_values(scores_RT, course.valid, given.schema.scenarios, given.schema.tasks)
    except NonFiniteScores as error:
        raise Diverged(state.step, given.config.learning_rate, error.value, "score") from error
    number = len(state.evaluations) + 1
    cells = state.best.offer(number, found)
    value = given.objective(cells)
    improved = state.best_objective is None or given.objective.better(value, state.best_objective)
    state.best_objective = value if improved else state.best_objective
    state.without_improvement = 0 if improved else state.without_improvement + 1
    now = time.perf_counter()
    record = EvaluationRecord(
        step=number,
        passes=state.step / course.schedule.steps_per_pass,
        objective=value,
        train_loss=state.readings.take_mean_loss(),
        seconds=now - course.began,
        cells=cells,
        memory_bytes=peak_memory_bytes(given.device),
    )
    state.evaluations.append(record)
    state.evaluation_seconds += now - began
    return record


def out_of_patience(course: Course, state: TrainingState) -> bool:
    """Whether so many evaluations in a row were no better that training ends."""
    patience = course.given.config.patience
    return patience > 0 and state.without_improvement >= patience


def finish(course: Course, state: TrainingState, *, stopped: bool, together: Sequence[TrainingState] = ()) -> FitResult:
    """Puts the best weights back.

    Trainings `together`, this one with them, took their steps as one: each counts an equal share of the seconds.
    """
    among = together or (state,)
    share, evaluating = 1 / len(among), sum(one.evaluation_seconds for one in among)
    loop_seconds = (time.perf_counter() - state.loop_began - evaluating) * share
    state.best.restore()
    course.model.eval()
    return FitResult(
        evaluations=tuple(state.evaluations),
        best_step=state.best.evaluation,
        valid_cells=state.best.cells,
        valid_objective=course.given.objective(state.best.cells) if state.best.evaluation else None,
        stopped=stopped,
        rows_per_second=state.rows / loop_seconds,
        seconds=(time.perf_counter() - course.began) * share,
        peak_memory_bytes=peak_memory_bytes(course.given.device),
    )
