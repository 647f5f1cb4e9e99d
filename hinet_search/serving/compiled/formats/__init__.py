"""Formats: one file each, which writes programs as graphs and runs them."""
