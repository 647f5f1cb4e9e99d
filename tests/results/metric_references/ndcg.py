"""NDCG@10 of users, place by place."""

from collections.abc import Callable
from math import log2

from tests.results.metric_references import PlainRow, Rows, by_users, mean_by_rows

CUTOFF = 10


def plain(rows: Rows) -> float | None:
    """The mean over users whose labels differ, by rows."""
    groups = by_users(rows)
    return mean_by_rows([_ndcg(group) for group in groups], groups)


def _ndcg(rows: Rows) -> float | None:
    if len({row.label for row in rows}) < 2:
        return None
    return _gain(rows, lambda row: row.score) / _gain(rows, lambda row: row.label)


def _gain(rows: Rows, order: Callable[[PlainRow], float]) -> float:
    """The gain in this order, where rows that are equal share their places."""
    gain = 0.0
    for row in rows:
        first = sum(order(other) > order(row) for other in rows) + 1
        places = range(first, first + sum(order(other) == order(row) for other in rows))
        discounts = [1 / log2(1 + place) if place <= CUTOFF else 0.0 for place in places]
        gain += row.label * sum(discounts) / len(places)
    return gain
