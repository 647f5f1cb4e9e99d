"""Score bins: the rows of a task by ascending score, in bins of equal numbers of rows.

Shape legend: C rows of a task in ascending order of score, B bins.
"""

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.calibration_records import ScoreBins, first_rows
from hinet_search.results.cells import Labels
from hinet_search.results.families import Family
from hinet_search.results.statistics.scored_cell import Floats

NUM_BINS = 50


def score_bins(
    task: str,
    score_C: NDArray[np.float32],
    calibrated_C: NDArray[np.float32],
    label_C: Labels,
    family: Family,
) -> ScoreBins:
    """Count a task's rows by their scores; its result does not depend on the order of rows.

    Rows of one score have the mean of their labels each, and the mean of their expected labels
    after calibration: what they have on average over all orders of these rows.
    """
    first_B = np.array(first_rows(len(score_C), min(NUM_BINS, len(score_C))))
    score_K, tie_C, rows_K = np.unique(score_C, return_inverse=True, return_counts=True)

    def mean_of_ties(value_C: NDArray[np.generic]) -> Floats:
        """(C,): the mean value of the rows of the same score, in ascending order of score."""
        return np.repeat(np.bincount(tie_C, value_C) / rows_K, rows_K)

    sorted_C = np.repeat(score_K.astype(np.float64), rows_K)
    size_B = np.diff(first_B, append=len(score_C))

    def mean_of_bins(value_C: Floats) -> tuple[float, ...]:
        return _rounded(np.add.reduceat(value_C, first_B) / size_B)

    return ScoreBins(
        task,
        len(score_C),
        lowest=_rounded(sorted_C[first_B]),
        highest=_rounded(sorted_C[-1:])[0],
        labels=mean_of_bins(mean_of_ties(label_C)),
        expected=mean_of_bins(family.mean(sorted_C)),
        calibrated=mean_of_bins(mean_of_ties(family.mean(calibrated_C))),
    )


def _rounded(value_B: Floats) -> tuple[float, ...]:
    """Keep six digits, which a picture does not show; a report embeds them all."""
    return tuple(float(f"{value:.6g}") for value in value_B)
