"""Carrying: a job on a machine that does not see the coordinator's folder; its files come and go through an exchange.

The job works with files of this machine as it always does. What it needs is fetched before it begins. What it leaves is put
beside it: files in a folder that its payload names (checkpoints) by a thread while it runs, so that training does not
wait; a file that its payload names, and those beside it that differ in their ending alone (weights, scores), before its
next message. So no message overtakes a file that was written before it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Event

from hinet_search.disk import PART
from hinet_search.errors import ExchangeAway
from hinet_search.executors import Emit, ShouldStop
from hinet_search.executors._exchange import Content, Damaged, Exchange, content_of, holds
from hinet_search.executors._folders import alone, shared
from hinet_search.executors._wire import with_paths
from hinet_search.patience import Notice, Patience

PAUSE_SECONDS = 1.0  # between two looks at what a job has left

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Errand:
    """A job whose paths are names: of files that lie in the exchange `url`, those `given` with what must be in them."""

    url: str
    study: str
    packed: bytes
    names: tuple[str, ...]
    given: Mapping[str, Content]


@dataclass(frozen=True)
class Left:
    """Files that a job left and that lie in the exchange now."""

    files: Mapping[str, Content]


def carry(errand: Errand, emit: Emit, should_stop: ShouldStop) -> None:
    """Run the job of an errand. Emits what the job does, and Left ahead of messages that tell of files.

    Errors: those of the job; EnvironmentFault when the exchange stays away, or when what was given is damaged.
    """
    courier = Courier(errand, shared(errand.study), emit, should_stop)
    if not courier.bring():
        return
    function, payload = with_paths(errand.packed, courier.folder.joinpath)
    with courier.beside():
        function(payload, courier.emit, courier.should_stop)
    courier.put_rest()
    courier.clear()


@dataclass
class Courier:
    """The files of one job in `folder`."""

    errand: Errand
    folder: Path
    tell: Emit
    stop: ShouldStop
    _there: dict[str, tuple[Stamp, Content]] = field(default_factory=dict)  # what the exchange has, as it is here
    _stopped: bool = False

    def __post_init__(self) -> None:
        self._exchange = Exchange(self.errand.url)
        self._over = Event()
        self._aside: SimpleQueue[str] = SimpleQueue()  # notices of the thread: only the job's own may speak

    def bring(self) -> bool:
        """Fetch what the exchange has for the job and this machine has not, one slot at a time; False when told to stop."""
        patience = Patience(self._notice, self.stop)
        with alone(self.folder, self.stop) as free:
            found: dict[str, Content] = {}
            for name in self.errand.names if free else ():
                found |= patience(partial(self._exchange.found, name))
            for name, content in {**found, **self.errand.given}.items():
                if self.stop():
                    return False
                self._bring(name, content, patience)
        return free

    def _bring(self, name: str, content: Content, patience: Patience) -> None:
        file = self.folder / name
        if not holds(file, content):
            try:
                patience(lambda: self._exchange.fetch(name, content, file, patience))
            except Damaged as error:
                self._exchange.drop(name, content)  # the next launch puts it again
                if name in self.errand.given:
                    raise
                self._notice(f"{error.problems[0]}; it is passed over")
                return
        self._there[name] = _stamp(file), content

    def emit(self, body: object) -> None:
        """Send a message of the job, behind the files that it may tell of."""
        self._put_results()
        self.tell(body)

    def should_stop(self) -> bool:
        """Whether the job was given up; what it leaves then is gone on with."""
        self._pass_on()
        self._stopped = self._stopped or self.stop()
        return self._stopped

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Inside, what the job leaves in its folders is put while it runs."""
        with ThreadPoolExecutor(1) as thread:
            work = thread.submit(self._put_beside)
            try:
                yield
            finally:
                self._over.set()
        work.result()
        self._pass_on()

    def put_rest(self) -> None:
        """What the job left since: its last checkpoint only when it was stopped, for else nobody goes on from it."""
        self._put_results()
        if self._stopped:
            self._put_work(Patience(self._notice, lambda: False))

    def clear(self) -> None:
        """Remove from this machine what the job left; what it was given stays for the next one."""
        for file in [*self._work(), *self._results()]:
            if self._name(file) not in self.errand.given:
                file.unlink(missing_ok=True)

    def _put_beside(self) -> None:
        patience = Patience(self._aside.put, self._over.is_set)
        while not self._over.wait(PAUSE_SECONDS):
            with suppress(ExchangeAway):  # that was told; the job goes on, and so does this
                self._put_work(patience)

    def _put_work(self, patience: Patience) -> None:
        """Put what is new in folders, oldest first: a manifest comes behind its checkpoint. Then drop what gave way to it."""
        with self._held(self._work()) as held:
            self._put(held, patience)
        for name in [name for name in self._there if self._is_work(name) and name not in held]:
            patience(partial(self._exchange.drop, name, self._there[name][1]))
            del self._there[name]

    def _put_results(self) -> None:
        results = self._results()
        if all(self._is_there(self._name(file), file) for file in results):
            return
        with self._held(results) as held:
            self.tell(Left(self._put(held, Patience(self._notice, self.stop))))

    def _put(self, held: Mapping[str, Path], patience: Patience) -> dict[str, Content]:
        """Put what the exchange has not; what was put."""
        left = {}
        for name, file in held.items():
            if not self._is_there(name, file):
                content = content_of(file)
                patience(partial(self._exchange.put, name, file, content))
                self._there[name] = _stamp(file), content
                left[name] = content
        return left

    def _is_there(self, name: str, file: Path) -> bool:
        return name in self._there and self._there[name][0] == _stamp(file)

    @contextmanager
    def _held(self, files: Iterable[Path]) -> Iterator[dict[str, Path]]:
        """Files by name as they are now, whatever becomes of them meanwhile."""
        held = {}
        with TemporaryDirectory(dir=self.folder, prefix=".") as place:
            for number, file in enumerate(files):
                with suppress(FileNotFoundError):  # it was removed just now
                    link = Path(place, str(number))
                    os.link(file, link)
                    held[self._name(file)] = link
            yield held

    def _work(self) -> list[Path]:
        """Files that the job has in folders, the oldest first."""
        inside = (file for name in self.errand.names for file in (self.folder / name).rglob("*"))
        return _by_age(file for file in inside if self._is_work(self._name(file)))

    def _is_work(self, name: str) -> bool:
        return name not in self.errand.given and any(name.startswith(f"{folder}/") for folder in self.errand.names)

    def _results(self) -> list[Path]:
        """Files at the paths themselves, and beside them."""
        paths = (self.folder / name for name in self.errand.names)
        return _by_age(file for path in paths if path.suffix for file in path.parent.glob(f"{path.stem}.*"))

    def _name(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()

    def _pass_on(self) -> None:
        while not self._aside.empty():
            self._notice(self._aside.get())

    def _notice(self, text: str) -> None:
        self.tell(Notice(text))


def _by_age(files: Iterable[Path]) -> list[Path]:
    """Files that are whole, the oldest first."""
    found = []
    for file in files:
        with suppress(FileNotFoundError):  # it was just removed
            if file.is_file() and not file.name.endswith(PART):
                found.append((file.stat().st_mtime_ns, file))
    return [file for _, file in sorted(found)]


def _stamp(file: Path) -> Stamp:
    about = file.stat()
    return about.st_mtime_ns, about.st_size
