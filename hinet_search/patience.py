"""Patience: while a database is away or a disk is full, what was asked of it is asked again.

Only whole operations are repeated, and each of them may be: see StudyStore, and disk.py.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import isfunction
from typing import Any, TypeVar

from hinet_search.errors import MayPass

LONGEST_WAIT = 300.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

Result = TypeVar("Result")
Store = TypeVar("Store", bound=type)


@dataclass(frozen=True)
class Notice:
    """What a job on a slot asks to be told to the user."""

    text: str


def impatient(operation: Callable[[], Result]) -> Result:
    """The operation once: for whoever starts, and would rather hear of a wrong address."""
    return operation()


class Patience:
    """Repeats an operation while it raises MayPass, for LONGEST_WAIT seconds at most.

    `say` is told when a wait begins and when it ends; `gives_up` is asked before every pause.
    """

    def __init__(self, say: Callable[[str], None], gives_up: Callable[[], bool]) -> None:
        self._say = say
        self._gives_up = gives_up

    def __call__(self, operation: Callable[[], Result]) -> Result:
        """What the operation gives; the error when it does not pass."""
        began, pause, over = time.monotonic(), FIRST_PAUSE, ""
        while True:
            try:
                result = operation()
            except MayPass as error:
                waited = time.monotonic() - began
                if waited >= LONGEST_WAIT or self._gives_up():
                    raise
                if not over:
                    self._say(f"{error.problems[0]}; waiting for it, training goes on (at most {LONGEST_WAIT:.0f} s)")
                over = error.over
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if over:
                    self._say(f"{over} after {time.monotonic() - began:.0f} s")
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
