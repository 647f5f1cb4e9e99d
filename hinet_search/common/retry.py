"""Retry: repeat an operation until a lost database is back or a full disk has room.

Only complete operations are repeated; all of them are safe to repeat: see StudyStore and files.py.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import isfunction
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from hinet_search.common.errors import TransientError

LONGEST_WAIT = 300.0  # seconds
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0

Result = TypeVar("Result")
Store = TypeVar("Store", bound=type)


@dataclass(frozen=True)
class Notice:
    """A text that a job on a slot sends for the user."""

    text: str


def once(operation: Callable[[], Result]) -> Result:
    """Run the operation without any retry."""
    return operation()


class Retry:
    """Repeats an operation while it raises TransientError.

    It gives up LONGEST_WAIT seconds after the operation's first error.

    `say` receives a text when a wait begins and when it ends. `gives_up` is called before every
    pause and returns whether to stop retrying.
    """

    def __init__(self, say: Callable[[str], None], gives_up: Callable[[], bool]) -> None:
        self._say = say
        self._gives_up = gives_up

    def __call__(self, operation: Callable[[], Result]) -> Result:
        """Return the operation's result; raise its last error if no attempt succeeds."""
        first_error = math.inf
        over = ""

        def has_ended(_: RetryCallState) -> bool:
            nonlocal first_error
            now = time.monotonic()
            first_error = min(first_error, now)  # one attempt may take minutes
            return now - first_error >= LONGEST_WAIT or self._gives_up()

        def before_pause(state: RetryCallState) -> None:
            nonlocal over
            error = state.outcome.exception() if state.outcome else None
            assert isinstance(error, TransientError), "only these are retried"
            if not over:
                self._say(
                    f"{error.problems[0]}; waiting for it, training continues "
                    f"(at most {LONGEST_WAIT:.0f} s)"
                )
            over = error.over

        attempts = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE),
            stop=has_ended,
            before_sleep=before_pause,
            reraise=True,
        )
        result = attempts(operation)
        if over:
            self._say(f"{over} after {time.monotonic() - first_error:.0f} s")
        return result


def with_retries(*exceptions: str) -> Callable[[Store], Store]:
    """Run every public method of a class through its `retry`, except those named."""

    def decorate(store: Store) -> Store:
        for name, method in list(vars(store).items()):
            if isfunction(method) and not name.startswith("_") and name not in exceptions:
                setattr(store, name, _retried(method))
        return store

    return decorate


def _retried(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def retried(self: Any, *arguments: Any, **named: Any) -> Any:
        return self.retry(lambda: method(self, *arguments, **named))

    return retried
