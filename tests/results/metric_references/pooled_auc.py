"""The pooled AUC of rows that may be of several scenarios is their AUC."""

from tests.results.metric_references import share_of_ordered_pairs as plain

__all__ = ["plain"]
