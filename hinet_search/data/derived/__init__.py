"""Derived: inputs that are made of other columns: statistics, lists, matches."""
