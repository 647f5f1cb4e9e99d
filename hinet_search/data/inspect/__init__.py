"""Inspect: what a table holds, and what in it would mislead a study."""
