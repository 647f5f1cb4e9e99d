"""Notebook: a study of a frame in Python, kept as a table and a file of YAML."""
