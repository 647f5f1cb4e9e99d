"""Serving: a finalist leaves its study as a folder of its own, and scores new rows from there."""
