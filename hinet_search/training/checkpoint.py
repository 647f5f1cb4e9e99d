"""Checkpoint: files from which an interrupted training resumes.

Every file is written atomically (files.py); its manifest, with its SHA-256, follows likewise.
The last two are kept, so that the earlier one can replace a damaged one. File names count them.
A thread writes a copy of the state while the training goes on, one checkpoint at a time.
"""

import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch

from hinet_search.common import crash_points
from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.common.files import replacing, sha256_of
from hinet_search.data.checks import available_memory

NUM_KEPT = 2
SECONDS_APART = 10.0
VARIABLE = "HINET_SEARCH_CHECKPOINT_SECONDS"
TIME_SHARE = 0.01  # the share of its time that a training may stand still for checkpoints
WRITING_SHARE = 0.05  # and in which they may be written beside it, on a core that others may need
MEMORY_SHARE = 0.125  # of the free memory, that the copy of a state may take
SUFFIX = ".checkpoint"
MANIFEST = ".json"


def seconds_apart() -> float:
    """Return the least time between two checkpoints, from the environment or the default.

    Errors: ConfigurationError when the environment variable is not a number >= 0.
    """
    text = os.environ.get(VARIABLE, str(SECONDS_APART))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ConfigurationError(
            f"{VARIABLE} must be a number of seconds >= 0, got '{text}'; "
            f"unset it for the default {SECONDS_APART:g}"
        )
    return seconds


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


@dataclass
class Checkpoints:
    """The checkpoints of one job in `folder`.

    `job` identifies the job's settings: checkpoints of another job are ignored. `say` receives
    warnings: a damaged checkpoint, or once that none can be written, after which training continues
    without them.
    """

    folder: Path
    job: str
    seconds_apart: float = SECONDS_APART
    say: Callable[[str], None] = _warn
    _still_seconds: float = 0.0  # that the training stood still for the last one
    _write_seconds: float = 0.0
    _writing: Future[None] | None = None
    _last_write_failed: bool = False

    def __post_init__(self) -> None:
        self._last_save = time.monotonic()

    def due(self) -> bool:
        """Return whether it is time for the next checkpoint, and the last one is written."""
        if self._writing and not self._writing.done():
            return False
        pause = max(
            self.seconds_apart,
            self._still_seconds / TIME_SHARE,
            self._write_seconds / WRITING_SHARE,
        )
        return time.monotonic() - self._last_save >= pause

    def save(self, step: int, content: Mapping[str, Any]) -> None:
        """Copy plain values and tensors, the state after `step` steps; a thread writes the copy.

        A state too large to be copied is written before this returns.
        """
        self.finish()
        began = time.monotonic()
        fits = _num_bytes(content) <= MEMORY_SHARE * available_memory()
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing = thread.submit(self._write, step, _copied(content) if fits else content)
        thread.shutdown(wait=False)  # it ends with this checkpoint
        if not fits:
            self.finish()
        self._last_save = time.monotonic()
        self._still_seconds = self._last_save - began

    def finish(self) -> None:
        """Wait until the last checkpoint is whole; say if the disk did not allow it."""
        writing = self._writing
        if writing is None:
            return
        self._writing = None
        try:
            writing.result()
        except (OSError, EnvironmentFault) as error:
            if not self._last_write_failed:
                reason = str(error).splitlines()[0]
                self.say(f"no checkpoint can be written, training continues: {reason}")
            self._last_write_failed = True
        else:
            self._last_write_failed = False

    def _write(self, step: int, content: Mapping[str, Any]) -> None:
        began = time.monotonic()
        try:
            manifests = self._manifests()
            number = int(manifests[-1].stem) + 1 if manifests else 1
            path = self.folder / f"{number:06}{SUFFIX}"
            digest = _put(path, _num_bytes(content), lambda file: torch.save(dict(content), file))
            crash_points.point("after_checkpoint_before_manifest")
            manifest = {
                "job": self.job,
                "step": step,
                "sha256": digest,
                "bytes": path.stat().st_size,
            }
            text = json.dumps(manifest).encode()
            _put(path.with_suffix(MANIFEST), len(text), lambda file: file.write(text))
            crash_points.point("after_manifest_before_old_dropped")
            for old_manifest in manifests[: 1 - NUM_KEPT]:
                old_manifest.unlink(missing_ok=True)
                crash_points.point("after_old_manifest_dropped")
                old_manifest.with_suffix(SUFFIX).unlink(missing_ok=True)
        finally:
            self._write_seconds = time.monotonic() - began

    def _manifests(self) -> list[Path]:
        """Return all manifests in the folder, the oldest first."""
        return sorted(self.folder.glob(f"*{MANIFEST}"))

    def latest(self) -> Mapping[str, Any] | None:
        """Return the latest intact checkpoint of this job, or None; warn of damaged ones."""
        self.finish()
        for manifest_path in reversed(self._manifests()):
            path = manifest_path.with_suffix(SUFFIX)
            try:
                manifest = json.loads(manifest_path.read_bytes())
                if manifest["job"] != self.job:
                    continue
                if sha256_of(path) == manifest["sha256"]:
                    # A node without a GPU can read it too; what restores it moves it.
                    content: Mapping[str, Any] = torch.load(
                        path, weights_only=True, map_location="cpu"
                    )
                    return content
                problem = "its SHA-256 is not that of its manifest"
            except UnpicklingError:  # torch refuses other objects without running their code
                problem = "it holds more than plain values and tensors"
            except (OSError, ValueError, KeyError, TypeError) as error:
                problem = f"{type(error).__name__}: {error}"
            self.say(f"{path}: a damaged checkpoint is skipped ({problem})")
        return None


@contextmanager
def whole(checkpoints: Checkpoints | None) -> Iterator[None]:
    """Wait at the end until the last checkpoint is whole, also if what is inside fails."""
    try:
        yield
    finally:
        if checkpoints is not None:
            checkpoints.finish()


class _Hashing:
    """A file that hashes what is written to it; torch.save needs these two methods."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, content: bytes | memoryview) -> int:
        """Hash and write `content`."""
        self.sha256.update(content)
        return self._file.write(content)

    def flush(self) -> None:
        """Flush the file."""
        self._file.flush()


def _put(path: Path, num_bytes: int, write: Callable[[Any], object]) -> str:
    """Write a file atomically; return the SHA-256 of its content."""
    with replacing(path, num_bytes) as part, part.open("wb") as file:
        hashing = _Hashing(file)
        write(hashing)
    return hashing.sha256.hexdigest()


def _copied(content: Any) -> Any:
    """Return plain values and tensors as they are now, all tensors in memory of the host."""
    if isinstance(content, torch.Tensor):
        return content.detach().to("cpu", copy=True)
    if isinstance(content, Mapping):
        return {name: _copied(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(_copied(value) for value in content)
    return content


def _num_bytes(content: object) -> int:
    """Return the bytes of all tensors in `content`, nearly all of a checkpoint."""
    if isinstance(content, torch.Tensor):
        return content.nbytes
    if isinstance(content, Mapping):
        return sum(map(_num_bytes, content.values()))
    if isinstance(content, list | tuple):
        return sum(map(_num_bytes, content))
    return 0
