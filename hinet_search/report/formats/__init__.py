"""Formats: one file per format of `report --format`; `files(record)` gives the text behind each ending of a file's name."""
