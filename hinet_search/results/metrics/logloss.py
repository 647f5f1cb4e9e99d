"""Log loss: the mean of -log p(label) over the rows; of amounts half the Poisson deviance."""

from hinet_search.results.metrics import Metric
from hinet_search.results.statistics.scored_cell import Prepared, ScoredCell, mean_over_rows


def prepare(cell: ScoredCell) -> Prepared:
    """Compute the loss of every row once."""
    return mean_over_rows(cell, cell.losses)


METRIC = Metric(
    words="log loss",
    prepare=prepare,
    maximize=False,
    mean="by rows",
    is_of_cell=True,
    always=True,
)
