"""Patience: while a database is away (a restart, a full disk, a lock held too long), what was asked of it is asked again.

Only whole operations are repeated, and each of them may be: see StudyStore.
"""

import time
from collections.abc import Callable
from functools import wraps
from inspect import isfunction
from typing import Any, TypeVar

from hinet_search.errors import DatabaseAway

LONGEST_WAIT = 300.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

Result = TypeVar("Result")
Store = TypeVar("Store", bound=type)


def impatient(operation: Callable[[], Result]) -> Result:
    """The operation once: for whoever starts, and would rather hear of a wrong address."""
    return operation()


class Patience:
    """Repeats an operation until the database is back, for LONGEST_WAIT seconds at most.

    `say` is told when a wait begins and when it ends; `gives_up` is asked before every pause.
    """

    def __init__(self, say: Callable[[str], None], gives_up: Callable[[], bool]) -> None:
        self._say = say
        self._gives_up = gives_up

    def __call__(self, operation: Callable[[], Result]) -> Result:
        """What the operation gives; DatabaseAway when the database does not come back."""
        began, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                result = operation()
            except DatabaseAway as error:
                waited = time.monotonic() - began
                if waited >= LONGEST_WAIT or self._gives_up():
                    raise
                if pause == FIRST_PAUSE:
                    self._say(f"{error.problems[0]}; waiting for it, training goes on (at most {LONGEST_WAIT:.0f} s)")
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if pause != FIRST_PAUSE:
                    self._say(f"the database is back after {time.monotonic() - began:.0f} s")
                return result


def with_patience(*exceptions: str) -> Callable[[Store], Store]:
    """Every public method of a class is an operation for its `patience`, but for the exceptions."""

    def decorate(store: Store) -> Store:
        for name, method in list(vars(store).items()):
            if isfunction(method) and not name.startswith("_") and name not in exceptions:
                setattr(store, name, _repeated(method))
        return store

    return decorate


def _repeated(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def repeated(self: Any, *arguments: Any, **named: Any) -> Any:
        return self.patience(lambda: method(self, *arguments, **named))

    return repeated
