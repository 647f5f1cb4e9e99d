"""Fit: train a model, evaluate it on the way, and leave it with its best weights on validation.

Shape legend: B rows of a batch, P places (fixed_rows.py), S rows of this process, T tasks, H heads
as in training/loss.py.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hinet_search.models.layers.shares import sharing
from hinet_search.training.checkpoint import Checkpoints, whole
from hinet_search.training.device import begin_peak_memory
from hinet_search.training.fixed_rows import PlacedRows
from hinet_search.training.optimiser import clip_gradients, make_optimiser
from hinet_search.training.precision import forward_products, fp32_products
from hinet_search.training.replayed_steps import ReplayedSteps, can_replay
from hinet_search.training.run_state import (
    Conditions,
    FitResult,
    TrainingRun,
    TrainingState,
    TrainingWatcher,
    batches,
    begin,
    begin_pass,
    evaluate,
    finish,
    out_of_patience,
)
from hinet_search.training.seeding import Purpose, seeded
from hinet_search.training.snapshot import Training
from hinet_search.training.teaching import step_loss
from hinet_search.training.team import LEADER, Next


def fit(
    model: nn.Module,
    conditions: Conditions,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None = None,
) -> FitResult:
    """Train `model` in place; it ends in evaluation mode with its best weights on validation.

    The order of rows depends only on its seed and the pass, so it is the same for every model. The
    number of threads is left to the caller. With `checkpoints`, training resumes from the latest
    one, reports all earlier evaluations to the watcher again, and writes new ones on the way. Every
    process of a team calls this; its leader alone asks the watcher whether to stop, and has
    checkpoints.

    Errors: Diverged at the step where loss, gradient norm or scores stop being finite.
    """
    checkpoint = _resumed_from(conditions, checkpoints)
    began = time.perf_counter() - (checkpoint["seconds"] if checkpoint else 0.0)
    begin_peak_memory(conditions.device)
    run, state = begin(model.to(conditions.device).train(), conditions, began)
    steps = TrainingSteps(run)
    state.loop_began = time.perf_counter()
    rank = conditions.team.rank if conditions.team else LEADER
    with (
        whole([checkpoints]),
        seeded(conditions.seed, Purpose.DROPOUT, conditions.device, rank),
    ):
        if checkpoint:
            Training(run, state).put_back(_of_process(checkpoint, rank))
            steps.optimiser.load_state_dicts(checkpoint["optimisers"])
            for record in state.evaluations:
                watcher.on_evaluation(record)
        stopped = _train(steps, state, watcher, checkpoints)
    del steps  # frees the moments, before tables in bf16 take the bytes of fp32
    return finish(run, state, stopped=stopped)


class TrainingSteps:
    """Training steps of one model."""

    def __init__(self, run: TrainingRun) -> None:
        config = run.conditions.config
        self.run = run
        self.optimiser = make_optimiser(run.model, config)
        conditions = run.conditions
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
            self._replayed = ReplayedSteps(run)

    def begin_pass(self, passes_done: int) -> None:
        """Announce a pass."""
        begin_pass(self.run, passes_done)
        if self._replayed:
            self._replayed.begin_pass()

    def take(self, state: TrainingState, rows_B: Int[Tensor, "B"]) -> None:
        """Take one step on these rows; Diverged once a value that is not finite is read."""
        rate_share = self.run.schedule.rate_share(state.step)
        state.step += 1
        state.rows += len(rows_B)
        if self._replayed and self._replayed.hold(rows_B):
            state.step_log.add(state.step, *self._replayed.take(self._step_on, rate_share))
            return
        loss, norm = self._gradients(partial(self._batch_loss, rows_B), rows_B)
        state.step_log.add(state.step, loss, norm)
        self.optimiser.step(rate_share)

    def _gradients(
        self, batch_loss: Callable[[], Float[Tensor, ""]], rows_B: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Compute clipped gradients; return the loss of these rows and the norm before."""
        config = self.run.conditions.config
        team = self.run.conditions.team
        self.optimiser.zero_grad()
        with fp32_products(config, self.run.feed.device):
            loss = batch_loss()
            torch.autograd.backward(loss * team.weight(rows_B) if team else loss)
        if team:
            team.add_gradients(self._parameters)
        return loss, clip_gradients(self._parameters, config.clip_norm)

    def _step_on(
        self, placed: PlacedRows, rate_share: Float[Tensor, ""]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Take a step on rows of the device; return loss and gradient norm."""
        loss, norm = self._gradients(partial(self._placed_loss, placed), placed.rows_B)
        self.optimiser.step(rate_share)
        return loss.detach(), norm

    def _placed_loss(self, placed: PlacedRows) -> Float[Tensor, ""]:
        with forward_products(self.run.conditions.config, self.run.feed.device):
            logits_PH = self.run.model(placed.batch)
        logits_BH = logits_PH.index_select(0, placed.place_B).float()
        loss: Tensor = self._loss(logits_BH, placed.labels_BT, placed.rows_B, placed.scenario_B)
        return loss

    def _batch_loss(self, rows_B: Int[Tensor, "B"]) -> Float[Tensor, ""]:
        """Return the loss of a batch; in a team, with the gradient of the own rows alone."""
        feed = self.run.feed
        team = self.run.conditions.team
        shared = team if team and team.shares(rows_B) else None
        batch, labels_BT = feed.select(shared.rows(rows_B) if shared else rows_B)
        scenario_B = batch.scenario_B
        context = sharing(shared.share(feed, rows_B)) if shared else nullcontext()
        with forward_products(self.run.conditions.config, feed.device), context:
            logits_BH = self.run.model(batch)
        if shared:
            logits_BH = shared.scores_of_all(logits_BH, len(rows_B))
            labels_BT, scenario_B = feed.labels(rows_B)
        loss: Tensor = self._loss(logits_BH.float(), labels_BT, rows_B, scenario_B)
        return loss


def _resumed_from(
    conditions: Conditions, checkpoints: Checkpoints | None
) -> Mapping[str, Any] | None:
    """Return the latest checkpoint; in a team, that of its leader."""
    latest = checkpoints.latest() if checkpoints else None
    return conditions.team.of_leader(latest) if conditions.team else latest


def _of_process(checkpoint: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    """Return the checkpoint with the random generators of a process, which a team notes of all."""
    of_all = checkpoint.get("of_processes")
    return {**checkpoint, "generators": of_all[rank]} if of_all else checkpoint


def _train(
    steps: TrainingSteps,
    state: TrainingState,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None,
) -> bool:
    """Train and evaluate until the schedule or patience ends; True if the watcher stopped it."""
    run = steps.run
    for rows_B in batches(run, state.step, steps.begin_pass):
        what = _next(run, watcher, checkpoints)
        if what is not Next.STEP:
            _save(steps, state, checkpoints)
        if what is Next.STOP:
            return True
        steps.take(state, rows_B)
        if state.step in run.schedule.evaluation_steps:
            watcher.on_evaluation(evaluate(run, state))
            if out_of_patience(run, state):
                break
    return False


def _next(run: TrainingRun, watcher: TrainingWatcher, checkpoints: Checkpoints | None) -> Next:
    """Return what to do now; in a team, what its leader does."""
    team = run.conditions.team
    what = Next.STEP
    if team is None or team.is_leader:
        if watcher.should_stop():
            what = Next.STOP
        elif checkpoints and checkpoints.due():
            what = Next.CHECKPOINT
    return team.agree(what) if team else what


def _save(steps: TrainingSteps, state: TrainingState, checkpoints: Checkpoints | None) -> None:
    """Write a checkpoint; in a team its leader does, with the random generators of all."""
    team = steps.run.conditions.team
    if team is None and checkpoints is None:
        return
    taken = Training(steps.run, state).take(steps.optimiser.state_dicts())
    if team:
        taken["of_processes"] = team.generators(taken["generators"])
    if checkpoints:
        checkpoints.save(state.step, taken)
