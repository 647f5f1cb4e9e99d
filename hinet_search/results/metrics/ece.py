"""Calibration error: how far mean expected labels are from mean labels, as a mean over bins.

Ten bins hold equally many rows; a tie on an edge is divided between its bins.
Shape legend: B resamplings, K ties (distinct scores).
"""

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.calibration_error import expected_calibration_error
from hinet_search.results.statistics.scored_cell import Floats, Prepared, ScoredCell


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


METRIC = Metric(
    words="calibration error",
    prepare=prepare,
    maximize=False,
    mean="plain",
    always=True,
)
