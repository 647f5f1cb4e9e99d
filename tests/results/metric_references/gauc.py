"""Grouped AUC as a mean over users."""

from tests.results.metric_references import Rows, by_users, mean_by_rows, share_of_ordered_pairs


def plain(rows: Rows) -> float | None:
    """The mean AUC of users that have one, by rows."""
    groups = by_users(rows)
    return mean_by_rows([share_of_ordered_pairs(group) for group in groups], groups)
