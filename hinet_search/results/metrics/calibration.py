"""Calibration: the sum of expected labels over the sum of labels, 1 if they agree."""

import numpy as np

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import Prepared, RatioOfSums, ScoredCell


def prepare(cell: ScoredCell) -> Prepared:
    """Compute the expected label of every row once."""
    label_C = cell.label_C.astype(np.float64)
    return RatioOfSums(cell.expected, label_C, cell.unit_C, cell.num_units)


METRIC = Metric(
    words="expected per actual",
    prepare=prepare,
    maximize=False,
    always=True,
)
