"""AUC within groups, which are users where nothing else is named."""

from tests.results.metric_references.gauc import plain

__all__ = ["plain"]
