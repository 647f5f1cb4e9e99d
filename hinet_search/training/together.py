"""Together: several seeds of one configuration on the same batches, as one model where that is faster."""

import hashlib
import time
from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from jaxtyping import Int
from torch import Tensor, nn

from hinet_search.nn.contracts import ReadsWeights
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.config import TrainConfig
from hinet_search.training.course import Conditions, FitResult, Watcher, batches, begin
from hinet_search.training.divergence import Diverged
from hinet_search.training.fit import Steps, fit_under
from hinet_search.training.stacked import Stack, StackedSteps, fit_stacked

STACK = "stack"
PROBE_STEPS = 4
WORTH = 0.9  # a stacked step must take at most this part of the time of K lone ones: the probe is noisy

Outcome = FitResult | Diverged


def fit_together(
    models: Sequence[nn.Module],
    given: Sequence[Conditions],
    watchers: Sequence[Watcher],
    checkpoints: Sequence[Checkpoints | None] = (),
) -> list[Outcome]:
    """Trains every model in place under its conditions, which differ in the seed alone.

    One that diverges does not stop the others. The work is stacked where that can be and a probe on the first batches
    says that it pays, with checkpoints of the stack in a folder of the first model's; else they train one after another,
    each with its own. What has begun one way goes on that way.
    """
    kept = [one for one in checkpoints if one]
    of_stack = _of_stack(kept)
    stacks = len(models) > 1 and can_stack(models[0], given[0].config)
    if stacks and not (of_stack and of_stack.begun()):
        stacks = not any(one.begun() for one in kept) and stacking_pays(models, given[0])
    if stacks:
        return fit_stacked(models, given, watchers, of_stack)
    each = checkpoints or [None] * len(models)
    return [_alone(*one) for one in zip(models, given, watchers, each, strict=True)]


def _of_stack(checkpoints: Sequence[Checkpoints]) -> Checkpoints | None:
    """Where a stack of these jobs keeps its own: they go when those of its first job go."""
    if not checkpoints:
        return None
    jobs = hashlib.sha256(" ".join(one.job for one in checkpoints).encode()).hexdigest()
    return Checkpoints(checkpoints[0].folder / STACK, jobs, checkpoints[0].seconds_apart)


def can_stack(model: nn.Module, config: TrainConfig) -> bool:
    """Whether one step can stand for a step of each: not with updates of touched rows, with a penalty on looked-up
    rows, or in a model that reads its weights to know what to compute."""
    reads = any(isinstance(module, ReadsWeights) and module.reads_weights for module in model.modules())
    return config.embedding_optimiser == "adam" and not config.embedding_l2 and not reads


def stacking_pays(models: Sequence[nn.Module], given: Conditions) -> bool:
    """Whether copies of the models take their first steps faster as one than one after another."""
    copies = [deepcopy(model).to(given.device).train() for model in models]
    course, state = begin(copies[0], given, time.perf_counter())
    state.readings.at_once = False  # whether it diverges is not asked here
    rows = [rows_B for rows_B, _ in zip(batches(course, 0, copies), range(PROBE_STEPS), strict=False)]
    with torch.random.fork_rng(devices=[given.device] if given.device.type == "cuda" else []):
        lone = Steps(course)
        seconds_lone = _fastest(lambda rows_B: lone.take(state, rows_B), rows, given.device)
        stacked = StackedSteps(Stack(copies), course.feed, given.config)
        seconds_stacked = _fastest(stacked.take, rows, given.device)
    return seconds_stacked < WORTH * len(models) * seconds_lone


def _fastest(
    step: Callable[[Int[Tensor, "_"]], object], rows: Sequence[Int[Tensor, "_"]], device: torch.device
) -> float:
    """Seconds of the fastest of these steps."""
    seconds = []
    for rows_B in rows:
        began = time.perf_counter()
        step(rows_B)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _alone(model: nn.Module, given: Conditions, watcher: Watcher, checkpoints: Checkpoints | None) -> Outcome:
    try:
        return fit_under(model, given, watcher, checkpoints)
    except Diverged as error:
        return error
