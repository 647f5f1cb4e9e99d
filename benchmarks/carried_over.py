"""Carried over: would one configuration, found best on other tasks, do better than the rule?

`python benchmarks/carried_over.py` takes every task in turn. Of the recorded draws of an arm it
chooses the one that lacks least to the best on all other tasks (in units of the distance from the
median draw to the best one), and prints what it lacks on the task that was left out, beside what
the rule's default lacks. Values are `mean_auc` on validation, of one seed. Shape legend: K tasks,
N configurations; the first is the rule's default.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recorded import DEFAULT_AFTER, load, recorded

DRAWS = 40
SEED = 1
NAMES = (DEFAULT_AFTER, *(f"draw {number}" for number in range(DRAWS)))


def main() -> None:
    """Print a line for every arm and task."""
    values: dict[str, dict[str, Sequence[float]]] = defaultdict(dict)
    for task, arm in recorded():
        if known := _values(task, arm):
            values[arm][task] = known
    print("| arm | task left out | rule's default lacks | best draw elsewhere lacks |")
    print("|---|---|---|---|")
    for arm, by_task in values.items():
        if len(by_task) > 1:
            print(*_lines(arm, list(by_task), np.array(list(by_task.values()))), sep="\n")


def _values(task: str, arm: str) -> list[float]:
    """The best value of every configuration; nothing unless all draws are recorded."""
    recording = load(task, arm)
    assert recording is not None
    best = {each.configuration: each.best() for each in recording.trainings if each.seed == SEED}
    return [best[name] for name in NAMES] if set(NAMES) <= best.keys() else []


def _lines(arm: str, tasks: list[str], value_KN: NDArray[np.float64]) -> Iterator[str]:
    lacks_KN = value_KN.max(axis=1, keepdims=True) - value_KN
    distance_KN = lacks_KN / np.median(lacks_KN, axis=1, keepdims=True)
    for left_out, task in enumerate(tasks):
        others_N = np.delete(distance_KN, left_out, axis=0).mean(axis=0)
        draw = 1 + int(others_N[1:].argmin())
        lacks_N = lacks_KN[left_out]
        yield f"| {arm} | {task} | {_short(lacks_N[0])} | {_short(lacks_N[draw])} |"


def _short(value: float) -> str:
    return f"{value:.4f}".lstrip("0")


if __name__ == "__main__":
    main()
