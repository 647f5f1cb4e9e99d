"""Current model: the model that answers, and its replacement by a newer one without a lost request.

A request keeps the model that it began with. A new folder is opened and checked beside the old
model, and replaces it as a whole or not at all.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from polars.exceptions import PanicException

from hinet_search.common.errors import HinetSearchError
from hinet_search.common.files import whole_files
from hinet_search.server.metrics import REFUSED, SWAPPED, Metrics
from hinet_search.serving.requests.served_model import ServedModel, open_served

WATCH_SECONDS = 1.0

Log = Callable[[str], None]
Signature = tuple[object, ...]


@dataclass(frozen=True)
class RefusedReload:
    """Why the newest folder was refused, and when."""

    problems: tuple[str, ...]
    time: datetime


class CurrentModel:
    """Holds the model of a folder: None until `load` is done, then the newest that is valid.

    Its label statistics are those of the folder `state`, if there is one.
    """

    def __init__(self, folder: Path, metrics: Metrics, log: Log, state: Path | None = None) -> None:
        self.folder, self.state = folder, state
        self.model: ServedModel | None = None
        self.refused: RefusedReload | None = None
        self._metrics = metrics
        self._log = log

    def load(self) -> Signature:
        """Open the first model; return the signature of its folder before that was read.

        Errors: those of `open_served`.
        """
        before = self.signature()
        self._open()
        return before

    def signature(self) -> Signature:
        """Return what changes with the files of the model or of the state."""
        return tuple(signature(each) for each in (self.folder, self.state) if each is not None)

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
            self.refused = RefusedReload(problems, datetime.now(UTC))
            self._metrics.reload(REFUSED)
            self._log(f"reload refused, the model stays: {'; '.join(problems)}")
        else:
            self.refused = None
            self._metrics.reload(SWAPPED)

    def _open(self) -> None:
        started = time.perf_counter()
        self.model = served = open_served(self.folder, self.state)
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
