"""Follow: mirror a launch to the tracker of its study, as one more watcher of the launch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace

from hinet_search.common.plugins import load
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.progress import Event, Progress, Watcher
from hinet_search.search.tracking.mirror import Ends, Mirror
from hinet_search.storage.engine import connect
from hinet_search.storage.listing import ChangeMarker, read_change_marker
from hinet_search.storage.load import load_record
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.study.plugin_keys import TRACKERS
from hinet_search.trackers import Tracker

# Seconds without an answer after which the end of a launch does not wait for the tracker.
PATIENCE_AT_THE_END = 30.0
PATIENCE_WHEN_STOPPED = 5.0

Files = Callable[[StudyRecord], Mapping[str, str]]


@contextmanager
def following(study: ResolvedStudy, url: str, watcher: Watcher, files: Files) -> Iterator[Watcher]:
    """Yield a watcher for the launch of a study in the block; at the end, copy its last state.

    `url` is the database, `files` returns the files of a study that is done. Without the key
    `tracking` it is the watcher itself.
    """
    if study.spec.tracking is None:
        yield watcher
        return
    mirror = Mirror(_ends(study, url, files))
    try:
        yield FollowingWatcher(mirror, watcher)
    except BaseException:
        if mirror.has_started:
            _finish(mirror, watcher, PATIENCE_WHEN_STOPPED)
        raise
    _finish(mirror, watcher, PATIENCE_AT_THE_END)


def _finish(mirror: Mirror, watcher: Watcher, patience: float) -> None:
    for text in mirror.finish(patience):
        watcher.event(Event("tracking", text))


class FollowingWatcher:
    """Starts the mirror when the study runs, passes on what it says, and forwards all else."""

    def __init__(self, mirror: Mirror, watcher: Watcher) -> None:
        self._mirror, self._watcher = mirror, watcher

    def event(self, event: Event) -> None:
        """Forward it."""
        self._watcher.event(event)

    def tick(self, progress: Progress) -> None:
        """Forward it; the first one means that the study is stored and its lease held."""
        self._mirror.start()
        for text in self._mirror.notes():
            self._watcher.event(Event("tracking", text))
        self._watcher.tick(progress)


def _ends(study: ResolvedStudy, url: str, files: Files) -> Ends:
    spec = study.spec.tracking
    assert spec is not None, "checked by the caller"
    plugin = load(TRACKERS, spec.kind)
    options = plugin.Options(**spec.options)

    def connect_tracker(record: StudyRecord) -> Tracker:
        # Another study may have its name, in another database, but not its start too.
        tracker: Tracker = plugin.connect(options, f"{record.name} {record.started}")
        return tracker

    return Ends(spec.kind, connect_tracker, StudyReader(url, study.name).read, files)


class StudyReader:
    """Reads a stored study when it has changed."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._marker: ChangeMarker | None = None

    def read(self, *, always: bool) -> StudyRecord | None:
        """Return the study; unless `always`, None if its change marker is the one last read."""
        with closing(connect(self._url)) as database:
            marker = read_change_marker(database, self._name)
            marker = replace(marker, seconds_since_heartbeat=None)
            if marker == self._marker and not always:
                return None
            record = load_record(database, self._name)
        self._marker = marker
        return record
