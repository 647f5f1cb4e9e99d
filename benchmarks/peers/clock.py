"""Shared by the scripts of the peers: options, a clock for their training, a line of figures.

Runs in the environment of a peer, which has torch and numpy but not our package.
"""

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import torch

BATCH_SIZE, WARM_UP_STEPS = 2048, 3
EMBEDDING, HIDDEN, TOWER, NUM_EXPERTS = 16, [128, 64], [32], 4


class Enough(Exception):
    """As many steps were timed as were asked for."""


class Clock:
    """Times `steps` steps after the first few, then ends the training.

    It is a hook of torch's optimiser, so the trainer runs as it is; from the end of one step to the
    end of another lies all that a step costs, loading included, but not the start of the epoch.
    """

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 0
        self.began = self.seconds = 0.0

    def __call__(self, *_: object) -> None:
        self.done += 1
        if self.done == WARM_UP_STEPS:
            self.began = time.perf_counter()
        if self.done == WARM_UP_STEPS + self.steps:
            self.seconds = time.perf_counter() - self.began
            raise Enough


def options(about: str, models: Sequence[str]) -> argparse.Namespace:
    """What bench_peers.measure asks for."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("work", type=Path, help="folder that bench_peers.write_work filled")
    parser.add_argument("--models", nargs="+", choices=models, default=models)
    parser.add_argument("--rows", type=int, required=True, help="rows to time, at most one epoch")
    parser.add_argument(
        "--evaluate", action="store_true", help="also predict all rows and take the AUC, MMoE only"
    )
    torch.set_num_threads(1)
    return parser.parse_args()


def steps_to_time(rows: int, num_rows: int) -> int:
    """So many, as an epoch of `num_rows` has them after the first few."""
    return min(rows, num_rows - WARM_UP_STEPS * BATCH_SIZE) // BATCH_SIZE


def seconds_of_training(
    optimiser: torch.optim.Optimizer, fit: Callable[[], object], steps: int
) -> float:
    """Seconds of `steps` steps of a fit."""
    clock = Clock(steps)
    optimiser.register_step_post_hook(clock)
    with contextlib.suppress(Enough):
        fit()
    return clock.seconds


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def print_figure(
    peer: str, model: str, steps: int, seconds: float, evaluate_rows_per_second: float | None
) -> None:
    """One line of JSON, as bench_peers.PeerFigure has it."""
    figure = {
        "peer": peer,
        "version": version(peer),
        "model": model,
        "batch_size": BATCH_SIZE,
        "rows": steps * BATCH_SIZE,
        "rows_per_second": steps * BATCH_SIZE / seconds,
        "evaluate_rows_per_second": evaluate_rows_per_second,
    }
    print("\n" + json.dumps(figure), flush=True)
