"""A stranger's first hour, run and compared."""
