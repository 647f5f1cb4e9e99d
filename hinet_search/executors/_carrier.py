"""Carrier: any executor, for slots that do not see the coordinator's folder; files of jobs go through an exchange."""

import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from hinet_search.disk import PART
from hinet_search.errors import ExchangeAway
from hinet_search.executors import Alive, Ended, Executor, Job, Message, Said
from hinet_search.executors._carrying import Errand, Left, carry
from hinet_search.executors._exchange import Content, Exchange, content_of, holds
from hinet_search.executors._wire import with_names
from hinet_search.patience import Notice, Patience

ELSEWHERE = "elsewhere"  # begins the names of files outside the coordinator's folder: data may be encoded anywhere
PATIENCE_SECONDS = 5.0  # until it is said that jobs wait for their files
FORGET_SECONDS = 30.0  # that removing what is of no use any more may hold up the end


@dataclass(frozen=True)
class _Leaving:
    """A job whose files are being put, since a reading of `time.monotonic`."""

    job: Job
    packed: Future[Job]
    since: float


@dataclass(frozen=True)
class _Heard:
    """What a job said; it waits in line until files that it left before are here."""

    said: Said
    here: Future[None] | None = None


class Carrier:
    """Slots of an executor; see `Executor` for the contract. All that moves files here is one thread, in order.

    Before a job goes out, what it needs of this machine is put; what a job leaves is here before the message that tells
    of it.
    """

    def __init__(self, executor: Executor, exchange: Exchange, home: Path, study: str) -> None:
        self._executor, self._exchange = executor, exchange
        self._home, self._study = home, study
        self._leaving: dict[str, _Leaving] = {}
        self._lines: dict[str, deque[_Heard]] = {}
        self._unsaid: list[Said] = []
        self._notices: SimpleQueue[Message] = SimpleQueue()
        self._forgetting: list[Future[None]] = []
        self._closed = Event()
        self._mover = _Mover()

    @property
    def free(self) -> int:
        """Slots with nothing to do, less those whose next job is on its way."""
        return self._executor.free - len(self._leaving)

    @property
    def waiting(self) -> str:
        """What slots without a place wait for, or jobs that have one."""
        long_ago = time.monotonic() - PATIENCE_SECONDS
        late = sum(one.since < long_ago for one in self._leaving.values())
        jobs = f"{late} jobs wait until their files are in the exchange {self._exchange.url}"
        return self._executor.waiting or (jobs if late else "")

    def submit(self, job: Job) -> None:
        """Start a job on a free slot, as soon as its files are in the exchange."""
        packed = self._mover.move(partial(self._pack, job))
        self._leaving[job.key] = _Leaving(job, packed, time.monotonic())

    def stop(self, key: str) -> None:
        """Ask a job to stop; one that has not begun ends without."""
        leaving = self._leaving.pop(key, None)
        if leaving is None:
            self._executor.stop(key)
        else:
            leaving.packed.cancel()
            self._unsaid.append(Ended(key, leaving.job.attempt, ""))

    def runs(self, key: str) -> bool:
        """Whether a job is on a slot, with nothing of it on its way."""
        return self._executor.runs(key) and key not in self._lines

    def kill(self, key: str) -> None:
        """End the process of a job that runs."""
        self._executor.kill(key)

    def poll(self, timeout: float) -> list[Said]:
        """Messages that have come, behind the files that they tell of.

        Errors: EnvironmentFault when the exchange stays away or a file is damaged; those of the executor.
        """
        for key in [key for key, one in self._leaving.items() if one.packed.done()]:
            self._executor.submit(self._leaving.pop(key).packed.result())
        heard, self._unsaid = self._unsaid, []
        for said in self._executor.poll(0.0 if heard else timeout):
            if isinstance(said, Alive):
                heard.append(said)
                continue
            left = said.body.files if isinstance(said, Message) and isinstance(said.body, Left) else None
            here = None if left is None else self._mover.move(partial(self._bring_home, said, left))
            self._lines.setdefault(said.key, deque()).append(_Heard(said, here))
        while not self._notices.empty():
            heard.append(self._notices.get())
        return heard + [said for key in list(self._lines) for said in self._arrived(key)]

    def forget(self, path: Path) -> None:
        """Remove from the exchange what jobs left there at a path."""
        self._forgetting.append(self._mover.move(partial(self._drop, self._name(path))))

    def close(self) -> None:
        """End every slot."""
        self._closed.set()
        if wait(self._forgetting, FORGET_SECONDS).not_done:
            warnings.warn(f"{self._exchange.url} still has files that are of no use any more", stacklevel=2)
        self._executor.close()

    def _arrived(self, key: str) -> list[Said]:
        line, arrived = self._lines[key], []
        while line and (line[0].here is None or line[0].here.done()):
            first = line.popleft()
            if first.here is None:
                arrived.append(first.said)
            else:
                first.here.result()
        if not line:
            del self._lines[key]
        return arrived

    def _pack(self, job: Job) -> Job:
        """The job with names for paths, and the files that it needs of this machine put."""
        paths: dict[str, Path] = {}

        def name_of(path: Path) -> str:
            paths[self._name(path)] = path
            return self._name(path)

        packed = with_names(job, name_of)
        given = {name: content for path in paths.values() for name, content in self._give(path, job).items()}
        errand = Errand(self._exchange.url, self._study, packed, tuple(paths), given)
        return replace(job, function=carry, payload=errand)

    def _give(self, path: Path, job: Job) -> dict[str, Content]:
        files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        given = {self._name(file): (file, content_of(file)) for file in files if not file.name.endswith(PART)}
        patience = self._patience(job)
        found = patience(partial(self._exchange.found, self._name(path))) if given else {}
        for name, (file, content) in given.items():
            if found.get(name) != content:
                patience(partial(self._exchange.put, name, file, content))
        return {name: content for name, (_, content) in given.items()}

    def _bring_home(self, said: Said, files: Mapping[str, Content]) -> None:
        patience = self._patience(said)
        for name, content in files.items():
            file = self._path(name)
            if not holds(file, content):
                patience(partial(self._exchange.fetch, name, content, file, patience))

    def _drop(self, name: str) -> None:
        try:
            self._exchange.drop_all(name)
        except ExchangeAway as error:
            warnings.warn(
                f"{self._exchange.url}/{name} is of no use any more and stays: {error.problems[0]}", stacklevel=2
            )

    def _patience(self, about: Job | Said) -> Patience:
        """What it waits for is told as if the job had said it."""
        return Patience(
            lambda text: self._notices.put(Message(about.key, about.attempt, Notice(text))), self._closed.is_set
        )

    def _name(self, path: Path) -> str:
        if path.is_relative_to(self._home):
            return path.relative_to(self._home).as_posix()
        return f"{ELSEWHERE}/{path.relative_to(path.anchor).as_posix()}"

    def _path(self, name: str) -> Path:
        if name.startswith(f"{ELSEWHERE}/"):
            return Path("/", name.removeprefix(f"{ELSEWHERE}/"))
        return self._home / name


class _Mover:
    """Does one thing after the other beside this thread; whatever it is at holds up no exit."""

    def __init__(self) -> None:
        self._moves: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        Thread(target=self._work, daemon=True).start()

    def move(self, operation: Callable[[], Any]) -> Future[Any]:
        """Do it when everything before it is done."""
        future: Future[Any] = Future()
        self._moves.put((future, operation))
        return future

    def _work(self) -> None:
        while True:
            future, operation = self._moves.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(operation())
            except Exception as error:  # noqa: BLE001  whoever asks for the result is told
                future.set_exception(error)
