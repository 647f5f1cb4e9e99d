"""Compiled: the scoring of an exported model as graphs, which need none of this package."""
