"""Figures: one file each, with `TITLE` and `figure(record)`, which returns a figure of plotly.

`figure` raises NotApplicable if the record lacks what the figure shows.
"""
