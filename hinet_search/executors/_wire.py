"""Wire: jobs and what they say as bytes, on their way between our own processes; no file is read.

A file means the same on every machine by its name: a path in a payload may travel as one.
"""

import pickle
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from hinet_search.executors import Emit, Job, JobFunction, Message, Said, ShouldStop


def pack(job: Job) -> Job:
    """The job with its function and payload as bytes: a keeper passes them on without importing what they need."""
    return replace(job, function=_run_packed, payload=pickle.dumps((job.function, job.payload)))


def unpack(heard: Said) -> Said:
    """What a packed job said."""
    return replace(heard, body=pickle.loads(heard.body)) if isinstance(heard, Message) else heard  # noqa: S301  our own


def with_names(job: Job, name_of: Callable[[Path], str]) -> bytes:
    """Function and payload of a job, with a name in place of every absolute path."""
    written = BytesIO()
    _Naming(written, name_of).dump((job.function, job.payload))
    return written.getvalue()


def with_paths(packed: bytes, path_of: Callable[[str], Path]) -> tuple[JobFunction, Any]:
    """Function and payload, with a path in place of every name."""
    function, payload = _Finding(packed, path_of).load()
    return function, payload


def _run_packed(packed: bytes, emit: Emit, should_stop: ShouldStop) -> None:
    function, payload = pickle.loads(packed)  # noqa: S301  what the coordinator packed
    function(payload, lambda body: emit(pickle.dumps(body)), should_stop)


class _Naming(pickle.Pickler):
    def __init__(self, file: BytesIO, name_of: Callable[[Path], str]) -> None:
        super().__init__(file)
        self._name_of = name_of

    def persistent_id(self, one: object) -> str | None:
        """The name of a path; anything else is written as it is."""
        return self._name_of(one) if isinstance(one, Path) and one.is_absolute() else None


class _Finding(pickle.Unpickler):
    def __init__(self, packed: bytes, path_of: Callable[[str], Path]) -> None:
        super().__init__(BytesIO(packed))
        self._path_of = path_of

    def persistent_load(self, name: str) -> Path:
        """The path of a name."""
        return self._path_of(name)
