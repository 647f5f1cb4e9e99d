"""Newer rows: fit an exported model again on rows that came after its training."""
