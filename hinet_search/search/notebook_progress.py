"""Notebook progress: the progress of a launch below the cell of a notebook that runs it."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape

from hinet_search.common.amounts import counted, duration
from hinet_search.common.notebook import CellOutput, is_running
from hinet_search.search.progress import (
    ARM_HEADS,
    ArmProgress,
    Event,
    PlainLog,
    Progress,
    Watcher,
    say_on_stderr,
    value_text,
)

REDRAW_SECONDS = 1.0
MOST_EVENTS = 6  # the last ones are shown
IN_THE_TABLE = ("best", "finalist")  # events that the counters show


class NotebookProgress:
    """A watcher that draws counters and the last events, at most once a second."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._progress: Progress | None = None
        self._output: CellOutput | None = None
        self._drawn_at = -REDRAW_SECONDS  # the first event is drawn at once

    def event(self, event: Event) -> None:
        """Add an event, unless the table shows it."""
        if event.kind not in IN_THE_TABLE:
            self._events.append(event)
            self._draw_if_due()

    def tick(self, progress: Progress) -> None:
        """Draw the progress if that is due."""
        self._progress = progress
        self._draw_if_due()

    def _draw_if_due(self) -> None:
        if time.monotonic() - self._drawn_at >= REDRAW_SECONDS:
            self.draw()

    def draw(self) -> None:
        """Draw what is known now; nothing for a launch that was refused at once."""
        if self._progress is None and not self._events:
            return
        self._drawn_at = time.monotonic()
        html = progress_html(self._progress, self._events)
        text = "" if self._progress is None else self._progress.in_words
        if self._output is None:
            self._output = CellOutput(html, text)
        else:
            self._output.update(html, text)


@contextmanager
def watching(watcher: Watcher | None) -> Iterator[Watcher]:
    """Yield the watcher of a launch: the given one, else a notebook's, else lines on stderr."""
    if watcher is not None or not is_running():
        yield watcher or PlainLog(say_on_stderr)
        return
    progress = NotebookProgress()
    try:
        yield progress
    finally:
        progress.draw()


def progress_html(progress: Progress | None, events: Iterable[Event]) -> str:
    """Return the counters and events as HTML; all texts are escaped."""
    lines = "".join(
        f"<li><b>{escape(event.kind)}</b> {escape(event.text)}</li>" for event in events
    )
    below = f"<ul>{lines}</ul>" if lines else ""
    if progress is None:
        return f"<p>preparing the study</p>{below}"
    heads = "".join(f'<th scope="col">{head}</th>' for head in ARM_HEADS)
    rows = "".join(map(_row, progress.arms.values()))
    slots = f"{counted(progress.slots, 'slot')} on {progress.device}"
    running = f" · {', '.join(progress.running)} running" if progress.running else ""
    return (
        f"<p><b>{escape(progress.study)}</b>, {slots}, {duration(progress.seconds)}</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{escape(progress.in_words + running)}</p>{below}"
    )


def _row(arm: ArmProgress) -> str:
    best = trial = ""
    if arm.best is not None:
        best = value_text(arm.best)
        trial = str(arm.best_trial)
    bar = f'<progress value="{arm.trained}" max="{arm.budget}"></progress>'
    cells = (escape(arm.name), best, trial, bar, arm.done, arm.pruned, arm.failed)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
