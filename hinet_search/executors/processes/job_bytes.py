"""Job bytes: pickle jobs and messages, so that what passes them on need not import their types.

A path in a job, or in what it emits, is relative to the root of the machine where the job runs:
`/`, or the folder of a node that has its own files.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from hinet_search.executors import Emit, Job, JobEvent, Message, ShouldStop
from hinet_search.executors.cluster.files import Stamp

ROOT = Path("/")


@dataclass(frozen=True)
class PackedJob:
    """Function and payload of a job, the paths in them, and the files that a node must fetch."""

    content: bytes
    paths: tuple[Path, ...]
    files: Mapping[Path, Stamp] = field(default_factory=dict)
    root: Path = ROOT


def pack(job: Job) -> Job:
    """Return the job with its function and payload as bytes."""
    content, paths = _dumps((job.function, job.payload), ROOT)
    packed = PackedJob(content, tuple(dict.fromkeys(paths)))
    return replace(job, function=_run_packed, payload=packed)


def unpack(message: JobEvent) -> JobEvent:
    """Return a message of a packed job with its body unpickled."""
    if not isinstance(message, Message):
        return message
    return replace(message, body=_Unpickler(message.body, ROOT).load())


def _run_packed(packed: PackedJob, emit: Emit, should_stop: ShouldStop) -> None:
    function, payload = _Unpickler(packed.content, packed.root).load()
    function(payload, lambda body: emit(_dumps(body, packed.root)[0]), should_stop)


def _dumps(value: object, root: Path) -> tuple[bytes, list[Path]]:
    """Return the pickled value, and the paths below the root in it."""
    buffer = BytesIO()
    pickler = _Pickler(buffer, root)
    pickler.dump(value)
    return buffer.getvalue(), pickler.paths


class _Pickler(pickle.Pickler):
    """Writes paths below a root as references and collects them in `paths`."""

    def __init__(self, file: BytesIO, root: Path) -> None:
        super().__init__(file)
        self._root = root
        self.paths: list[Path] = []

    def persistent_id(self, value: object) -> str | None:
        """Return the reference to a path; other values are pickled as usual."""
        if not isinstance(value, Path) or not value.is_relative_to(self._root):
            return None
        self.paths.append(value)
        return str(value.relative_to(self._root))


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, root: Path) -> None:
        super().__init__(BytesIO(content))
        self._root = root

    def persistent_load(self, reference: str) -> Path:
        """Return the path under the root of this machine."""
        return self._root / reference
