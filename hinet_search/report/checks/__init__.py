"""Checks of a study for the trust card: one file each, with ORDER and `check(record) -> Finding`, or None where it does not apply."""
