"""Tracking: copy a study to a tracker while it runs."""
