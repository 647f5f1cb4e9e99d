"""Metrics in loops over rows, written from their definitions: one file each, with `plain(rows)`.

The labels of rows are 0 and 1 or amounts; None means that rows have no value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np


@dataclass(frozen=True)
class PlainRow:
    """A row with the logit of its label, or the log of its expected amount."""

    score: float
    label: float
    user: object  # None for a row without a user
    is_amount: bool
    amount: float = 1.0  # what a label of 1 stands for

    @property
    def expected(self) -> float:
        """The expected label."""
        return float(np.exp(self.score) if self.is_amount else 1 / (1 + np.exp(-self.score)))


Rows = Sequence[PlainRow]


def share_of_ordered_pairs(rows: Rows) -> float | None:
    """The share of pairs in the right order, each by the difference of its labels."""
    right = total = 0.0
    for higher in rows:
        for lower in rows:
            difference = max(higher.label - lower.label, 0.0)
            total += difference
            right += difference * (higher.score > lower.score)
            right += difference * (higher.score == lower.score) / 2
    return right / total if total else None


def by_users(rows: Rows) -> list[Rows]:
    """The rows of every user."""
    users = dict.fromkeys(row.user for row in rows if row.user is not None)
    return [[row for row in rows if row.user == user] for user in users]


def mean_by_rows(values: Sequence[float | None], groups: Sequence[Rows]) -> float | None:
    """The mean of the values of groups that have one, by their rows."""
    known = [
        (value, len(rows)) for value, rows in zip(values, groups, strict=True) if value is not None
    ]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def mean_error(rows: Rows, power: int) -> float | None:
    """The mean power of errors in the unit of the column."""
    errors = [row.amount * abs(row.expected - row.label) for row in rows]
    return fmean(error**power for error in errors) if errors else None
