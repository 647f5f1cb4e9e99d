"""Current model: the model that answers, and its replacement by a newer one without a lost request.

A request keeps the model that it began with. A new folder is opened and checked beside the old
model, and replaces it as a whole or not at all.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from polars.exceptions import PanicException

from hinet_search.common.errors import DataError, HinetSearchError
from hinet_search.common.files import whole_files
from hinet_search.server.metrics import REFUSED, SWAPPED, Metrics
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.live.live_log import TakenEvents
from hinet_search.serving.requests.served_model import ServedModel, open_served

WATCH_SECONDS = 1.0

Log = Callable[[str], None]
Signature = tuple[object, ...]


class CurrentModel:
    """Holds the model of a folder: None until `load` is done, then the newest that is valid.

    What rolls forward is that of the folder `state`, if there is one. With a `journal` beside it,
    the model takes events, and alone writes that state.
    """

    def __init__(
        self,
        folder: Path,
        metrics: Metrics,
        log: Log,
        state: Path | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.folder = folder
        self.state = state
        self.journal = journal
        self.model: ServedModel | None = None
        self.refused: tuple[str, ...] | None = None  # why the newest folder was refused
        self._metrics = metrics
        self._log = log
        self._adding = threading.Lock()
        self._writing = threading.Lock()
        if state is not None:
            metrics.state(state)

    def load(self) -> Signature:
        """Open the first model; return the signature of its folder before that was read.

        Errors: those of `open_served`.
        """
        before = self.signature()
        self._open()
        return before

    def signature(self) -> Signature:
        """Return what changes with the files of the model, or of a state that others write."""
        state = self.state if self.journal is None else None
        return tuple(signature(each) for each in (self.folder, state) if each is not None)

    def reload(self) -> None:
        """Replace the model by that of the folder now; the old one stays if that is refused.

        Whatever goes wrong is a reason to refuse, as the old model can go on: two models may need
        more memory than there is.
        """
        try:
            self._open()
        except (Exception, PanicException) as error:  # noqa: BLE001  see above
            problems: tuple[str, ...] = (f"{type(error).__name__}: {error}",)
            if isinstance(error, HinetSearchError):
                problems = error.problems
            self.refused = problems
            self._metrics.reload(REFUSED)
            self._log(f"reload refused, the model stays: {'; '.join(problems)}")
        else:
            self.refused = None
            self._metrics.reload(SWAPPED)

    def add_events(self, document: object) -> TakenEvents:
        """Add the events of a request to the log and to label statistics.

        Errors: those of `LiveLog.add`; DataError if the model takes none.
        """
        with self._adding:
            live = None if self.model is None else self.model.live
            if live is None:
                raise DataError(
                    "this server takes no events",
                    remedy="start it with --state FOLDER --events, for a model that events change",
                )
            return live.add(document)

    def fold(self) -> None:
        """Write what events have changed into the state if there is much; errors go to the log."""
        if not self._writing.acquire(blocking=False):  # that is going on, or a reload
            return
        try:
            live = None if self.model is None else self.model.live
            if live is None or not live.needs_fold:
                return
            started = time.perf_counter()
            try:
                live.fold()
            except (Exception, PanicException) as error:  # noqa: BLE001  the journal has the events
                self._log(f"the state could not be written, and goes on: {error}")
            else:
                seconds = time.perf_counter() - started
                self._log(f"wrote the state up to {live.counted_to} in {seconds:.1f} s")
        finally:
            self._writing.release()

    def finish(self) -> None:
        """Wait for a state that is being written; none is written afterwards."""
        self._writing.acquire()

    def _open(self) -> None:
        started = time.perf_counter()
        with self._writing:  # no state meanwhile
            served = open_served(self.folder, self.state, self.journal)
            with self._adding:
                if served.live is not None:
                    served.live.catch_up()
                self.model = served
        self._metrics.model(served)
        seconds = time.perf_counter() - started
        self._log(f"loaded {served.name}, version {served.version}, in {seconds:.1f} s")


async def keep_current(
    current: CurrentModel, asked: asyncio.Event, loaded: Signature, *, watch: bool
) -> None:
    """Reload whenever `asked` is set and, with `watch`, when the files of the folder have changed.

    `loaded` is the signature of what the first model was read from. A folder that is still being
    written is left alone until a whole second has passed without a change. Runs until it is
    cancelled.
    """
    seen = loaded
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_SECONDS if watch else None):
                await asked.wait()
        now = await asyncio.to_thread(current.signature)
        is_settled = now == seen and now != loaded
        if asked.is_set() or is_settled:
            asked.clear()
            loaded = now
            await asyncio.to_thread(current.reload)
        seen = now


def signature(folder: Path) -> Signature:
    """Return what changes with the files of a folder, or with the folder that a link leads to."""
    try:
        place = folder.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself
        return ()
    stats: list[Signature] = []
    for path in sorted(whole_files(place)):
        with suppress(OSError):  # removed a moment ago
            stat = path.stat()
            stats.append((path, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return (place, *stats)
