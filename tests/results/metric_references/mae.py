"""MAE of amounts."""

from tests.results.metric_references import Rows, mean_error


def plain(rows: Rows) -> float | None:
    """The mean absolute error."""
    return mean_error(rows, 1)
