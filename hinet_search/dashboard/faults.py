"""Faults: answer in words what the pages could not, and 503 while the database is away.

optuna-dashboard answers any exception by status 500 without a reason, and logs it; the exception
is taken from the log record, to tell a database that is restarting from a fault.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TextIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from hinet_search.common.errors import (
    DatabaseAway,
    EnvironmentFault,
    HinetSearchError,
    hide_passwords,
)
from hinet_search.storage.engine import Database

LOGGER = "optuna_dashboard"
RETRY_SECONDS = 5

_Header = tuple[str, str]


def with_words(
    database: Database, application: WSGIApplication, say: Callable[[str], object]
) -> WSGIApplication:
    """Return the application with its faults in words; `say` gets a line for each unknown one."""

    def answered(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        _NOTED.error = None
        try:
            with database.guarded():
                status, headers, body = answer_of(application, environment)
                _raise_noted()
        except EnvironmentFault as fault:
            return _answer(fault, environment, start)
        except Exception as error:  # noqa: BLE001  a bug, which must not end in a traceback
            if error is _NOTED.error:
                _NOTED.say()
            else:
                say(f"a request failed: {type(error).__name__}: {hide_passwords(str(error))}")
            return _answer(error, environment, start)
        start(status, headers)
        return body

    return answered


def answer_of(
    application: WSGIApplication, environment: WSGIEnvironment
) -> tuple[str, list[_Header], Iterable[bytes]]:
    """Return what an application answers to a request: status, headers and body."""
    begun: list[tuple[str, list[_Header]]] = []

    def start(
        status: str, headers: list[_Header], _error: object = None, /
    ) -> Callable[[bytes], object]:
        begun.append((status, headers))
        return lambda _: None

    body = application(environment, start)
    status, headers = begun[-1]
    return status, headers, body


def _answer(
    error: Exception, environment: WSGIEnvironment, start: StartResponse
) -> Iterable[bytes]:
    """Answer 503 for what may pass, 422 for odd values of others, 500 for the rest.

    The form follows from the path.
    """
    status = "500 Internal Server Error"
    more = list[_Header]()
    words = f"this could not be answered: {type(error).__name__}; the dashboard's log has a line"
    if environment["PATH_INFO"].startswith("/csv/") and isinstance(error, ValueError | TypeError):
        status = "422 Unprocessable Content"
        words = (
            "no CSV file can hold this study: in Optuna's tables its name has a line break, or a "
            "name or a value is bytes, is no JSON, or has half a character"
        )
    if isinstance(error, HinetSearchError):
        words = "; ".join(filter(None, [*error.problems, error.remedy]))
    if isinstance(error, EnvironmentFault):
        status = "503 Service Unavailable"
    if isinstance(error, DatabaseAway):
        more = [("Retry-After", str(RETRY_SECONDS))]
    kind = "text/plain; charset=utf-8"
    text = f"{words}\n"
    if environment["PATH_INFO"].startswith("/api/"):
        kind = "application/json"
        text = json.dumps({"reason": words})
    body = text.encode()
    content = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start(status, [*content, ("Cache-Control", "no-store"), *more])
    return [] if environment["REQUEST_METHOD"] == "HEAD" else [body]


class _Noted(threading.local):
    """The exception that optuna-dashboard logged in the request of this thread."""

    error: Exception | None = None
    say: Callable[[], object]  # prints the line that was logged


_NOTED = _Noted()


def _raise_noted() -> None:
    if _NOTED.error is not None:
        raise _NOTED.error


class NotingHandler(logging.StreamHandler[TextIO]):
    """Prints the first line of what optuna-dashboard logs, and of an exception only once asked.

    A database that is away would leave a line for each request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_FirstLine("optuna-dashboard: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Note the exception of a record; print the first line of one without."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and record.levelno >= logging.ERROR:
            _NOTED.error = error
            _NOTED.say = partial(super().emit, record)
        else:
            super().emit(record)


class _FirstLine(logging.Formatter):
    """Format log records without tracebacks and without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the first line, with unprintable characters escaped."""
        line = hide_passwords(super().format(record).split("\n")[0])
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def log_first_lines() -> None:
    """Log only the first line of optuna-dashboard's messages, which may be tracebacks."""
    logger = logging.getLogger(LOGGER)
    if not any(isinstance(handler, NotingHandler) for handler in logger.handlers):
        logger.addHandler(NotingHandler())
        logger.propagate = False
