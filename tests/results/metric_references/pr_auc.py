"""Average precision, threshold by threshold."""

from tests.results.metric_references import Rows


def plain(rows: Rows) -> float | None:
    """The sum over thresholds of the gain of recall times precision."""
    positives = sum(row.label for row in rows)
    if positives in (0, len(rows)):
        return None
    area = recall = 0.0
    for threshold in sorted({row.score for row in rows}, reverse=True):
        taken = [row for row in rows if row.score >= threshold]
        found = sum(row.label for row in taken)
        area += (found / positives - recall) * found / len(taken)
        recall = found / positives
    return area
