"""Stacked: several seeds of one configuration trained as one model where that is faster.

Their weights lie in stacked tensors, of which every model owns a slice; one step of
`torch.func.vmap` replaces a step of each model. The results equal those of separate trainings on
the same batches, except for dropout, which draws differently.
Horizontal fusion of training jobs: Wang et al., HFTA, MLSys 2021.
Shape legend: K models, B rows of a batch, T tasks.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.contracts import WeightDependent
from hinet_search.models.layers.measure import count_parameters, flops_per_row
from hinet_search.training import snapshot
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.device import begin_peak_memory
from hinet_search.training.divergence import Diverged
from hinet_search.training.feed import Feed
from hinet_search.training.fit import fit
from hinet_search.training.loss import matrix_products
from hinet_search.training.optimiser import adam
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
from hinet_search.training.teaching import StepLoss, step_loss
from hinet_search.training.train_config import TrainConfig

STACK = "stack"
# Measured on one CPU core (docs/performance.md): short steps consist of many small kernels, and a
# stack needs fewer of them.
MINIMUM_MODELS = 3
MAXIMUM_WORK = 2e8  # FLOPs of a model's forward step, plus the work of its optimiser
WORK_OF_A_PARAMETER = 100  # FLOPs that take as long as the update of one parameter
Outcome = FitResult | Diverged


class Stack:
    """K models of one shape as one; each remains a model whose weights are slices of the stack."""

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
        """Return every model's logits of the same rows."""

        def logits_of_model(weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> Tensor:
            logits_BT: Tensor = functional_call(self.models[0], {**weights, **buffers}, (batch,))
            return logits_BT

        of_all_models = vmap(logits_of_model, randomness="different")
        logits_KBT: Tensor = of_all_models(self.weights, self._buffers)
        return logits_KBT

    def clip_gradients(self, clip_norm: float) -> Float[Tensor, "K"]:
        """Scale each model's gradients to a norm of at most `clip_norm`; return the norms before.

        With `clip_norm` 0 the gradients are left as they are.
        """
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        norms = [
            torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1)
            for gradient in gradients
        ]
        norm_K: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
        if clip_norm:
            scale_K = (clip_norm / (norm_K + 1e-6)).clamp(max=1.0)
            for gradient in gradients:
                gradient.mul_(scale_K.view(-1, *[1] * (gradient.dim() - 1)))
        return norm_K


class StackedSteps:
    """Training steps of a stack."""

    def __init__(self, stack: Stack, feed: Feed, config: TrainConfig, loss: StepLoss) -> None:
        self._stack = stack
        self._feed = feed
        self._config = config
        self._loss = loss
        self.optimiser = adam(stack.models[0], stack.weights, config)

    def take(self, rows_B: Int[Tensor, "B"]) -> tuple[Float[Tensor, "K"], Float[Tensor, "K"]]:
        """Take one step on these rows; return every model's loss and gradient norm."""
        batch, labels_BT = self._feed.select(rows_B)
        self.optimiser.zero_grad()
        with matrix_products(self._config, self._feed.device):
            logits_KBT = self._stack.logits(batch)
        losses = [
            self._loss(logits_BT, labels_BT, rows_B, batch.scenario_B)
            for logits_BT in logits_KBT.float().unbind(0)
        ]
        loss_K = torch.stack(losses)
        torch.autograd.backward(loss_K.sum())  # no loss depends on another model's weights
        norm_K = self._stack.clip_gradients(self._config.clip_norm)
        self.optimiser.step()
        return loss_K.detach(), norm_K


@dataclass
class _Lane:
    """The training of one model of the stack; `diverged` is set once it has diverged."""

    run: TrainingRun
    state: TrainingState
    watcher: TrainingWatcher
    diverged: Diverged | None = None

    @property
    def done(self) -> bool:
        """Whether this model's training has ended while the stack continues."""
        return self.diverged is not None or out_of_patience(self.run, self.state)

    def note(self, num_rows: int, loss: Float[Tensor, ""], norm: Float[Tensor, ""]) -> None:
        """Count a step of the stack and evaluate if the schedule says so."""
        if self.done:
            return
        self.state.step += 1
        self.state.rows += num_rows
        with self._keeping_divergence():
            self.state.step_log.add(self.state.step, loss, norm)
            if self.state.step in self.run.schedule.evaluation_steps:
                self.watcher.on_evaluation(evaluate(self.run, self.state))

    def read(self) -> None:
        """Read the losses and norms that are still on the device."""
        with self._keeping_divergence():
            self.state.step_log.read(self.state.step)

    @contextmanager
    def _keeping_divergence(self) -> Iterator[None]:
        try:
            yield
        except Diverged as error:
            self.diverged = error


def fit_stacked(
    models: Sequence[nn.Module],
    conditions: Sequence[Conditions],
    watchers: Sequence[TrainingWatcher],
    checkpoints: Checkpoints | None = None,
) -> list[FitResult | Diverged]:
    """Train the models in place as `fit` does, with one order of rows; return results in order.

    A model that diverges or runs out of patience does not stop the others. If a watcher stops its
    model, all stop, because the stack resumes as a whole from its checkpoint. Seconds and speed are
    an equal share of the stack's. Dropout draws from the first model's seed.
    """
    checkpoint = checkpoints.latest() if checkpoints else None
    began = time.perf_counter() - (checkpoint["seconds"] if checkpoint else 0.0)
    device = conditions[0].device
    begin_peak_memory(device)
    stack = Stack([model.to(device).train() for model in models])
    lanes = []
    for model, model_conditions, watcher in zip(models, conditions, watchers, strict=True):
        run, state = begin(model, model_conditions, began)
        lanes.append(_Lane(run, state, watcher))
    first = conditions[0]
    loss = step_loss(first.config, first.schema, first.teacher_RT, device)
    steps = StackedSteps(stack, lanes[0].run.feed, conditions[0].config, loss)
    for lane in lanes:
        lane.state.loop_began = time.perf_counter()
    with seeded(conditions[0].seed, Purpose.DROPOUT, device):
        if checkpoint:
            _put_back(checkpoint, lanes, steps)
        stopped = _train(steps, lanes, checkpoints)
    states = [lane.state for lane in lanes]
    return [
        lane.diverged or finish(lane.run, lane.state, stopped=stopped, stack=states)
        for lane in lanes
    ]


def _train(steps: StackedSteps, lanes: Sequence[_Lane], checkpoints: Checkpoints | None) -> bool:
    """Train until the schedule ends or all models are done; True if a watcher stopped it."""
    models = [lane.run.model for lane in lanes]
    first_step = max(lane.state.step for lane in lanes)
    for step, rows_B in enumerate(batches(lanes[0].run, first_step, models), start=first_step):
        stopped = any(lane.watcher.should_stop() for lane in lanes)
        if checkpoints and (stopped or checkpoints.due()):
            checkpoints.save(step, _snapshot(lanes, steps))
        if stopped:
            return True
        loss_K, norm_K = steps.take(rows_B)
        for lane, loss, norm in zip(lanes, loss_K, norm_K, strict=True):
            lane.note(len(rows_B), loss, norm)
        if all(lane.done for lane in lanes):
            break
    return False


def _snapshot(lanes: Sequence[_Lane], steps: StackedSteps) -> dict[str, Any]:
    """Return the state of the stack, and how diverged models ended."""
    for lane in lanes:
        lane.read()
    taken = snapshot.take([(lane.run, lane.state) for lane in lanes], [steps.optimiser])
    return {**taken, "diverged": [lane.diverged and lane.diverged.args for lane in lanes]}


def _put_back(checkpoint: Mapping[str, Any], lanes: Sequence[_Lane], steps: StackedSteps) -> None:
    """Restore a `_snapshot` and report all earlier evaluations to the watchers again."""
    snapshot.put_back(checkpoint, [(lane.run, lane.state) for lane in lanes], [steps.optimiser])
    for lane, diverged in zip(lanes, checkpoint["diverged"], strict=True):
        lane.diverged = Diverged(*diverged) if diverged else None
        for record in lane.state.evaluations:
            lane.watcher.on_evaluation(record)


def fit_together(
    models: Sequence[nn.Module],
    conditions: Sequence[Conditions],
    watchers: Sequence[TrainingWatcher],
    checkpoints: Sequence[Checkpoints | None] = (),
) -> list[Outcome]:
    """Train every model in place under its conditions, which differ only in the seed.

    A model that diverges does not stop the others. The models are stacked if that is possible and
    faster, with the stack's checkpoints in a folder below the first model's; otherwise they train
    one after another, each with its own checkpoints. What was started one way resumes that way.
    """
    own_checkpoints = [folder for folder in checkpoints if folder]
    stack_checkpoints = _stack_checkpoints(own_checkpoints)
    if len(models) > 1 and can_stack(models[0], conditions[0].config):
        stack_began = stack_checkpoints is not None and stack_checkpoints.begun()
        if stack_began or (
            not any(folder.begun() for folder in own_checkpoints)
            and stacking_pays(models[0], conditions[0], len(models))
        ):
            return fit_stacked(models, conditions, watchers, stack_checkpoints)
    each = checkpoints or [None] * len(models)
    return [
        _fit_or_diverge(*arguments)
        for arguments in zip(models, conditions, watchers, each, strict=True)
    ]


def _stack_checkpoints(checkpoints: Sequence[Checkpoints]) -> Checkpoints | None:
    """Return the stack's own checkpoints, in a folder that is deleted with the first job's."""
    if not checkpoints:
        return None
    first = checkpoints[0]
    jobs = " ".join(folder.job for folder in checkpoints)
    job = hashlib.sha256(jobs.encode()).hexdigest()
    return Checkpoints(first.folder / STACK, job, first.seconds_apart)


def can_stack(model: nn.Module, config: TrainConfig) -> bool:
    """Return whether one stacked step can replace a step of each model.

    It cannot with optimisers of touched rows, with a penalty on looked-up embeddings, or in a model
    that chooses what to compute by its weights.
    """
    reads_weights = any(
        isinstance(module, WeightDependent) and module.reads_weights for module in model.modules()
    )
    updates_all_rows = config.embedding_optimiser == "adam"
    return updates_all_rows and not config.embedding_l2 and not reads_weights


def stacking_pays(model: nn.Module, conditions: Conditions, num_models: int) -> bool:
    """Return whether a stacked step is faster than a step of each model; assumed true on a GPU.

    Decided by sizes, not by timing: a stack draws different dropout than separate models, and a
    study's results must not depend on how busy the machine is.
    """
    if conditions.device.type != "cpu":
        return True
    num_parameters, _ = count_parameters(model)
    forward_flops = conditions.config.batch_size * flops_per_row(model, conditions.schema)
    work = forward_flops + WORK_OF_A_PARAMETER * num_parameters
    return num_models >= MINIMUM_MODELS and work <= MAXIMUM_WORK


def _fit_or_diverge(
    model: nn.Module,
    conditions: Conditions,
    watcher: TrainingWatcher,
    checkpoints: Checkpoints | None,
) -> Outcome:
    try:
        return fit(model, conditions, watcher, checkpoints)
    except Diverged as error:
        return error
