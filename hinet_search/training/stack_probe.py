"""Stack probe: time some steps of a stack and of one of its models, to see which is faster.

For devices: how long a launch takes, and how much runs beside it, depends on the card.
Shape legend: B rows of a batch.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import cycle
from statistics import median

import torch
from jaxtyping import Int
from torch import Tensor, nn

from hinet_search.training.fit import TrainingSteps
from hinet_search.training.run_state import Conditions, batches, begin
from hinet_search.training.stack import Stack, StackedSteps
from hinet_search.training.teaching import step_loss

WARM_UP_STEPS = 3
TIMED_STEPS = 7


def stack_is_faster(models: Sequence[nn.Module], conditions: Sequence[Conditions]) -> bool:
    """Return whether a step of the stack takes less than a step of each model.

    The steps are taken with copies; models and random generators stay as they are.
    """
    first = conditions[0]
    on_gpu = [first.device] if first.device.type == "cuda" else []
    with torch.random.fork_rng(devices=on_gpu):
        copies = [deepcopy(model).to(first.device).train() for model in models]
        run, state = begin(deepcopy(copies[0]), first, 0.0)
        alone = TrainingSteps(run)
        of_step = step_loss(
            first.config, first.schema, first.dataset.train, first.teacher_RT, first.device
        )
        configs = [each.config for each in conditions]
        stacked = StackedSteps(Stack(copies), run.feed, configs, of_step)
        rows = cycle(batches(run, 0, lambda _passes_done: None))
        seconds_alone = _seconds(lambda rows_B: alone.take(state, rows_B), rows, first.device)
        seconds_stacked = _seconds(stacked.take, rows, first.device)
    return seconds_stacked < len(models) * seconds_alone


def _seconds(
    take: Callable[[Tensor], object], rows: Iterator[Int[Tensor, "B"]], device: torch.device
) -> float:
    """Return the median time of a step."""
    durations = []
    for _ in range(WARM_UP_STEPS + TIMED_STEPS):
        rows_B = next(rows)
        began = time.perf_counter()
        take(rows_B)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        durations.append(time.perf_counter() - began)
    return median(durations[WARM_UP_STEPS:])
