"""Job bytes: pickle jobs and messages, so that what passes them on need not import their types.

A path in a job is relative to the root of the machine where the job runs: `/`, or the folder of a
node that has its own files.
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
    buffer = BytesIO()
    pickler = _Pickler(buffer)
    pickler.dump((job.function, job.payload))
    packed = PackedJob(buffer.getvalue(), tuple(dict.fromkeys(pickler.paths)))
    return replace(job, function=_run_packed, payload=packed)


def unpack(message: JobEvent) -> JobEvent:
    """Return a message of a packed job with its body unpickled."""
    if not isinstance(message, Message):
        return message
    return replace(message, body=pickle.loads(message.body))  # noqa: S301  our own process sent it


def _run_packed(packed: PackedJob, emit: Emit, should_stop: ShouldStop) -> None:
    function, payload = _Unpickler(packed).load()
    function(payload, lambda body: emit(pickle.dumps(body)), should_stop)


class _Pickler(pickle.Pickler):
    """Writes absolute paths as references and collects them in `paths`."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file)
        self.paths: list[Path] = []

    def persistent_id(self, value: object) -> str | None:
        """Return the reference to a path; other values are pickled as usual."""
        if not isinstance(value, Path) or not value.is_absolute():
            return None
        self.paths.append(value)
        return str(value.relative_to(ROOT))


class _Unpickler(pickle.Unpickler):
    def __init__(self, packed: PackedJob) -> None:
        super().__init__(BytesIO(packed.content))
        self._root = packed.root

    def persistent_load(self, reference: str) -> Path:
        """Return the path under the root of this machine."""
        return self._root / reference
