"""One over the place of the first positive row, over all ways to place the positives of its tie."""

from math import comb

from tests.results.metric_references import Rows, by_users, mean_by_rows


def plain(rows: Rows) -> float | None:
    """The mean over users whose labels differ, by rows."""
    groups = by_users(rows)
    return mean_by_rows([_mean_of_orders(group) for group in groups], groups)


def _mean_of_orders(rows: Rows) -> float | None:
    if len({row.label for row in rows}) < 2:
        return None
    best = max(row.score for row in rows if row.label == 1)
    above = sum(row.score > best for row in rows)
    tie = [row.label for row in rows if row.score == best]
    positives = int(sum(tie))
    ways = [comb(len(tie) - place, positives - 1) for place in range(1, len(tie) + 1)]
    places = range(above + 1, above + len(tie) + 1)
    return sum(way / place for way, place in zip(ways, places, strict=True)) / sum(ways)
