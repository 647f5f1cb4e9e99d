"""Calibration error: how far expected labels are from labels, in bins of equally many rows.

Shape legend: K ties of a cell (distinct scores), in ascending order.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_CALIBRATION_BINS = 10


def expected_calibration_error(
    mean_K: NDArray[np.float64], rows_K: NDArray[Any], total_K: NDArray[Any]
) -> float:
    """Return the mean over bins of |mean expectation - mean label|.

    `total_K` sums the labels of a tie. A tie on a bin's edge is divided between both sides with its
    labels evenly spread, so that the order of rows does not matter and a constant expectation of
    the mean label has error 0.
    """
    rows_before_K = _sums_before(rows_K)
    num_rows = rows_before_K[-1]
    edges = np.linspace(0, num_rows, NUM_CALIBRATION_BINS + 1)
    expected = np.diff(np.interp(edges, rows_before_K, _sums_before(rows_K * mean_K)))
    observed = np.diff(np.interp(edges, rows_before_K, _sums_before(total_K)))
    return float(np.abs(expected - observed).sum() / num_rows)


def _sums_before(values_K: NDArray[Any]) -> NDArray[np.float64]:
    """Return K + 1 sums: of the values before each tie, and of all values."""
    return np.concatenate([[0.0], np.cumsum(values_K)])
