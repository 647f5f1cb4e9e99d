"""Nightly: refit what is served on the rows of each night, judge it, and put it in its place."""
