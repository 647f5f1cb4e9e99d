"""Print how often forecasts of time and memory are right: `docs/results/forecasts.py FOLDER`.

Studies are drawn by a seed: rows, arms, trials, epochs, seeds and slots of quickstart vary. `check`
forecasts each on this machine, which should do nothing else, and `launch` runs it. Printed is the
measured value over the forecast, per study, and the share of studies within 30 %.
"""

import argparse
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import hinet_search as hs

NEAR = 0.3
ARMS = ("hinet", "mmoe", "ple", "star", "shared_bottom", "single", "trees", "flat_moe")


def drawn(draw: np.random.Generator) -> dict[str, Any]:
    """Settings of a study."""
    rows = int(draw.choice([12_000, 36_000, 100_000]))
    chosen = sorted(draw.choice(ARMS, 2, replace=False))
    return {
        "data.source.rows": rows,
        "data.split": {"by": "random", "seed": 1, "valid": 0.15, "test": 0.15},
        "arms": dict.fromkeys(chosen),
        "trials": int(draw.integers(1, 5)),
        "epochs": int(draw.integers(1, 4)),
        "finalists": {"top": 1, "seeds": int(draw.integers(2, 5)), "default": False},
        "slots": int(draw.integers(1, 3)),
        "teaching": None,
        "ensemble": False,
    }


def measured(settings: dict[str, Any], folder: Path) -> tuple[float, float]:
    """Return seconds over their forecast, and memory of the largest training over its forecast."""
    plan = hs.check("quickstart", settings=settings, output=folder)
    begin = perf_counter()
    record = hs.launch("quickstart", settings=settings, output=folder)
    seconds = perf_counter() - begin
    trials = [trial for arm in record.arms for trial in arm.trials]
    largest = max(trial.cost.peak_memory_bytes for trial in trials if trial.cost is not None)
    return seconds / plan.seconds, largest / plan.training_bytes


def main() -> None:
    """Print one line a study, and the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = np.random.default_rng(options.seed)
    ratios = []
    for number in range(options.studies):
        settings = drawn(draw)
        ratios.append(measured(settings, options.folder / str(number)))
        arms = ", ".join(settings["arms"])
        print(f"{arms}: time {ratios[-1][0]:.2f}, memory {ratios[-1][1]:.2f}", flush=True)
    for name, values in zip(("time", "memory"), zip(*ratios, strict=True), strict=True):
        near = sum(1 / (1 + NEAR) <= value <= 1 + NEAR for value in values)
        print(f"{name}: within 30 % in {near} of {len(values)}, median {median(values):.2f}")


if __name__ == "__main__":
    main()
