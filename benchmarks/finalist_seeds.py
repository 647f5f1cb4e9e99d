"""Finalist seeds: what more finalists, or more seeds of each, bring to the final choice.

`python benchmarks/finalist_seeds.py` reads the recorded trainings whose configurations have several
seeds: the best of a random search by its one seed. Of a random half of them, those that are best by
that seed become finalists; some of the other seeds choose among them, and the seeds that are left
judge the chosen one. It prints the gain over the best by one seed, which is what a study without
finalists would take. Shape legend: N configurations, best first by the first seed, S seeds.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from recorded import Recording, load, recorded

SEEDS = (1, 2, 3, 4, 5)
FEWEST = 10  # configurations with all seeds
FINALISTS, CHOOSING = (2, 3, 4, 6, 8), (1, 2, 3)
REPEATS = 4_000


def main() -> None:
    """Print a row for every number of finalists and of seeds that choose among them."""
    tables = dict(_tables())
    print(f"| finalists | seeds | trainings | {' | '.join(tables)} |")
    print(f"|---|---|---|{'---|' * len(tables)}")
    for num_finalists, num_choosing in product(FINALISTS, CHOOSING):
        gains = [
            f"{gain(values_NS, num_finalists, num_choosing):+.5f}" for values_NS in tables.values()
        ]
        trainings = num_finalists * num_choosing
        print(f"| {num_finalists} | {num_choosing} | {trainings} | {' | '.join(gains)} |")


def gain(values_NS: NDArray[np.float64], num_finalists: int, num_choosing: int) -> float:
    """Return the mean gain of choosing among so many by so many further seeds."""
    generator, gains = np.random.default_rng(0), []
    for _ in range(REPEATS):
        kept = generator.choice(len(values_NS), len(values_NS) // 2, replace=False)
        finalists = np.sort(kept)[:num_finalists]
        seeds = generator.permutation(np.arange(1, len(SEEDS)))
        choosing, judging = seeds[:num_choosing], seeds[num_choosing:]
        by_choice = values_NS[np.ix_(finalists, choosing)].mean(axis=1)
        judged = values_NS[np.ix_(finalists, judging)].mean(axis=1)
        gains.append(judged[by_choice.argmax()] - judged[0])
    return float(np.mean(gains))


def _tables() -> Iterator[tuple[str, NDArray[np.float64]]]:
    for task, arm in recorded():
        recording = load(task, arm)
        assert recording is not None, "its file is there"
        values_NS = _with_all_seeds(recording)
        if len(values_NS) >= FEWEST:
            yield f"{task} {arm} ({len(values_NS)})", values_NS


def _with_all_seeds(recording: Recording) -> NDArray[np.float64]:
    """Return the best value of every draw with each seed, the best by the first seed first."""
    by_draw: dict[str, dict[int, float]] = {}
    for training in recording.trainings:
        if training.is_draw:
            by_draw.setdefault(training.configuration, {})[training.seed] = training.best()
    rows = [[of[seed] for seed in SEEDS] for of in by_draw.values() if set(of) >= set(SEEDS)]
    values_NS = np.array(rows).reshape(-1, len(SEEDS))
    return values_NS[np.argsort(-values_NS[:, 0], kind="stable")]


if __name__ == "__main__":
    main()
