"""A watcher whose words may go nowhere: a terminal is closed, a pipe breaks, the disk of a log is full; the study goes on."""

from contextlib import AbstractContextManager, suppress
from types import TracebackType

from hinet_search.search.progress import Event, Progress, Silent, Watcher


class WhileHeard:
    """Tells another watcher, and minds no error of writing."""

    def __init__(self, speaking: AbstractContextManager[Watcher]) -> None:
        self._speaking = speaking
        self._watcher: Watcher = Silent()

    def event(self, event: Event) -> None:
        """Pass it on."""
        with suppress(OSError):
            self._watcher.event(event)

    def tick(self, progress: Progress) -> None:
        """Pass it on."""
        with suppress(OSError):
            self._watcher.tick(progress)

    def __enter__(self) -> "WhileHeard":
        self._watcher = self._speaking.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._speaking.__exit__(kind, error, trace)
