"""Log loss, and half the Poisson deviance of amounts."""

from math import log
from statistics import fmean

from tests.results.metric_references import PlainRow, Rows


def plain(rows: Rows) -> float | None:
    """The mean loss of a row."""
    return fmean(map(_loss, rows)) if rows else None


def _loss(row: PlainRow) -> float:
    if not row.is_amount:
        return -log(row.expected if row.label else 1 - row.expected)
    logs = row.label * log(row.label / row.expected) if row.label else 0.0
    return row.expected - row.label + logs
