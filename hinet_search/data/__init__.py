"""Data: a definition and its rows become encoded, memory-mapped columns."""
