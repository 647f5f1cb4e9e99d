"""Schedule: which steps a training has, and after which of them it is evaluated."""

import math
from dataclasses import dataclass

from hinet_search.training.config import TrainConfig


@dataclass(frozen=True)
class Schedule:
    """Steps count batches from 1. The last batch of a pass may be smaller, so that every row counts once a pass."""

    steps_per_pass: int
    total_steps: int
    evaluation_steps: frozenset[int]


def make_schedule(num_rows: int, config: TrainConfig) -> Schedule:
    """Evaluations are evenly spaced in steps, at the end of every pass and at the very end (if passes are fractional)."""
    steps_per_pass = math.ceil(num_rows / config.batch_size)
    total_steps = max(1, round(config.passes * steps_per_pass))
    spacing = steps_per_pass / config.evaluations_per_pass
    planned = (round(number * spacing) for number in range(1, int(total_steps / spacing) + 1))
    return Schedule(steps_per_pass, total_steps, frozenset({*planned, total_steps} - {0}))
