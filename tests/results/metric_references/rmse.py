"""RMSE of amounts."""

from tests.results.metric_references import Rows, mean_error


def plain(rows: Rows) -> float | None:
    """The root of the mean squared error."""
    mean = mean_error(rows, 2)
    return None if mean is None else mean**0.5
