"""TechJam's score of a stored study: `docs/results/techjam_score.py STUDY --output FOLDER`.

The mean of GAUC and nDCG@5 of long view on test, as the competition counts them, for the chosen
finalist of every arm, with mean and deviation over seeds. GAUC weighs the AUC of a user by the
user's positive rows and leaves out users of one class; nDCG counts every user once, as 0 without a
positive. `--set` are those of the launch.
Shape legend: R rows, U users.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from markdown_tables import number, table
from numpy.typing import NDArray

import hinet_search
from hinet_search.data.study_data import dataset_of
from hinet_search.results.finalist_values import chosen
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.jobs.messages import scores_path, weights_path
from hinet_search.training.jobs.score import read_scores

PLACES = 5
DISCOUNT = 1 / np.log2(np.arange(2, PLACES + 2))
HEAD = ("arm", "GAUC", "nDCG@5", "their mean")
Scores = NDArray[np.float32]


def by_user(user_R: NDArray[np.int32]) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of every user."""
    order_R = np.argsort(user_R, kind="stable")
    yield from np.split(order_R, np.flatnonzero(np.diff(user_R[order_R])) + 1)


def auc(labels: NDArray[np.uint8], scores: Scores) -> float:
    """The AUC of rows of both classes; equal scores count half."""
    positive, negative = scores[labels == 1], np.sort(scores[labels == 0])
    below = np.searchsorted(negative, positive, side="left")
    up_to = np.searchsorted(negative, positive, side="right")
    return float((below + up_to).mean() / 2 / len(negative))


def ndcg(labels: NDArray[np.uint8], scores: Scores) -> float:
    """NDCG of the first places; 0 without a positive."""
    if not labels.any():
        return 0.0
    first = labels[np.argsort(-scores, kind="stable")[:PLACES]]
    best = DISCOUNT[: min(PLACES, int(labels.sum()))].sum()
    return float((first * DISCOUNT[: len(first)]).sum() / best)


def techjam(
    labels_R: NDArray[np.uint8], score_R: Scores, user_R: NDArray[np.int32]
) -> tuple[float, float]:
    """Return GAUC and nDCG@5."""
    aucs, weights, gains = [], [], []
    for rows in by_user(user_R):
        labels, scores = labels_R[rows], score_R[rows]
        gains.append(ndcg(labels, scores))
        if labels.min() != labels.max():
            aucs.append(auc(labels, scores))
            weights.append(int(labels.sum()))
    return float(np.average(aucs, weights=weights)), fmean(gains)


def told(values: list[float]) -> str:
    """Mean and deviation over seeds."""
    return f"{number(fmean(values))} ± {number(stdev(values))}"


def main() -> None:
    """Print a row for every arm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--variant")
    parser.add_argument("--set", action="append", default=[], dest="sets")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    settings = dict(each.split("=", 1) for each in given.sets)
    options = LaunchOptions(output=given.output, variant=given.variant, settings=settings)
    record = hinet_search.load(given.study, variant=given.variant, output=given.output)
    test = dataset_of(options.load(given.study), options.cache, print).test
    rows = []
    for arm in record.arms:
        finalist = chosen(arm)
        if finalist is None or finalist.summary is None:
            continue
        scores = []
        for run in finalist.runs:
            path = weights_path(
                options.folder.absolute() / "artifacts" / record.name,
                arm.name,
                finalist.trial_number,
                run.seed,
            )
            logit_RT = read_scores(scores_path(path), "test", test)
            scores.append(techjam(test.labels_RT[:, 0], logit_RT[:, 0], test.user_R))
        gaucs, gains = map(list, zip(*scores, strict=True))
        means = [fmean(pair) for pair in scores]
        rows.append((arm.name, told(gaucs), told(gains), told(means)))
    print("\n".join(table(HEAD, rows)))


if __name__ == "__main__":
    main()
