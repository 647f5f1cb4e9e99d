"""Watchers of a launch: one live block on a terminal, one plain line an event elsewhere; never both."""

import sys
import time
from datetime import datetime
from types import TracebackType

import click

from hinet_search.cli._words import duration, value_or_dash
from hinet_search.search.progress import Event, Progress

STATE_SECONDS = 60.0
REDRAW_SECONDS = 0.5
SPARKS = "▁▂▃▄▅▆▇█"


class PlainLog:
    """One line an event on stderr, and one state line a minute."""

    def __init__(self) -> None:
        self._last_state = time.monotonic()

    def event(self, event: Event) -> None:
        """Print `14:03:40 best   hinet/3 .7641`."""
        click.echo(f"{datetime.now():%H:%M:%S} {event.kind:<8} {event.text}", err=True)  # noqa: DTZ005  wall clock of whoever reads

    def tick(self, progress: Progress) -> None:
        """Print the state once a minute."""
        if time.monotonic() - self._last_state >= STATE_SECONDS:
            self._last_state = time.monotonic()
            self.event(Event("state", state_line(progress)))

    def __enter__(self) -> "PlainLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put back."""


class LiveBlock:
    """A block on the terminal that is redrawn in place: arms, slots, what is left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
        self._drawn = 0.0

    def event(self, event: Event) -> None:
        """Bests, finalists and states are in the block; all else stays above it."""
        if event.kind not in ("best", "finalist", "state"):
            self._live.console.print(f"{event.kind}: {event.text}", markup=False, highlight=False)

    def tick(self, progress: Progress) -> None:
        """Redraw, at most twice a second."""
        if time.monotonic() - self._drawn >= REDRAW_SECONDS:
            self._drawn = time.monotonic()
            self._live.update(block(progress, self._live.console.width), refresh=True)

    def __enter__(self) -> "LiveBlock":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def watcher_for(*, plain: bool) -> PlainLog | LiveBlock:
    """A live block on a terminal, lines elsewhere."""
    return PlainLog() if plain or not sys.stderr.isatty() else LiveBlock()


def state_line(progress: Progress) -> str:
    """`search 38/48, 5 m 58 s left; best hinet/12 .7641`."""
    phase = progress.phase
    left = progress.seconds_left
    text = f"{phase.name} {phase.done}/{phase.total}" + ("" if left is None else f", {duration(left)} left")
    best = [
        f"{arm.name}/{arm.best_trial} {value_or_dash(arm.best)}"
        for arm in progress.arms.values()
        if arm.best is not None
    ]
    return f"{text}; best {', '.join(best)}" if best else text


def block(progress: Progress, width: int) -> str:
    """The live block as text, at most `width` columns."""
    from rich.text import Text

    lines = [
        f"{progress.study} · {len(progress.arms)} arms · {progress.slots} slots on {progress.device}  {duration(progress.seconds)}"
    ]
    lines.append(f"  {'arm':<16} {'best':>6} {'trial':>6}  {'progress':<20} {'done':>5} {'pruned':>6} {'failed':>6}")
    for arm in progress.arms.values():
        trial = "" if arm.best_trial is None else str(arm.best_trial)
        lines.append(
            f"  {arm.name[:16]:<16} {value_or_dash(arm.best):>6} {trial:>6}  {bar(arm.trained / arm.budget, 20)} "
            f"{arm.done:>5} {arm.pruned:>6} {arm.failed:>6}"
        )
    lines.append(f"  {'slot runs':<34} {'pass':>9}  valid")
    for running in progress.running.values():
        value = f"{value_or_dash(running.values[-1])} {sparkline(running.values)}" if running.values else "..."
        passes = "" if running.passes is None else f"{running.passes:>4.2f}/{progress.passes:<4g}  {value}"
        lines.append(f"  {running.key[:34]:<34} {passes}".rstrip())
    left = progress.seconds_left
    phase = progress.phase
    lines.append(f"{phase.name} {phase.done} of {phase.total}" + ("" if left is None else f" · {duration(left)} left"))
    lines.append("Ctrl-C stops safely, the same command goes on")
    return str(Text("\n".join(line[: width - 1] for line in lines)))


def bar(share: float, width: int) -> str:
    """A bar of `width` characters."""
    full = round(min(share, 1.0) * width)
    return "█" * full + "░" * (width - full)


def sparkline(values: list[float]) -> str:
    """The last values as a row of eight heights, lowest to highest."""
    shown = values[-16:]
    low, high = min(shown), max(shown)
    return "".join(SPARKS[round((value - low) / (high - low) * 7) if high > low else 3] for value in shown)
