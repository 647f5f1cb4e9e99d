"""Calibration as a ratio of two sums."""

from tests.results.metric_references import Rows


def plain(rows: Rows) -> float | None:
    """The sum of expected labels over that of labels."""
    total = sum(row.label for row in rows)
    return sum(row.expected for row in rows) / total if total else None
