"""Reading: turn what Polars raises while reading rows into a DataError that says where and why.

Rows are read lazily, so a damaged file may fail long after its table was opened: collect rows only
inside `reading`. Columns that we add to a source have names that begin with OWN; no source
may use them.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from polars.exceptions import PanicException, PolarsError

from hinet_search.common.errors import DataError

OWN = "hinet-search: "
ROW_NUMBER = f"{OWN}row number"
NUM_ROWS = f"{OWN}number of rows"
# Polars panics on bytes that it takes to be impossible; a PanicException is no Exception.
FAILURES = (PolarsError, PanicException, pa.ArrowException)
MAX_CHARACTERS = 300
MAX_PROBLEMS = 20
_FORWARDED_PANIC = re.compile(
    r'^(called `Result::unwrap\(\)` on an `Err` value: JoinError::Panic\(Id\(\d+\), \\*")+'
)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Raise DataError, beginning with `where`, when rows cannot be read in this context."""
    try:
        yield
    except FAILURES as error:
        raise unreadable(where, error) from error
    except OSError as error:
        if error.errno is not None:  # of the system: those of Polars have no number
            raise
        raise unreadable(
            where,
            error,
            remedy="run the command again when nothing writes to the file, or copy it again",
        ) from error


def unreadable(where: str, error: BaseException, remedy: str = "") -> DataError:
    """The DataError for one of FAILURES, or for a file that is gone or shorter than it was."""
    if isinstance(error, PanicException):
        # The message of the first panic; threads forward panics, each quoting the one before.
        message = _FORWARDED_PANIC.sub("", str(error))
        if message != str(error):
            message = re.split(r'[\\"]', message)[0]
        return DataError(
            f"{where}: cannot be read, it is damaged: {_first_line(message)}",
            remedy=remedy or "write the file again, or copy it again from where it is whole",
        )
    return DataError(f"{where}: cannot be read: {_first_line(str(error))}", remedy=remedy)


def refuse_own_names(where: str, columns: Iterable[str]) -> None:
    """DataError when a source has columns whose names are reserved for those we add."""
    reserved = [repr(name) for name in columns if name.startswith(OWN)]
    if reserved:
        raise DataError(
            f"{where}: names of columns must not begin with '{OWN}', got {', '.join(reserved)}",
            remedy="rename them",
        )


def refuse_patterns(where: str, columns: Iterable[str]) -> None:
    """DataError when the name of a column is a pattern."""
    patterns = [repr(name) for name in columns if is_pattern(name)]
    if patterns:
        raise DataError(
            f"{where}: columns must not be named '*' or '^...$', got {', '.join(patterns)}",
            remedy="rename them",
        )


def is_pattern(name: str) -> bool:
    """Whether Polars takes the name of a column for a pattern of names: `*`, `^...$`."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def _first_line(text: str) -> str:
    return shorten(next(iter(text.splitlines()), ""))


def shorten(text: str) -> str:
    """The text, cut after MAX_CHARACTERS."""
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."


def raise_problems(problems: list[str], remedy: str = "") -> None:
    """DataError with the problems, if any: the first twenty and how many more there are."""
    if not problems:
        return
    told = problems[:MAX_PROBLEMS]
    if len(problems) > MAX_PROBLEMS:
        told.append(f"and {len(problems) - MAX_PROBLEMS:,} more problems")
    raise DataError(*told, remedy=remedy)
