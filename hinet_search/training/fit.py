"""Fit: train one model on one data set, evaluate it as it goes, and leave it with the weights that did best.

Shape legend: B rows of a batch, T tasks.
"""

import time

import torch
from jaxtyping import Int
from torch import Tensor, nn

from hinet_search.data.columns import Dataset
from hinet_search.objective import Objective
from hinet_search.schema import Schema
from hinet_search.training import snapshot
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.config import TrainConfig
from hinet_search.training.course import (
    Conditions,
    Course,
    FitResult,
    TrainingState,
    Watcher,
    batches,
    begin,
    evaluate,
    finish,
    out_of_patience,
)
from hinet_search.training.device import begin_peak_memory
from hinet_search.training.divergence import Diverged
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.optimiser import EmbeddingPenalty, clip_gradients, make_optimiser
from hinet_search.training.precision import matrix_products
from hinet_search.training.predict import predict
from hinet_search.training.seeding import Purpose, seeded

__all__ = ["Diverged", "FitResult", "TrainingState", "Watcher", "fit", "predict"]


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
    order_seed: int | None = None,
) -> FitResult:
    """`fit_under` with `order_seed` = `seed` unless it is given."""
    order_seed = seed if order_seed is None else order_seed
    return fit_under(model, Conditions(dataset, schema, config, seed, order_seed, objective, device), watcher)


def fit_under(
    model: nn.Module, given: Conditions, watcher: Watcher, checkpoints: Checkpoints | None = None
) -> FitResult:
    """Trains `model` in place on the device given; it ends in evaluation mode with its best weights on validation.

    The order of rows depends on its seed and the pass only, so it is the same for every model. The number of threads is
    the caller's. With `checkpoints` it goes on from the last one, tells the watcher of all earlier evaluations again,
    and leaves others on its way. Raises Diverged at the step where loss, gradient norm or scores stop being finite.
    """
    kept = checkpoints.latest() if checkpoints else None
    began = time.perf_counter() - (kept["seconds"] if kept else 0.0)
    begin_peak_memory(given.device)
    course, state = begin(model.to(given.device).train(), given, began)
    steps = Steps(course)
    state.loop_began = time.perf_counter()
    with seeded(given.seed, Purpose.DROPOUT, given.device):
        if kept:
            snapshot.put_back(kept, [(course, state)], steps.optimiser.parts)
            for record in state.evaluations:
                watcher.evaluated(record)
        stopped = _run(steps, state, watcher, checkpoints)
    steps.close()
    return finish(course, state, stopped=stopped)


class Steps:
    """Training steps of one model."""

    def __init__(self, course: Course) -> None:
        config = course.given.config
        self.course = course
        self.optimiser = make_optimiser(course.model, config)
        self._parameters = tuple(course.model.parameters())  # to walk through all modules at every step is slow
        self._penalty = EmbeddingPenalty(course.model, config.embedding_l2) if config.embedding_l2 else None

    def take(self, state: TrainingState, rows_B: Int[Tensor, "B"]) -> None:
        """One step on these rows; Diverged where its numbers are read and are not finite."""
        model, feed, config = self.course.model, self.course.feed, self.course.given.config
        batch, labels_BT = feed.select(rows_B)
        self.optimiser.zero_grad()
        with matrix_products(config, feed.device):
            logits_BT = model(batch)
        loss = own_scenario_loss(logits_BT.float(), labels_BT)
        torch.autograd.backward(loss + self._penalty.take(len(batch)) if self._penalty else loss)
        norm = clip_gradients(self._parameters, config.clip_norm)
        state.step += 1
        state.rows += len(batch)
        state.readings.add(state.step, loss, norm)  # without the penalty, to compare with the log loss of validation
        self.optimiser.step()

    def close(self) -> None:
        """The model is left as it was, but for its weights."""
        if self._penalty:
            self._penalty.remove()


def _run(steps: Steps, state: TrainingState, watcher: Watcher, checkpoints: Checkpoints | None) -> bool:
    """Steps and evaluations to the end of the schedule or of patience; True when the watcher stopped them before."""
    course = steps.course
    for rows_B in batches(course, state.step, [course.model]):
        stopped = watcher.should_stop()
        if checkpoints and (stopped or checkpoints.due()):
            checkpoints.save(state.step, snapshot.take([(course, state)], steps.optimiser.parts))
        if stopped:
            return True
        steps.take(state, rows_B)
        if state.step in course.schedule.evaluation_steps:
            watcher.evaluated(evaluate(course, state))
            if out_of_patience(course, state):
                break
    return False
