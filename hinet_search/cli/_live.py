"""Watchers of a launch: one live block on a terminal, one line an event elsewhere, or JSON lines; never two of them."""

import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from hinet_search.cli._block import block
from hinet_search.cli._document import print_line
from hinet_search.cli._voice import Voice
from hinet_search.cli._words import duration, value_or_dash
from hinet_search.search.progress import Event, Progress, Watcher

STATE_SECONDS = 60.0
REDRAW_SECONDS = 0.5
IN_THE_BLOCK = ("best", "finalist", "state")  # all else stays above it


class EveryMinute:
    """Says when a state line is due."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Once a minute."""
        due = time.monotonic() - self._last >= STATE_SECONDS
        self._last = time.monotonic() if due else self._last
        return due


class PlainLog:
    """One line an event on stderr, and one state line a minute."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._state = EveryMinute()

    def event(self, event: Event) -> None:
        """Print `14:03:40 best   hinet/3 .7641 (+.0021)`, in the wall clock of whoever reads."""
        self._voice.note(f"{datetime.now():%H:%M:%S} {event.kind:<8} {event.text}")  # noqa: DTZ005

    def tick(self, progress: Progress) -> None:
        """Print the state once a minute."""
        if self._state.is_due():
            self.event(Event("state", state_line(progress)))


class JsonLines:
    """One JSON document an event on stdout, and one of the state a minute."""

    def __init__(self) -> None:
        self._state = EveryMinute()

    def event(self, event: Event) -> None:
        """Print the event with its time."""
        self.line(event.kind, text=event.text, trial=event.key or None, value=event.value)

    def tick(self, progress: Progress) -> None:
        """Print the counters once a minute."""
        if self._state.is_due():
            arms = [
                {
                    name: getattr(arm, name)
                    for name in ("name", "done", "pruned", "failed", "budget", "best", "best_trial")
                }
                for arm in progress.arms.values()
            ]
            phase, left = progress.phase, progress.seconds_left
            self.line(
                "state", phase=phase.name, done=phase.done, total=phase.total, seconds_left=left,
                retried=progress.retried, running=list(progress.running), arms=arms,
            )  # fmt: skip

    @staticmethod
    def line(event: str, **content: Any) -> None:
        """One event of any kind."""
        print_line("event", event=event, time=datetime.now(UTC).isoformat(timespec="seconds"), **content)


class LiveBlock:
    """A block on the terminal that is redrawn in place: arms, slots, what is left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
        self._drawn = 0.0

    def event(self, event: Event) -> None:
        """Bests, finalists and states are in the block; all else stays above it."""
        if event.kind not in IN_THE_BLOCK:
            self._live.console.print(f"{event.kind}: {event.text}", markup=False, highlight=False)

    def tick(self, progress: Progress) -> None:
        """Redraw, at most twice a second."""
        from rich.text import Text

        if time.monotonic() - self._drawn >= REDRAW_SECONDS:
            self._drawn = time.monotonic()
            self._live.update(Text(block(progress, self._live.console.width)), refresh=True)

    def __enter__(self) -> "LiveBlock":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def watching(voice: Voice, *, plain: bool, as_json: bool) -> AbstractContextManager[Watcher]:
    """A live block on a terminal; lines where none can be drawn, in CI (variable CI), with --no-progress and with --quiet."""
    if as_json:
        return nullcontext(JsonLines())
    can_draw = sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    if plain or voice.quiet or os.environ.get("CI") or not can_draw:
        return nullcontext(PlainLog(voice))
    return LiveBlock()


def state_line(progress: Progress) -> str:
    """`search 38/48, 5 m 58 s left; best hinet/12 .7641`."""
    phase, left, best = progress.phase, progress.seconds_left, progress.best
    text = f"{phase.name} {phase.done}/{phase.total}" + ("" if left is None else f", {duration(left)} left")
    return text if best is None else f"{text}; best {best.name}/{best.best_trial} {value_or_dash(best.best)}"
