"""Stacked: several models of one configuration trained as one on the same batches.

Their weights lie in stacked tensors, of which every model keeps its own slice; one step of `torch.func.vmap` stands for
a step of each. What comes out is what each gives alone on these batches, but for dropout, whose draws differ.
Horizontal fusion of training jobs: Wang et al., HFTA, MLSys 2021.
Shape legend: K models, B rows of a batch, T tasks.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from hinet_search.schema import Batch
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
        self._optimiser = adam(stack.models[0], stack.weights, config)

    def take(self, rows_B: Int[Tensor, "B"]) -> tuple[Float[Tensor, "K"], Float[Tensor, "K"]]:
        """One step on these rows; gives every model's loss and norm of gradients."""
        batch, labels_BT = self._feed.select(rows_B)
        self._optimiser.zero_grad()
        with matrix_products(self._config, self._feed.device):
            logits_KBT = self._stack.logits(batch)
        loss_K = torch.stack([own_scenario_loss(logits_BT, labels_BT) for logits_BT in logits_KBT.float().unbind(0)])
        torch.autograd.backward(loss_K.sum())  # no model's weights are in another one's loss
        norm_K = self._stack.clip_gradients(self._config.clip_norm)
        self._optimiser.step()
        return loss_K.detach(), norm_K


@dataclass
class _Lane:
    """One model of the stack: its training, and how it ended if it did before the others."""

    course: Course
    state: TrainingState
    watcher: Watcher
    diverged: Diverged | None = None
    done: bool = False

    def note(self, num_rows: int, loss: Float[Tensor, ""], norm: Float[Tensor, ""]) -> None:
        """A step of the stack; evaluates where the schedule says so."""
        if self.done:
            return
        self.state.step += 1
        self.state.rows += num_rows
        try:
            self.state.readings.add(self.state.step, loss, norm)
            if self.state.step in self.course.schedule.evaluation_steps:
                self.watcher.evaluated(evaluate(self.course, self.state))
                self.done = out_of_patience(self.course, self.state)
        except Diverged as error:
            self.diverged, self.done = error, True


def fit_stacked(
    models: Sequence[nn.Module], given: Sequence[Conditions], watchers: Sequence[Watcher]
) -> list[FitResult | Diverged]:
    """Trains the models in place as `fit` does each, all under one order of rows; in the order of the models.

    A model that diverges or runs out of patience does not stop the others. Seconds and speed are of one model's share.
    Dropout draws from the first model's seed.
    """
    began = time.perf_counter()
    device = given[0].device
    begin_peak_memory(device)
    stack = Stack([model.to(device).train() for model in models])
    lanes = [
        _Lane(*begin(model, one, began), watcher) for model, one, watcher in zip(models, given, watchers, strict=True)
    ]
    first = lanes[0].course
    steps = StackedSteps(stack, first.feed, first.given.config)
    for lane in lanes:
        lane.state.loop_began = time.perf_counter()
    stopped = False
    with seeded(given[0].seed, Purpose.DROPOUT, device):
        for rows_B in batches(first, 0, models):
            if stopped := any(watcher.should_stop() for watcher in watchers):
                break
            for lane, loss, norm in zip(lanes, *steps.take(rows_B), strict=True):
                lane.note(len(rows_B), loss, norm)
            if all(lane.done for lane in lanes):
                break
    share = 1 / len(lanes)
    return [
        lane.diverged or finish(lane.course, lane.state, stopped=stopped and not lane.done, share=share)
        for lane in lanes
    ]
