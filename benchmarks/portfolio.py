"""Portfolio: the configurations that a search should try first, chosen on recorded trainings.

Draws of one number are the same shares of their ranges in every arm and task, so a draw is a
configuration that can be tried anywhere. `greedy_cover` takes draws one by one: the next is the one
that most lowers what the best configuration so far lacks, over all tables but those of one data
set. Values are `mean_auc` on validation, of one seed. `python benchmarks/portfolio.py` prints the
key `portfolio` of spaces/training.yaml. Shape legend: K tables, N configurations; the first is the
rule's default.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from random_draws import draw
from recorded import DEFAULT_AFTER, Recording, load, recorded
from replay.table import Parameter

DRAWS = 40
SIZE = 8  # draws of a portfolio
SEED = 1
# What at least five of the six recorded arms search.
NAMES_OF_MOST = (
    "train.learning_rate",
    "train.embedding_learning_rate_multiplier",
    "train.batch_size",
    "train.weight_decay",
    "features.minimum_frequency",
    "model.embedding_dim",
    "model.tower.widths",
    "model.dropout",
)
WRITTEN = {"model.dropout": "dropout"}  # HiNet has it at another path
NAMES = (DEFAULT_AFTER, *(f"draw {number}" for number in range(DRAWS)))


def data_set(task: str) -> str:
    """Return the data set that a task is made from."""
    return task.split("_", maxsplit=1)[0]


@cache
def portfolio(left_out: str = "", size: int = SIZE) -> tuple[int, ...]:
    """Return the numbers of draws, the most useful one first, chosen without one data set."""
    lacks = [_lacks(values) for task, values in _complete_tables() if data_set(task) != left_out]
    return tuple(number - 1 for number in greedy_cover(np.array(lacks), size))


def greedy_cover(lacks_KN: NDArray[np.float64], size: int) -> list[int]:
    """Return the indices of at most `size` configurations after the first, in order of their use.

    There are fewer where no further one is better than all chosen before on any table.
    """
    chosen: list[int] = []
    best_K = lacks_KN[:, 0]
    while len(chosen) < size:
        left_N = np.minimum(best_K[:, None], lacks_KN).mean(axis=0)
        if left_N.min() >= best_K.mean():
            break
        chosen.append(int(left_N.argmin()))
        best_K = lacks_KN[:, [0, *chosen]].min(axis=1)
    return chosen


def _lacks(values: Sequence[float]) -> NDArray[np.float64]:
    """What each configuration lacks to the best, in units of what the median one lacks."""
    lacks_N = max(values) - np.array(values)
    return lacks_N / np.median(lacks_N)


@cache
def _complete_tables() -> tuple[tuple[str, Sequence[float]], ...]:
    return tuple(_tables())


def _tables() -> Iterator[tuple[str, Sequence[float]]]:
    for task, arm in recorded():
        trainings = _recording(task, arm).trainings
        best = {each.configuration: each.best() for each in trainings if each.seed == SEED}
        if set(NAMES) <= best.keys():
            yield task, [best[name] for name in NAMES]


def shares(number: int) -> dict[str, float]:
    """Return the shares of a draw in the ranges of the parameters that most arms have."""
    parameters = _parameters()
    drawn = draw([parameters[name] for name in NAMES_OF_MOST], number)
    return {
        WRITTEN.get(name, name): float(f"{_share(parameters[name], value):.2g}")
        for name, value in drawn.items()
    }


def _share(parameter: Parameter, value: Any) -> float:
    if parameter.kind == "categorical":
        return parameter.choices.index(value) / (len(parameter.choices) - 1)
    return parameter.encode(value)[0]


@cache
def _parameters() -> dict[str, Parameter]:
    """Every recorded parameter by its name, with the range of the last table that has it."""
    return {each.name: each for task, arm in recorded() for each in _recording(task, arm).space}


def _recording(task: str, arm: str) -> Recording:
    recording = load(task, arm)
    assert recording is not None, "its file is there"
    return recording


def main() -> None:
    """Print the draws chosen without each data set, and the portfolio chosen with all."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for left_out in sorted({data_set(task) for task, _ in _complete_tables()}):
        print(f"# chosen without {left_out}: draws {portfolio(left_out)}")
    print(f"# with all: draws {portfolio()}")
    print("portfolio:")
    for number in portfolio():
        lines = [f"{name}: {share:g}" for name, share in shares(number).items()]
        print("  -", "\n    ".join(lines))


if __name__ == "__main__":
    main()
