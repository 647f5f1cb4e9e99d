"""Stacked: several models of one configuration trained as one on the same batches.

Their weights lie in stacked tensors, of which every model keeps its own slice; one step of `torch.func.vmap` stands for
a step of each. What comes out is what each gives alone on these batches, but for dropout, whose draws differ.
Horizontal fusion of training jobs: Wang et al., HFTA, MLSys 2021.
Shape legend: K models, B rows of a batch, T tasks.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from hinet_search.schema import Batch
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
from hinet_search.training.feed import Feed
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.optimiser import adam
from hinet_search.training.precision import matrix_products
from hinet_search.training.seeding import Purpose, seeded


class Stack:
    """K models of one shape as one. Each stays a model of its own, whose weights are slices of the stacked ones."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.models = models
        stacked, self._buffers = stack_module_state(list(models))
        self.weights = {name: nn.Parameter(weight.detach()) for name, weight in stacked.items()}
        for k, model in enumerate(models):
            for name, weight in model.named_parameters():
                weight.data = self.weights[name].data[k]
            for name, buffer in model.named_buffers():
                buffer.data = self._buffers[name][k]

    def logits(self, batch: Batch) -> Float[Tensor, "K B T"]:
        """Every model's logits of the same rows."""

        def of_one(weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> Tensor:
            logits_BT: Tensor = functional_call(self.models[0], {**weights, **buffers}, (batch,))
            return logits_BT

        logits_KBT: Tensor = vmap(of_one, randomness="different")(self.weights, self._buffers)
        return logits_KBT

    def clip_gradients(self, clip_norm: float) -> Float[Tensor, "K"]:
        """Scales each model's gradients so that their norm is at most `clip_norm` (0 = leave them); norms before."""
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        norms = [torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1) for gradient in gradients]
        norm_K: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
        if clip_norm:
            scale_K = (clip_norm / (norm_K + 1e-6)).clamp(max=1.0)
            for gradient in gradients:
                gradient.mul_(scale_K.view(-1, *[1] * (gradient.dim() - 1)))
        return norm_K


class StackedSteps:
    """Training steps of a stack."""

    def __init__(self, stack: Stack, feed: Feed, config: TrainConfig) -> None:
        self._stack = stack
        self._feed = feed
        self._config = config
        self.optimiser = adam(stack.models[0], stack.weights, config)

    def take(self, rows_B: Int[Tensor, "B"]) -> tuple[Float[Tensor, "K"], Float[Tensor, "K"]]:
        """One step on these rows; gives every model's loss and norm of gradients."""
        batch, labels_BT = self._feed.select(rows_B)
        self.optimiser.zero_grad()
        with matrix_products(self._config, self._feed.device):
            logits_KBT = self._stack.logits(batch)
        loss_K = torch.stack([own_scenario_loss(logits_BT, labels_BT) for logits_BT in logits_KBT.float().unbind(0)])
        torch.autograd.backward(loss_K.sum())  # no model's weights are in another one's loss
        norm_K = self._stack.clip_gradients(self._config.clip_norm)
        self.optimiser.step()
        return loss_K.detach(), norm_K


@dataclass
class _Lane:
    """One model of the stack: its training, and how it ended if it did before the others."""

    course: Course
    state: TrainingState
    watcher: Watcher
    diverged: Diverged | None = None

    @property
    def done(self) -> bool:
        """Whether steps of the stack are none of its own any more."""
        return self.diverged is not None or out_of_patience(self.course, self.state)

    def note(self, num_rows: int, loss: Float[Tensor, ""], norm: Float[Tensor, ""]) -> None:
        """A step of the stack; evaluates where the schedule says so."""
        if self.done:
            return
        self.state.step += 1
        self.state.rows += num_rows
        with self._diverging():
            self.state.readings.add(self.state.step, loss, norm)
            if self.state.step in self.course.schedule.evaluation_steps:
                self.watcher.evaluated(evaluate(self.course, self.state))

    def read(self) -> None:
        """Reads what the device still holds."""
        with self._diverging():
            self.state.readings.read(self.state.step)

    @contextmanager
    def _diverging(self) -> Iterator[None]:
        try:
            yield
        except Diverged as error:
            self.diverged = error


def fit_stacked(
    models: Sequence[nn.Module],
    given: Sequence[Conditions],
    watchers: Sequence[Watcher],
    checkpoints: Checkpoints | None = None,
) -> list[FitResult | Diverged]:
    """Trains the models in place as `fit_under` does each, all under one order of rows; in the order of the models.

    A model that diverges or runs out of patience does not stop the others. Where a watcher stops them, all are stopped:
    the stack goes on as a whole from its checkpoint. Seconds and speed are of one model's share. Dropout draws from the
    first model's seed.
    """
    kept = checkpoints.latest() if checkpoints else None
    began = time.perf_counter() - (kept["seconds"] if kept else 0.0)
    device = given[0].device
    begin_peak_memory(device)
    stack = Stack([model.to(device).train() for model in models])
    lanes = [
        _Lane(*begin(model, one, began), watcher) for model, one, watcher in zip(models, given, watchers, strict=True)
    ]
    steps = StackedSteps(stack, lanes[0].course.feed, given[0].config)
    for lane in lanes:
        lane.state.loop_began = time.perf_counter()
    with seeded(given[0].seed, Purpose.DROPOUT, device):
        if kept:
            _put_back(kept, lanes, steps)
        stopped = _run(steps, lanes, checkpoints)
    states = [lane.state for lane in lanes]
    return [lane.diverged or finish(lane.course, lane.state, stopped=stopped, together=states) for lane in lanes]


def _run(steps: StackedSteps, lanes: Sequence[_Lane], checkpoints: Checkpoints | None) -> bool:
    """Steps until the schedule ends or all are done; True when a watcher stopped them before."""
    models, taken = [lane.course.model for lane in lanes], max(lane.state.step for lane in lanes)
    for step, rows_B in enumerate(batches(lanes[0].course, taken, models), start=taken):
        stopped = any(lane.watcher.should_stop() for lane in lanes)
        if checkpoints and (stopped or checkpoints.due()):
            checkpoints.save(step, _taken(lanes, steps))
        if stopped:
            return True
        for lane, loss, norm in zip(lanes, *steps.take(rows_B), strict=True):
            lane.note(len(rows_B), loss, norm)
        if all(lane.done for lane in lanes):
            break
    return False


def _taken(lanes: Sequence[_Lane], steps: StackedSteps) -> dict[str, Any]:
    """The state of the stack, and how those ended that did."""
    for lane in lanes:
        lane.read()
    taken = snapshot.take([(lane.course, lane.state) for lane in lanes], [steps.optimiser])
    return {**taken, "diverged": [lane.diverged and lane.diverged.args for lane in lanes]}


def _put_back(kept: Mapping[str, Any], lanes: Sequence[_Lane], steps: StackedSteps) -> None:
    """The state that was taken; tells the watchers of all earlier evaluations again."""
    snapshot.put_back(kept, [(lane.course, lane.state) for lane in lanes], [steps.optimiser])
    for lane, diverged in zip(lanes, kept["diverged"], strict=True):
        lane.diverged = Diverged(*diverged) if diverged else None
        for record in lane.state.evaluations:
            lane.watcher.evaluated(record)
