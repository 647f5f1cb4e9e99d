"""Does SAN's attention follow the users that scenarios share? `attention_and_users.py STUDY`.

For every scenario the other ones are ranked by SAN's weight (mean over the seeds of HiNet's chosen
finalist) and by what share of its training users they have. Printed is the mean over scenarios of
the rank correlation, and how often one so large comes from overlaps whose scenarios were renamed at
random (Mantel's test); then the same for the number of training rows. `--output` is the folder of
the launch.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

import hinet_search
from hinet_search import api
from hinet_search.data.columns import Columns
from hinet_search.results.finalist_values import chosen
from hinet_search.results.study_record import StudyRecord
from hinet_search.study.launch_options import LaunchOptions

DRAWS = 2_000
Matrix = NDArray[np.float64]


def attention(record: StudyRecord, arm: str = "hinet") -> Matrix:
    """SAN's weights (M, M), the mean over seeds; a row is the scenario that attends."""
    finalist = next(chosen(each) for each in record.arms if each.name == arm)
    insights = [run.insight for run in finalist.runs] if finalist else []
    weights = [each.attention for each in insights if each and each.attention]
    mean: Matrix = np.asarray(weights, dtype=np.float64).mean(axis=0)
    return mean


def shared_users(train: Columns, num_scenarios: int) -> Matrix:
    """The share of the users of a row's scenario that a column's scenario has too (M, M)."""
    users = [set(train.user_R[train.scenario_R == m].tolist()) - {-1} for m in range(num_scenarios)]
    return np.array([[len(own & other) / max(len(own), 1) for other in users] for own in users])


def sizes(train: Columns, num_scenarios: int) -> Matrix:
    """The training rows of a column's scenario, the same in every row (M, M)."""
    counts = np.bincount(train.scenario_R, minlength=num_scenarios).astype(float)
    return np.tile(counts, (num_scenarios, 1))


def agreement(weights: Matrix, explained_by: Matrix) -> float:
    """The mean over rows of the rank correlation off the diagonal."""
    others = ~np.eye(len(weights), dtype=bool)
    pairs = zip(weights, explained_by, others, strict=True)
    ranks = [spearmanr(row[keep], by[keep]).statistic for row, by, keep in pairs]
    return float(np.nanmean(ranks))


def share_as_large(weights: Matrix, explained_by: Matrix, seed: int = 0) -> float:
    """Among scenarios renamed at random, the share of agreements that are as large, or larger."""
    generator = np.random.default_rng(seed)
    observed = agreement(weights, explained_by)
    hits = 0
    for _ in range(DRAWS):
        names = generator.permutation(len(weights))
        hits += agreement(weights, explained_by[np.ix_(names, names)]) >= observed
    return (hits + 1) / (DRAWS + 1)


def main() -> None:
    """Print both agreements of every variant that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--variants", nargs="+", required=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    explanations: dict[str, Callable[[Columns, int], Matrix]] = {
        "shared users": shared_users,
        "training rows": sizes,
    }
    for variant in options.variants:
        record = hinet_search.load(options.study, variant=variant, output=options.output)
        launch = LaunchOptions(variant=variant, output=options.output)
        train = api.ready(options.study, launch).dataset.train
        weights = attention(record)
        for name, of_rows in explanations.items():
            by = of_rows(train, len(weights))
            figure = f"{agreement(weights, by):+.2f}, by chance as large in"
            print(f"{variant}, {name}: {figure} {share_as_large(weights, by):.3f}")


if __name__ == "__main__":
    main()
