"""Stacked trials: what a search gains and finds when its trials train together.

    python benchmarks/bench_stacked_trials.py [STUDY] [--stacks N ...] [--seeds N] [--trials N]

By itself, since it takes minutes. The study is searched with trials alone and with stacks of up to
N, with one slot; N:TRIALS has another number of trials, such as what fits into the same time. Every
seed of the study is searched with each, in turns; seconds are those of the trials, each of which
counts its share of a stack.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median

from hinet_search.api import launch_ready, ready
from hinet_search.results.objectives import Objective
from hinet_search.search.progress import NullWatcher
from hinet_search.study.launch_options import LaunchOptions
from layout import aligned


@dataclass(frozen=True)
class Search:
    """Seconds of all trials of one search, and the mean over its arms of the best value (valid)."""

    seconds: float
    best: float


@dataclass(frozen=True)
class StackedSearch:
    """Medians over the seeds; `ratio` is that of the seconds alone over those with stacks.

    `best_change` is the median of the paired changes of the best value, with their range.
    """

    stack: int
    trials: int
    seconds: float
    ratio: float
    best: float
    best_change: float
    least_change: float
    most_change: float


def bench_stacked_trials(
    study: str, trials: int, stacks: Sequence[tuple[int, int]], num_seeds: int
) -> list[StackedSearch]:
    """Search so many trials alone, and each pair of a stack and its trials, seed by seed."""
    alone = 1, trials
    searches = [
        {each: search(study, *each, seed) for each in (alone, *stacks)} for seed in range(num_seeds)
    ]
    figures = []
    for each in (alone, *stacks):
        changes = [of_seed[each].best - of_seed[alone].best for of_seed in searches]
        figures.append(
            StackedSearch(
                *each,
                median(of_seed[each].seconds for of_seed in searches),
                median(of_seed[alone].seconds / of_seed[each].seconds for of_seed in searches),
                median(of_seed[each].best for of_seed in searches),
                median(changes),
                min(changes),
                max(changes),
            )
        )
    return figures


def search(study: str, stack: int, trials: int, seed: int) -> Search:
    """Search once, in a folder of its own."""
    settings = {
        "stacked_trials": stack,
        "ensemble": False,
        "teaching": None,
        "finalists": {"top": 1, "seeds": 1, "default": False},
    }
    with tempfile.TemporaryDirectory(prefix="stacked-") as folder:
        options = LaunchOptions(
            trials=trials, slots=1, seed=seed, settings=settings, output=Path(folder)
        )
        record = launch_ready(ready(study, options), options, "bench", NullWatcher())
    choose = max if Objective(record.objective).maximize else min
    values = [
        choose(trial.value for trial in arm.trials if trial.value is not None)
        for arm in record.arms
    ]
    costs = [trial.cost for arm in record.arms for trial in arm.trials]
    return Search(sum(cost.seconds for cost in costs if cost), sum(values) / len(values))


def main() -> None:
    """Print a line for each number of stacked trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="?", default="quickstart")
    parser.add_argument("--stacks", nargs="+", default=["4", "8"], metavar="N[:TRIALS]")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=16)
    given = parser.parse_args()
    parts = [stack.partition(":") for stack in given.stacks]
    stacks = [(int(stack), int(trials or given.trials)) for stack, _, trials in parts]
    figures = bench_stacked_trials(given.study, given.trials, stacks, given.seeds)
    lines = [tuple(field.name for field in fields(StackedSearch))]
    lines += [tuple(f"{cell:.4g}" for cell in astuple(figure)) for figure in figures]
    print(aligned(lines))


if __name__ == "__main__":
    main()
