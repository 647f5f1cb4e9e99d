"""Fit: train a model, evaluate it on the way, and leave it with its best weights on validation.

Shape legend: B rows of a batch, P places (replayed_steps.py), T tasks, H heads as in loss.py.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.contracts import EpochAware
from hinet_search.training.checkpoint import Checkpoints, whole
from hinet_search.training.device import begin_peak_memory
from hinet_search.training.optimiser import clip_gradients, make_optimiser, times_the_penalty
from hinet_search.training.replayed_steps import PlacedRows, ReplayedSteps, can_replay
from hinet_search.training.run_state import (
    Conditions,
    FitResult,
    TrainingRun,
    TrainingState,
    TrainingWatcher,
    batches,
    begin,
    evaluate,
    finish,
    out_of_patience,
)
from hinet_search.training.seeding import Purpose, seeded
from hinet_search.training.snapshot import put_back, snapshot
from hinet_search.training.teaching import step_loss
from hinet_search.training.train_config import TrainConfig


def fit(
    model: nn.Module,
    conditions: Conditions,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None = None,
) -> FitResult:
    """Train `model` in place; it ends in evaluation mode with its best weights on validation.

    The order of rows depends only on its seed and the epoch, so it is the same for every model. The
    number of threads is left to the caller. With `checkpoints`, training resumes from the latest
    one, reports all earlier evaluations to the watcher again, and writes new ones on the way.

    Errors: Diverged at the step where loss, gradient norm or scores stop being finite.
    """
    checkpoint = checkpoints.latest() if checkpoints else None
    began = time.perf_counter() - (checkpoint["seconds"] if checkpoint else 0.0)
    begin_peak_memory(conditions.device)
    run, state = begin(model.to(conditions.device).train(), conditions, began)
    steps = TrainingSteps(run, watcher.notice)
    state.loop_began = time.perf_counter()
    with whole(checkpoints), seeded(conditions.seed, Purpose.DROPOUT, conditions.device):
        if checkpoint:
            put_back(checkpoint, run, state)
            steps.optimiser.load_state_dicts(checkpoint["optimisers"])
            for record in state.evaluations:
                watcher.on_evaluation(record)
        stopped = _train(steps, state, watcher, checkpoints)
    return finish(run, state, stopped=stopped)


class TrainingSteps:
    """Training steps of one model."""

    def __init__(self, run: TrainingRun, say: Callable[[str], None]) -> None:
        config = run.conditions.config
        self.run = run
        conditions = run.conditions
        times_V = None
        if config.embedding_l2 and conditions.dataset.record.sample is not None:
            times_V = times_the_penalty(conditions.dataset, conditions.schema, config)
        self.optimiser = make_optimiser(run.model, config, times_V)
        self._loss = step_loss(
            config,
            conditions.schema,
            conditions.dataset.train,
            conditions.teacher_RT,
            run.feed.device,
        )
        # Collected once: walking through all modules at every step is slow.
        self._parameters = tuple(run.model.parameters())
        self._replayed = None
        if can_replay(run) and not self._loss.reads_host:
            self._replayed = ReplayedSteps(run, say)

    def begin_epoch(self, epochs_done: int) -> None:
        """Announce an epoch."""
        if isinstance(self.run.model, EpochAware):
            self.run.model.begin_epoch(epochs_done)
        if self._replayed:
            self._replayed.begin_epoch()

    def take(self, state: TrainingState, rows_B: Int[Tensor, "B"]) -> None:
        """Take one step on these rows; Diverged once a value that is not finite is read."""
        rate_share = self.run.rate_share(state)
        state.step += 1
        state.rows += len(rows_B)
        if self._replayed and self._replayed.hold(rows_B):
            state.step_log.add(state.step, *self._replayed.take(self._step_on, rate_share))
            return
        loss, norm = self._gradients(partial(self._batch_loss, rows_B))
        state.step_log.add(state.step, loss, norm)
        self.optimiser.step(rate_share)

    def _gradients(
        self, batch_loss: Callable[[], Float[Tensor, ""]]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Compute clipped gradients; return the loss of the batch and the norm before clipping."""
        config = self.run.conditions.config
        self.optimiser.zero_grad()
        with fp32_products(config, self.run.feed.device):
            loss = batch_loss()
            torch.autograd.backward(loss)
        return loss, clip_gradients(self._parameters, config.clip_norm)

    def _step_on(
        self, placed: PlacedRows, rate_share: Float[Tensor, ""]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Take a step on rows of the device; return loss and gradient norm."""
        loss, norm = self._gradients(partial(self._placed_loss, placed))
        self.optimiser.step(rate_share)
        return loss.detach(), norm

    def _placed_loss(self, placed: PlacedRows) -> Float[Tensor, ""]:
        logits_BH = self._logits(placed.batch).index_select(0, placed.place_B).float()
        loss: Tensor = self._loss(logits_BH, placed.labels_BT, placed.rows_B, placed.scenario_B)
        return loss

    def _batch_loss(self, rows_B: Int[Tensor, "B"]) -> Float[Tensor, ""]:
        batch, labels_BT = self.run.feed.select(rows_B)
        loss: Tensor = self._loss(self._logits(batch).float(), labels_BT, rows_B, batch.scenario_B)
        return loss

    def _logits(self, batch: Batch) -> Float[Tensor, "P H"]:
        with forward_products(self.run.conditions.config, self.run.feed.device):
            logits_PH: Tensor = self.run.model(batch)
        return logits_PH


def _train(
    steps: TrainingSteps,
    state: TrainingState,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None,
) -> bool:
    """Train and evaluate until the schedule or patience ends; True if the watcher stopped it."""
    run = steps.run
    for rows_B in batches(run, state.step, steps.begin_epoch):
        is_stopped = watcher.should_stop()
        if checkpoints and (is_stopped or checkpoints.due()):
            optimisers = steps.optimiser.state_dicts()
            checkpoints.save(state.step, snapshot(run, state, optimisers))
        if is_stopped:
            return True
        steps.take(state, rows_B)
        if state.step in run.schedule.evaluation_steps:
            watcher.on_evaluation(evaluate(run, state))
            if out_of_patience(run, state):
                break
    return False


def forward_products(config: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which a forward pass computes in bf16, if it is configured so.

    Its gradients then do so too, wherever they are computed.
    """
    is_bf16 = config.precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16) if is_bf16 else nullcontext()


@contextmanager
def fp32_products(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Let a GPU compute fp32 products in TF32 inside, if it is configured so; a CPU never does.

    Forward pass and gradients are both inside. Torch has one setting for a process, which is put
    back: neither an evaluation nor the next trial of a slot has it.
    """
    if config.precision != "tf32" or device.type != "cuda":
        yield
        return
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32"
    try:
        yield
    finally:
        products.fp32_precision = before
