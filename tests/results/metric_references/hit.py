"""Whether a positive row is among the first 10, over all ways to place the positives of its tie."""

from math import comb

from tests.results.metric_references import Rows, by_users, mean_by_rows

CUTOFF = 10


def plain(rows: Rows) -> float | None:
    """The mean over users whose labels differ, by rows."""
    groups = by_users(rows)
    return mean_by_rows([_share_of_orders(group) for group in groups], groups)


def _share_of_orders(rows: Rows) -> float | None:
    if len({row.label for row in rows}) < 2:
        return None
    best = max(row.score for row in rows if row.label == 1)
    above = sum(row.score > best for row in rows)
    tie = [row.label for row in rows if row.score == best]
    positives = int(sum(tie))
    listed = min(max(CUTOFF - above, 0), len(tie))
    return 1 - comb(len(tie) - listed, positives) / comb(len(tie), positives)
