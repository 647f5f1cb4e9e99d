"""Damage: check each row where it is read, and name a row that is not what was written.

Errors raised here name the table and the row; the engine adds the database.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache, wraps
from typing import Any, TypeVar

from sqlalchemy import Boolean, Column, Float, Integer, Row, String, Table

from hinet_search.common.errors import ConfigurationError
from hinet_search.results.objectives import objective_named

REMEDY = (
    "restore a copy of it, delete what is damaged, "
    "or name another database with --storage or --output"
)

AnyRow = Row[Any]
Record = TypeVar("Record")
_Further = tuple[str, Callable[[Any], bool]]  # what a value must be, and the test

# What Python, pydantic and Optuna raise for content that they did not write.
_WRONG_CONTENT = (
    *(ValueError, TypeError, LookupError, ArithmeticError),
    *(AttributeError, AssertionError, RecursionError),
)
# Column type: the types of its values, and their name in words.
_KINDS: Mapping[type, tuple[tuple[type, ...], str]] = {
    Boolean: ((bool,), "true or false"),
    Integer: ((int,), "an integer"),
    Float: ((float, int), "a number"),
    String: ((str,), "a text"),
}
# Metrics and times are smaller: a training whose numbers are not finite is stopped.
LARGEST = 1e18
_MAX_CHARACTERS = 60  # of a wrong value in a message


class DamagedRow(Exception):
    """A row or a table is not what was written; the text names it and says why."""


def reads(table: Table) -> Callable[[Callable[[AnyRow], Record]], Callable[[AnyRow], Record]]:
    """Decorate a function that makes a record of a row of the table.

    The decorated function checks the row first, and raises DamagedRow for a damaged row.
    """

    def decorate(build: Callable[[AnyRow], Record]) -> Callable[[AnyRow], Record]:
        @wraps(build)
        def read(row: AnyRow) -> Record:
            with checked_row(row, table):
                return build(row)

        return read

    return decorate


@contextmanager
def checked_row(row: AnyRow, table: Table) -> Iterator[None]:
    """Check a row of the table; raise DamagedRow, also for wrong content read in the block."""
    keys = {key.name: getattr(row, key.name) for key in table.primary_key}
    with row_of(table.name, **keys):
        for column in table.columns:
            check_value(column, getattr(row, column.name))
        yield


@contextmanager
def row_of(table: str, **keys: object) -> Iterator[None]:
    """Turn errors about a row's content into DamagedRow, with the table and the row's keys."""
    try:
        yield
    except _WRONG_CONTENT as error:
        row_keys = ", ".join(f"{name} {_short(key)}" for name, key in keys.items())
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        separator = ", " if row_keys else ""
        raise DamagedRow(f"table {table}{separator}{row_keys}: {problem}") from error


def check_value(column: Column[Any], value: Any) -> None:
    """Raise ValueError for a value that the column of a table of ours must not hold."""
    if value is None and column.nullable:
        return
    kinds, words, further = _expected(column)
    if not _is_of(kinds, value):
        raise ValueError(f"column {column.name} must hold {words}, got {_short(value)}")
    if isinstance(column.type, Float) and abs(value) > LARGEST:
        raise ValueError(
            f"column {column.name} must hold {words} up to {LARGEST:.0e}, got {_short(value)}"
        )
    if further is not None and not further[1](value):
        raise ValueError(f"column {column.name} must hold {further[0]}, got {_short(value)}")


@cache
def _expected(column: Column[Any]) -> tuple[tuple[type, ...], str, _Further | None]:
    """Return the types of a column's values, their name in words, and what else must hold."""
    kinds, words = next(entry for kind, entry in _KINDS.items() if isinstance(column.type, kind))
    name = f"{column.table.name}.{column.name}"
    return kinds, words, _FURTHER.get(name) or _FURTHER.get(column.name)


def _is_of(kinds: tuple[type, ...], value: object) -> bool:
    """Whether a value has one of the types, and a text was read from valid UTF-8."""
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, str) and not value.isascii():
        return str in kinds and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, kinds)


def printable(name: object) -> str:
    """Return a name that may be damaged as printable text."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def _is_objective(name_or_value: float | str) -> bool:
    """Whether a column `objective` is right: its name in a study, its value in an evaluation."""
    try:
        return not isinstance(name_or_value, str) or bool(objective_named(name_or_value))
    except ConfigurationError:
        return False


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _short(value: object) -> str:
    is_unprintable = isinstance(value, str) and not value.isprintable()
    text = ascii(value) if is_unprintable else repr(value)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."


_COUNT = (">= 0", lambda number: number >= 0)
_FROM_ONE = (">= 1", lambda number: number >= 1)
_TIME = ("a time in ISO 8601 with its zone", _is_time)
# Column (of one table, or of any): what it must hold beside its type, and the test.
_FURTHER: Mapping[str, _Further] = {
    "version": _FROM_ONE,
    "objective": ("the name of an objective", _is_objective),
    "hs_study.state": ("running, stopped or done", ("running", "stopped", "done").__contains__),
    "hs_trial.state": (
        "running, complete, pruned or failed",
        ("running", "complete", "pruned", "failed").__contains__,
    ),
    "started": _TIME,
    "finished": _TIME,
    "updated": _TIME,
    "position": _COUNT,
    "number": _COUNT,
    "trial_number": _COUNT,
    "step": _COUNT,
    "attempt": _FROM_ONE,
    "slots": _FROM_ONE,
    "pid": _FROM_ONE,
}
