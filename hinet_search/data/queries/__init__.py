"""Rows of SQL databases: address, engines, and the rows that are kept."""
