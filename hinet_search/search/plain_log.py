"""Plain log: the progress of a launch as lines, where nothing can be drawn."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from hinet_search.common.terminal import printable
from hinet_search.search.progress import Event, Progress, value_text

STATE_SECONDS = 60.0


class EveryMinute:
    """Decides when the next state line is due."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Return whether a minute has passed since the last state line."""
        due = time.monotonic() - self._last >= STATE_SECONDS
        if due:
            self._last = time.monotonic()
        return due


class PlainLog:
    """One line per event, and one per minute with the state; `say` prints a line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._state = EveryMinute()

    def event(self, event: Event) -> None:
        """Print `14:03:40 best   hinet/3 .7641 (+.0021)`, in local time."""
        self._say(f"{datetime.now():%H:%M:%S} {event.kind:<8} {event.text}")  # noqa: DTZ005

    def tick(self, progress: Progress) -> None:
        """Print the state once a minute."""
        if self._state.is_due():
            self.event(Event("state", state_line(progress)))


def say_on_stderr(text: str) -> None:
    """Print a line on stderr; a stderr that is closed stops no study."""
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(f"{printable(text)}\n")


def state_line(progress: Progress) -> str:
    """Return `search 38 of 48 · 5 m 58 s left · best hinet/12 .7641`."""
    best = progress.best
    if best is None or best.best is None:
        return progress.in_words
    return f"{progress.in_words} · best {best.name}/{best.best_trial} {value_text(best.best)}"
