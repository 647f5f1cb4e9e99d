"""Calibration error in bins of tenths of rows."""

from statistics import fmean

from tests.results.metric_references import Rows


def plain(rows: Rows) -> float | None:
    """Each row is ten tenths of a row, so bins hold equally many; a tie's labels are its mean."""
    gaps = []
    for row in sorted(rows, key=lambda row: row.score):
        label = fmean(other.label for other in rows if other.score == row.score)
        gaps += 10 * [row.expected - label]
    bins = [gaps[start : start + len(rows)] for start in range(0, len(gaps), len(rows) or 1)]
    return sum(abs(sum(part)) for part in bins) / 10 / len(rows) if rows else None
