"""Calibration error: how far mean expected labels are from mean labels, as a mean over bins.

Ten bins hold equally many rows; a tie on an edge is divided between its bins.
Shape legend: B resamplings, K ties (distinct scores).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import Floats, Prepared, ScoredCell

NUM_CALIBRATION_BINS = 10


def prepare(cell: ScoredCell) -> Prepared:
    """Sort the rows once."""

    def value(weight_UB: Floats | None) -> Floats:
        ties = cell.ties(weight_UB)
        mean_K = cell.family.mean(ties.score_K)
        rows_BK = np.ascontiguousarray(ties.rows_KB.T)
        total_BK = ties.totals.T
        errors = [
            expected_calibration_error(mean_K, rows_K, total_K) if rows_K.any() else np.nan
            for rows_K, total_K in zip(rows_BK, total_BK, strict=True)
        ]
        return np.array(errors)

    return value


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


METRIC = Metric(
    words="calibration error",
    prepare=prepare,
    maximize=False,
    mean="plain",
    always=True,
)
