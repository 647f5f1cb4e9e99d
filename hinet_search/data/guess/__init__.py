"""Guess: a data definition proposed from the columns of a table."""
