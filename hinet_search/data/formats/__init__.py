"""Formats of tables: Parquet is read where it lies; all others are read once, and kept as it."""
