"""Requests: score the rows of one JSON request at once, as `predict` scores those of a table."""
