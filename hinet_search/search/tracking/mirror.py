"""Mirror: a thread that copies a stored study to the tracker of its key while the study runs.

The tracker is a copy of the database, and is written like one: the thread reads the study, writes
the runs that differ from what the tracker has, waits, and begins again. There is no queue between
the study and the tracker, so a tracker that is slow or away costs no memory and misses nothing:
what it lacks is written when it answers, at the latest by the next launch.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from queue import SimpleQueue

from hinet_search.common.amounts import counted
from hinet_search.common.errors import shortened
from hinet_search.common.plugins import load
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.progress import Event, Progress, Watcher
from hinet_search.search.tracking.runs import runs_of
from hinet_search.storage.engine import connect
from hinet_search.storage.listing import ChangeMarker, read_change_marker
from hinet_search.storage.load import load_record
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.study.plugin_keys import TRACKERS
from hinet_search.trackers import RunPath, RunRefused, TrackedRun, Tracker

# Seconds without an answer after which the end of a launch does not wait for the tracker.
PATIENCE_AT_THE_END = 30.0
PATIENCE_WHEN_STOPPED = 5.0
PAUSE_SECONDS = 10.0
SHARE = 0.1  # of one core, at most, that the thread takes from the coordinator

Files = Callable[[StudyRecord], Mapping[str, str]]


class Mirror:
    """Copies a study to a tracker, from `start` to `finish`.

    `tool` is the tracker's name. `read(True)` returns the study, `read(False)` None if it is
    unchanged since the last call. `files` returns the files of a study that is done, by name. Only
    the thread calls them. What it has to say is fetched with `notes`: the outputs of a launch are
    not made for several threads.
    """

    def __init__(
        self,
        tool: str,
        connect: Callable[[StudyRecord], Tracker],
        read: Callable[[bool], StudyRecord | None],
        files: Files,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._tool = tool
        self._connect = connect
        self._read = read
        self._files = files
        self._pause = pause
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self._notes: SimpleQueue[str] = SimpleQueue()
        self._tracker: Tracker | None = None
        self._record: StudyRecord | None = None  # as last read
        self._digests: dict[RunPath, str] = {}  # of the runs that the tracker has
        self._refused: dict[RunPath, str] = {}  # reasons
        self._missing = 0
        self._num_answers = 0
        self._trouble = ""

    def start(self) -> None:
        """Start the thread, once."""
        if not self.has_started:
            self._thread.start()

    @property
    def has_started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    def notes(self) -> list[str]:
        """Return what there is to say since the last call."""
        return [self._notes.get() for _ in range(self._notes.qsize())]

    def finish(self, patience: float) -> list[str]:
        """Copy the last state, and return what there is to say.

        Give up when the tracker has answered nothing for `patience` seconds.
        """
        self._closing.set()
        self.start()
        num_answers = -1
        while self._thread.is_alive() and num_answers != self._num_answers:
            num_answers = self._num_answers
            self._thread.join(patience)
        self._given_up.set()
        return [*self.notes(), self._outcome()]

    def _outcome(self) -> str:
        if self._trouble or self._tracker is None or self._thread.is_alive():
            reason = self._trouble or "it does not answer"
            what = counted(self._missing, "run") if self._missing else "the last files"
            return f"{self._tool} lacks {what}: {reason}; the next launch of the study adds them"
        num_written = len(self._digests) - len(self._refused)
        written = f"{counted(num_written, 'run')} in {self._tracker.place}"
        if not self._refused:
            return written
        reason = next(iter(self._refused.values()))
        return f"{written}; it refused {counted(len(self._refused), 'run')}: {reason}"

    def _run(self) -> None:
        is_last = False
        while not (is_last or self._given_up.is_set()):
            is_last = self._closing.is_set()
            began = time.thread_time()
            self._round(is_last=is_last)
            self._closing.wait(max(self._pause, (time.thread_time() - began) / SHARE))

    def _round(self, *, is_last: bool) -> None:
        """Copy what has changed; whatever fails is tried again in the next round."""
        try:
            self._copy(is_last=is_last)
            if is_last and self._record is not None and self._record.state == "done":
                self._attach(self._record)
        except Exception as error:  # noqa: BLE001  clients raise anything, and none may end a study
            if not (self._trouble or is_last):  # at the end, `finish` says it
                self._notes.put(
                    f"{self._tool} is not usable: {_reason(error)}; "
                    "the study goes on, and tracking tries again"
                )
            self._trouble = _reason(error)
        else:
            if self._trouble and not is_last:
                self._notes.put(f"{self._tool} is usable again")
            self._trouble = ""

    def _copy(self, *, is_last: bool) -> None:
        read = self._read(is_last)
        self._record = read or self._record
        is_complete = not (self._missing or self._trouble)
        if self._record is None or (read is None and is_complete):
            return
        runs = [(run, run.digest) for run in runs_of(self._record)]
        self._missing = len(self._unwritten(runs))
        if self._tracker is None:
            self._tracker = self._connect(self._record)
            self._digests = dict(self._tracker.digests())
        unwritten = self._unwritten(runs)
        for number, (run, digest) in enumerate(unwritten):
            self._missing = len(unwritten) - number
            self._num_answers += 1
            if self._given_up.is_set():
                return
            self._write(self._tracker, run, digest)
        self._missing = 0

    def _unwritten(self, runs: Sequence[tuple[TrackedRun, str]]) -> list[tuple[TrackedRun, str]]:
        return [(run, digest) for run, digest in runs if self._digests.get(run.path) != digest]

    def _write(self, tracker: Tracker, run: TrackedRun, digest: str) -> None:
        try:
            tracker.write(run)
        except RunRefused as error:
            self._refused[run.path] = _reason(error)
        else:
            self._refused.pop(run.path, None)
        self._digests[run.path] = digest

    def _attach(self, record: StudyRecord) -> None:
        if self._tracker is not None and (record.name,) not in self._refused:
            for name, text in self._files(record).items():
                self._tracker.attach((record.name,), name, text)
                self._num_answers += 1


def _reason(error: Exception) -> str:
    """Return the first line of an error, without passwords."""
    first_line, *_ = [*str(error).splitlines(), ""]
    return shortened(first_line) or type(error).__name__


@contextmanager
def following(study: ResolvedStudy, url: str, watcher: Watcher, files: Files) -> Iterator[Watcher]:
    """Yield a watcher for the launch of a study in the block; at the end, copy its last state.

    `url` is the database, `files` returns the files of a study that is done. Without the key
    `tracking` it is the watcher itself.
    """
    if study.spec.tracking is None:
        yield watcher
        return
    mirror = _mirror(study, url, files)
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
        self._mirror = mirror
        self._watcher = watcher

    def event(self, event: Event) -> None:
        """Forward it."""
        self._watcher.event(event)

    def tick(self, progress: Progress) -> None:
        """Forward it; the first one means that the study is stored and its lease held."""
        self._mirror.start()
        for text in self._mirror.notes():
            self._watcher.event(Event("tracking", text))
        self._watcher.tick(progress)


def _mirror(study: ResolvedStudy, url: str, files: Files) -> Mirror:
    spec = study.spec.tracking
    assert spec is not None, "checked by the caller"
    plugin = load(TRACKERS, spec.kind)
    options = plugin.Options(**spec.options)

    def connect_tracker(record: StudyRecord) -> Tracker:
        # Another study may have its name, in another database, but not its start too.
        tracker: Tracker = plugin.connect(options, f"{record.name} {record.started}")
        return tracker

    return Mirror(spec.kind, connect_tracker, StudyReader(url, study.name).read, files)


class StudyReader:
    """Reads a stored study when it has changed."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._marker: ChangeMarker | None = None

    def read(self, always: bool) -> StudyRecord | None:  # noqa: FBT001  the mirror's callable
        """Return the study; unless `always`, None if its change marker is the one last read."""
        with closing(connect(self._url)) as database:
            marker = read_change_marker(database, self._name)
            marker = replace(marker, seconds_since_heartbeat=None)
            if marker == self._marker and not always:
                return None
            record = load_record(database, self._name)
        self._marker = marker
        return record
