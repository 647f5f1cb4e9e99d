"""Fit: train a model, evaluate it on the way, and leave it with its best weights on validation.

Shape legend: B rows of a batch, T tasks.
"""

import time

import torch
from jaxtyping import Int
from torch import Tensor, nn

from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.device import begin_peak_memory
from hinet_search.training.divergence import Diverged
from hinet_search.training.optimiser import clip_gradients, make_optimiser
from hinet_search.training.precision import forward_products, fp32_products
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


def fit(
    model: nn.Module,
    conditions: Conditions,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None = None,
) -> FitResult:
    """Train `model` in place; it ends in evaluation mode with its best weights on validation.

    The order of rows depends only on its seed and the pass, so it is the same for every model. The
    number of threads is left to the caller. With `checkpoints`, training resumes from the latest
    one, reports all earlier evaluations to the watcher again, and writes new ones on the way.

    Errors: Diverged at the step where loss, gradient norm or scores stop being finite.
    """
    checkpoint = checkpoints.latest() if checkpoints else None
    began = time.perf_counter() - (checkpoint["seconds"] if checkpoint else 0.0)
    begin_peak_memory(conditions.device)
    run, state = begin(model.to(conditions.device).train(), conditions, began)
    steps = TrainingSteps(run)
    state.loop_began = time.perf_counter()
    with seeded(conditions.seed, Purpose.DROPOUT, conditions.device):
        if checkpoint:
            Training(run, state).put_back(checkpoint)
            steps.optimiser.load_state_dicts(checkpoint["optimisers"])
            for record in state.evaluations:
                watcher.on_evaluation(record)
            if checkpoint.get("diverged"):  # in a stack, which went on without it
                raise Diverged(*checkpoint["diverged"])
        stopped = _train(steps, state, watcher, checkpoints)
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

    def begin_pass(self, passes_done: int) -> None:
        """Announce a pass; begin it with new embeddings if it is configured so."""
        model = self.run.model
        drawn = begin_pass(self.run, passes_done)
        self.optimiser.forget([model.get_parameter(name) for name in drawn])

    def take(self, state: TrainingState, rows_B: Int[Tensor, "B"]) -> None:
        """Take one step on these rows; Diverged once a value that is not finite is read."""
        model = self.run.model
        feed = self.run.feed
        config = self.run.conditions.config
        batch, labels_BT = feed.select(rows_B)
        self.optimiser.zero_grad()
        with fp32_products(config, feed.device):
            with forward_products(config, feed.device):
                logits_BT = model(batch)
            loss = self._loss(logits_BT.float(), labels_BT, rows_B, batch.scenario_B)
            torch.autograd.backward(loss)
        norm = clip_gradients(self._parameters, config.clip_norm)
        rate_share = self.run.schedule.rate_share(state.step)
        state.step += 1
        state.rows += len(batch)
        state.step_log.add(state.step, loss, norm)
        self.optimiser.step(rate_share)


def _train(
    steps: TrainingSteps,
    state: TrainingState,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None,
) -> bool:
    """Train and evaluate until the schedule or patience ends; True if the watcher stopped it."""
    run = steps.run
    if out_of_patience(run, state):  # in a stack, which went on without it
        return False
    for rows_B in batches(run, state.step, steps.begin_pass):
        stopped = watcher.should_stop()
        if checkpoints and (stopped or checkpoints.due()):
            taken = Training(run, state).take(steps.optimiser.state_dicts())
            checkpoints.save(state.step, taken)
        if stopped:
            return True
        steps.take(state, rows_B)
        if state.step in run.schedule.evaluation_steps:
            watcher.on_evaluation(evaluate(run, state))
            if out_of_patience(run, state):
                break
    return False
