"""Guesses of small tables."""

import polars as pl

from hinet_search.data.guess.column_facts import ColumnFacts, facts_of
from hinet_search.data.guess.column_roles import guess_roles
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles

N = 600


def facts(**columns: object) -> tuple[ColumnFacts, ...]:
    return facts_of(pl.DataFrame(columns).lazy())


def guessed(**columns: object) -> ColumnRoles:
    """Guesses of a table that has a label and a scenario beside the given columns."""
    fixed = {"is_click": [0, 1] * (N // 2), "scene": ["a", "b", "c"] * (N // 3)}
    return guess_roles(facts(**{**fixed, **columns}))


def names(guesses: tuple[ColumnRole, ...]) -> list[str]:
    return [role.column.name for role in guesses]
