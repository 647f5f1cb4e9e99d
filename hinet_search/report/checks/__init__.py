"""Checks for the trust card: one file each, with ORDER and `check(record) -> Finding | None`.

A check returns None if it does not apply to the study.
"""
