"""Single areas: the AUC of one column alone, from counts by value.

Rows are counted once for each label, so nothing is sorted but the distinct values.
Shape legend: R rows, K distinct values, H halves of the rows, G groups of rows with one score.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.hashing import uniform

PRIOR_ROWS = 10.0  # an id needs about this many rows before its own rate counts more than the mean
Floats = NDArray[np.float64]


def area_in_order(code_R: NDArray[Any], labels_R: NDArray[Any]) -> float | None:
    """AUC of values that have these places from 0 in their order; None if all labels are equal."""
    ones_K = np.bincount(code_R, weights=labels_R)
    return _area(np.arange(ones_K.size), np.bincount(code_R), ones_K)


def area_of_rates(code_R: NDArray[Any], labels_R: NDArray[Any]) -> float | None:
    """AUC of `out_of_fold_rates`."""
    half_R = halves(code_R.size)
    rate_HK = _rates(code_R, labels_R, half_R)
    place_R = half_R * rate_HK.shape[1] + code_R
    rows_G = np.bincount(place_R, minlength=rate_HK.size)
    ones_G = np.bincount(place_R, weights=labels_R, minlength=rate_HK.size)
    return _area(rate_HK.ravel(), rows_G, ones_G)


def out_of_fold_rates(ids_R: NDArray[np.int32], labels_R: NDArray[Any]) -> Floats:
    """Label rate, or mean amount, of each row's id in the half of the rows that the row is not in.

    Rates are shrunk towards the mean of that half. A rate that counted the row itself would make
    every rare id look like a leak.
    """
    half_R = halves(ids_R.size)
    rates_R: Floats = _rates(ids_R, labels_R, half_R)[half_R, ids_R]
    return rates_R


@lru_cache(maxsize=2)
def halves(num_rows: int) -> NDArray[np.int64]:
    """The half of every row (R,), 0 or 1."""
    half_R = (uniform(np.arange(num_rows, dtype=np.uint64), seed=0) < 0.5).astype(np.int64)
    half_R.setflags(write=False)
    return half_R


def _rates(code_R: NDArray[Any], labels_R: NDArray[Any], half_R: NDArray[np.int64]) -> Floats:
    """The rates (H, K) that rows of a half get, which are those of the other half."""
    num_values = int(code_R.max()) + 1
    rate_HK = np.empty((2, num_values))
    for half in (0, 1):
        other_R = half_R != half
        labels = labels_R[other_R]
        counts_K = np.bincount(code_R[other_R], minlength=num_values)
        ones_K = np.bincount(code_R[other_R], weights=labels, minlength=num_values)
        mean = labels.mean() if labels.size else 0.0
        rate_HK[half] = (ones_K + PRIOR_ROWS * mean) / (counts_K + PRIOR_ROWS)
    return rate_HK


def _area(score_G: NDArray[Any], rows_G: NDArray[np.int64], ones_G: NDArray[Any]) -> float | None:
    """AUC of groups of rows: a pair with equal scores counts half."""
    _, tie_G = np.unique(score_G, return_inverse=True)
    ones = np.bincount(tie_G, weights=ones_G)
    zeros = np.bincount(tie_G, weights=rows_G - ones_G)
    num_pairs = ones.sum() * zeros.sum()
    if not num_pairs:
        return None
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + zeros / 2)).sum() / num_pairs)
