"""Progress of a launch: draw a live block on a terminal, or print a line or JSON per event."""

import os
import sys
import textwrap
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hinet_search.cli.output import Output, ignoring_lost_output, print_document, value_or_dash
from hinet_search.common.amounts import byte_size, compact, counted, plain
from hinet_search.common.terminal import printable, table_text
from hinet_search.search.progress import (
    ARM_HEADS,
    ArmProgress,
    Event,
    EveryMinute,
    JobProgress,
    NullWatcher,
    PlainLog,
    Progress,
    Watcher,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

REDRAW_SECONDS = 0.5
IN_THE_BLOCK = ("best", "finalist", "state")  # other events are printed above it
SPARKS = "▁▂▃▄▅▆▇█"
MAX_ARMS = 12
BAR = 12  # columns of a progress bar


class JsonLines:
    """One JSON document per event on stdout, and one per minute with the state."""

    def __init__(self) -> None:
        self._state = EveryMinute()

    def event(self, event: Event) -> None:
        """Print the event with its time."""
        self.line(event.kind, text=event.text, trial=event.key or None, value=event.value)

    def tick(self, progress: Progress) -> None:
        """Print the counters once a minute."""
        if self._state.is_due():
            self.line(
                "state",
                phase=progress.phase.name,
                done=progress.phase.done,
                total=progress.phase.total,
                seconds_left=progress.seconds_left,
                retried=progress.retried,
                running=list(progress.running),
                arms=list(progress.arms.values()),
            )

    @staticmethod
    def line(event: str, **content: Any) -> None:
        """Print an event of any kind."""
        print_document(
            "event",
            indent=None,
            event=event,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            **content,
        )


class LiveBlock:
    """A block on the terminal that is redrawn in place: arms, slots, time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
        self._drawn_at = 0.0

    def event(self, event: Event) -> None:
        """Print an event above the block, unless the block shows it."""
        if event.kind not in IN_THE_BLOCK:
            self._live.console.print(
                printable(f"{event.kind}: {event.text}"), markup=False, highlight=False
            )

    def tick(self, progress: Progress) -> None:
        """Redraw, at most twice a second."""
        from rich.text import Text

        if time.monotonic() - self._drawn_at >= REDRAW_SECONDS:
            self._drawn_at = time.monotonic()
            text = printable(block(progress, self._live.console.width))
            self._live.update(Text(text), refresh=True)

    def __enter__(self) -> "LiveBlock":
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()


def watching(output: Output, *, as_json: bool) -> AbstractContextManager[Watcher]:
    """Choose the output of a launch: JSON lines, or the live block on a terminal, or plain lines.

    Plain lines are also chosen in CI (variable CI) and with --quiet.
    """
    if as_json:
        return nullcontext(JsonLines())
    can_draw = sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    if output.quiet or os.environ.get("CI") or not can_draw:
        return nullcontext(PlainLog(output.note))
    return LiveBlock()


def block(progress: Progress, width: int) -> str:
    """Draw arms, slots and time left in at most `width` columns, from counters, never trials."""
    hours, rest = divmod(round(progress.seconds), 3600)
    clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
    slots = f"{counted(progress.slots, 'slot')} on {progress.device}"
    head = f"{clock} · {progress.study} · {counted(len(progress.arms), 'arm')} · {slots}"
    arms = list(progress.arms.values())
    arm_table = table_text(
        map(_arm, arms[:MAX_ARMS]), ARM_HEADS, right={2, 4, 5, 6}, width=width - 3
    )
    jobs = sorted(progress.running.values(), key=lambda job: job.slot)
    slot_table = table_text(
        map(partial(_job, epochs=progress.epochs), jobs),
        ("slot", "runs", "epoch", "valid", "rows/s", "memory"),
        right={2, 4, 5},
        least_widths={1: 20, 2: 7, 3: 15, 4: 7, 5: 7},
        width=width - 3,
    )
    lines = arm_table.splitlines()
    if len(arms) > MAX_ARMS:
        lines.append(f"...{len(arms) - MAX_ARMS} more")
    lines += slot_table.splitlines()
    indented = [f"  {line}" for line in lines]
    state = textwrap.wrap(progress.in_words, width - 1)
    last = textwrap.wrap("Ctrl-C stops safely, the same command resumes", width - 1)
    return "\n".join([*textwrap.wrap(head, width - 1), *indented, *state, *last])


def _arm(arm: ArmProgress) -> tuple["RenderableType", ...]:
    from rich.progress_bar import ProgressBar

    best = value_or_dash(arm.best)
    trial = "" if arm.best_trial is None else str(arm.best_trial)
    progress = ProgressBar(total=arm.budget, completed=arm.trained, width=BAR)
    return arm.name, best, trial, progress, str(arm.done), str(arm.pruned), str(arm.failed)


def _job(job: JobProgress, *, epochs: float) -> tuple[str, ...]:
    done = "" if job.epochs is None else f"{job.epochs:.2f}/{plain(epochs)}"
    value = f"{value_or_dash(job.values[-1])} {sparkline(job.values)}" if job.values else ""
    speed = "" if job.rows_per_second is None else compact(job.rows_per_second)
    memory = "" if job.memory_bytes is None else byte_size(job.memory_bytes)
    return str(job.slot), job.key, done, value, speed, memory


def sparkline(values: Sequence[float], width: int = 8) -> str:
    """Draw the last values as bars of eight heights, from the lowest to the highest value."""
    last = values[-width:]
    low = min(last)
    high = max(last)
    if high > low:
        return "".join(SPARKS[round((value - low) / (high - low) * 7)] for value in last)
    return SPARKS[3] * len(last)


class TolerantWatcher:
    """Forwards events and ignores write errors: a closed terminal or a full disk stops no study."""

    def __init__(self, watcher: AbstractContextManager[Watcher]) -> None:
        self._context = watcher
        self._watcher: Watcher = NullWatcher()

    def event(self, event: Event) -> None:
        """Forward it."""
        with ignoring_lost_output():
            self._watcher.event(event)

    def tick(self, progress: Progress) -> None:
        """Forward it."""
        with ignoring_lost_output():
            self._watcher.tick(progress)

    def __enter__(self) -> "TolerantWatcher":
        self._watcher = self._context.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ignoring_lost_output():
            self._context.__exit__(kind, error, trace)
