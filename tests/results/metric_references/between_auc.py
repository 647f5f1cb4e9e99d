"""AUC of rows that have the mean score of their user."""

from dataclasses import replace

import numpy as np

from tests.results.metric_references import Rows, by_users, share_of_ordered_pairs


def plain(rows: Rows) -> float | None:
    """The share of ordered pairs of means."""
    mean_of = {
        group[0].user: float(np.float32(sum(row.score for row in group) / len(group)))
        for group in by_users(rows)
    }
    return share_of_ordered_pairs([replace(row, score=mean_of[row.user]) for row in rows])
