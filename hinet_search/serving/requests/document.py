"""Document: the JSON object of a request, as rows or as columns, turned into columns.

{"rows": [{"user": 7, "price": 9.5}, {"user": 7, "price": 3}]}
{"columns": {"user": [7, 7], "price": [9.5, 3]}}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hinet_search.common.errors import DataError, did_you_mean, shortened
from hinet_search.data.numbers import rows_and_first
from hinet_search.serving.row_checks import missing_columns
from hinet_search.study.validation_messages import in_words

Value = Any  # of JSON, or read from it; None where a value is missing

ROWS = "rows"
COLUMNS = "columns"
EVENTS = "events"
WANTED = (
    f'a request must be {{"{ROWS}": [{{NAME: VALUE, ...}}, ...]}} or '
    f'{{"{COLUMNS}": {{NAME: [VALUE, ...], ...}}}}'
)


@dataclass(frozen=True)
class RequestColumns:
    """The columns of a request that every row has, of one length, and the problems of others."""

    values: Mapping[str, Sequence[Value]]
    num_rows: int
    problems: tuple[str, ...] = ()


def num_rows_of(document: object) -> int:
    """Return the number of rows of a document, before anything of it is checked."""
    if not isinstance(document, dict):
        return 0
    rows = document.get(ROWS, document.get(EVENTS))
    columns = document.get(COLUMNS)
    if isinstance(columns, dict):
        lists = [values for values in columns.values() if isinstance(values, list)]
        return max(map(len, lists), default=0)
    return len(rows) if isinstance(rows, list) else 0


def columns_of(document: object, names: Sequence[str]) -> RequestColumns:
    """Return the columns of these names.

    DataError for another document, rows that are no objects, and columns of several lengths.
    """
    if not isinstance(document, dict) or len(document) != 1:
        got = ", ".join(map(repr, document)) if isinstance(document, dict) else in_words(document)
        raise DataError(f"{WANTED}, got {shortened(got) or 'no key'}")
    ((kind, content),) = document.items()
    if kind == ROWS and isinstance(content, list):
        return _of_rows(content, names)
    if kind == COLUMNS and isinstance(content, dict):
        return _of_columns(content, names)
    hint = ""
    if kind not in (ROWS, COLUMNS):
        hint = did_you_mean(kind, (ROWS, COLUMNS))
    raise DataError(f"{WANTED}, got {shortened(repr(kind))}: {in_words(content)}{hint}")


def _of_rows(rows: Sequence[Mapping[str, Value]], names: Sequence[str]) -> RequestColumns:
    try:
        values = {name: [row[name] for row in rows] for name in names}
    except (KeyError, TypeError):
        return _of_uneven_rows(rows, names)
    return RequestColumns(values, len(rows))


def _of_uneven_rows(rows: Sequence[object], names: Sequence[str]) -> RequestColumns:
    others = [number for number, row in enumerate(rows) if not isinstance(row, dict)]
    if others:
        got = f"{in_words(rows[others[0]])} in {rows_and_first(len(others), others)}"
        raise DataError(f"a row must be an object, got {got}")
    objects = [row for row in rows if isinstance(row, dict)]
    known = set().union(*objects)
    values: dict[str, Sequence[Value]] = {}
    problems = missing_columns(names, known)
    for name in names:
        without = [number for number, row in enumerate(objects) if name not in row]
        if not without:
            values[name] = [row[name] for row in objects]
        elif name in known:
            problems.append(
                f"column '{name}' must be in every row, but is not in "
                f"{rows_and_first(len(without), without)}; write null where a value is missing"
            )
    return RequestColumns(values, len(rows), tuple(problems))


def _of_columns(columns: Mapping[str, object], names: Sequence[str]) -> RequestColumns:
    problems = missing_columns(names, columns)
    values: dict[str, Sequence[Value]] = {}
    lengths: dict[int, str] = {}
    for name in names:
        column = columns.get(name)
        if isinstance(column, list):
            values[name] = column
            lengths.setdefault(len(column), name)
        elif name in columns:
            problems.append(f"column '{name}' must be a list of values, got {in_words(column)}")
    if len(lengths) > 1:
        got = " and ".join(f"{length:,} in '{name}'" for length, name in lengths.items())
        raise DataError(*problems, f"columns must have one length, got {got}")
    return RequestColumns(values, next(iter(lengths), 0), tuple(problems))
