"""Formats: one file per `report --format`; `files(record)` returns text by file suffix."""
