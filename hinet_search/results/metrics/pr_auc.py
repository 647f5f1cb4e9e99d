"""PR-AUC: the area under the curve of precision and recall, as average precision.

A step of the curve is a tie: rows of one score pass the threshold together. The area is the sum
over ties, from the highest score down, of the share of all positives in a tie times the precision
among the rows down to it. Without information it is the share of positives.
Shape legend: B resamplings, K ties, P ties with a positive.
"""

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import Floats, Prepared, ScoredCell, ratio


def prepare(cell: ScoredCell) -> Prepared:
    """Sort the rows once."""

    def value(weight_UB: Floats | None) -> Floats:
        ties = cell.ties(weight_UB)
        positives_B = ties.total_PB.sum(axis=0)
        rows_B = ties.rows_KB.sum(axis=0)
        below_KB = np.cumsum(ties.rows_KB, axis=0) - ties.rows_KB
        rows_down_to_PB = rows_B - below_KB[ties.place_P]
        below_PB = np.cumsum(ties.total_PB, axis=0) - ties.total_PB
        precision_PB = np.divide(
            positives_B - below_PB,
            rows_down_to_PB,
            out=np.zeros_like(below_PB),
            where=ties.total_PB > 0,
        )
        area_B = ratio((ties.total_PB * precision_PB).sum(axis=0), positives_B)
        return np.where(positives_B < rows_B, area_B, np.nan)

    return value


METRIC = Metric(
    words="PR-AUC",
    prepare=prepare,
    maximize=True,
    is_ranking=True,
    mean="by rows",
    labels="binary",
)
