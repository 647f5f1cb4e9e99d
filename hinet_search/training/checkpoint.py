"""Checkpoint: files from which a training goes on, whole or not there, however the process ended.

A file is put in its place whole (disk.py); a manifest with its SHA-256 follows in the same way.
The last two stay: one that was damaged later gives way to the one before. Their names count them.
"""

import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch

from hinet_search import disk, faults
from hinet_search.errors import ConfigurationError, DiskFull

KEPT = 2
SECONDS_APART, VARIABLE = 10.0, "HINET_SEARCH_CHECKPOINT_SECONDS"
SHARE = 0.01  # of a training's time that writing checkpoints may take
SUFFIX, MANIFEST = ".checkpoint", ".json"


def seconds_apart() -> float:
    """Between two checkpoints at least, as the environment says; ConfigurationError when it does not say a number."""
    given = os.environ.get(VARIABLE, str(SECONDS_APART))
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ConfigurationError(
            f"{VARIABLE} must be a number of seconds >= 0, got '{given}'; without it {SECONDS_APART:g}"
        )
    return seconds


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


@dataclass
class Checkpoints:
    """The checkpoints of one job in `folder`. `job` tells its settings apart: files of another job are not taken up.

    `say` is told once when none can be kept: a training goes on without.
    """

    folder: Path
    job: str
    seconds_apart: float = SECONDS_APART
    say: Callable[[str], None] = _warn
    _took: float = 0.0
    _kept: bool = True

    def __post_init__(self) -> None:
        self._ended = time.monotonic()  # when the last one was written

    def due(self) -> bool:
        """Whether it is time for another one."""
        return time.monotonic() - self._ended >= max(self.seconds_apart, self._took / SHARE)

    def save(self, step: int, content: Mapping[str, Any]) -> None:
        """Keep plain values and tensors as the state after so many steps, where they can be written."""
        began, kept = time.monotonic(), True
        try:
            self._write(step, content)
        except (OSError, DiskFull) as error:
            kept = False
            if self._kept:
                self.say(f"no checkpoint can be kept, training goes on: {str(error).splitlines()[0]}")
        self._kept = kept
        self._ended = time.monotonic()
        self._took = self._ended - began

    def _write(self, step: int, content: Mapping[str, Any]) -> None:
        written = sorted(self.folder.glob(f"*{MANIFEST}"))
        path = self.folder / f"{int(written[-1].stem) + 1 if written else 1:06}{SUFFIX}"
        digest = _put(path, _num_bytes(content), lambda file: torch.save(dict(content), file))
        faults.point("after_checkpoint_before_manifest")
        manifest = {"job": self.job, "step": step, "sha256": digest, "bytes": path.stat().st_size}
        said = json.dumps(manifest).encode()
        _put(path.with_suffix(MANIFEST), len(said), lambda file: file.write(said))
        faults.point("after_manifest_before_old_dropped")
        for old in written[: 1 - KEPT]:
            old.unlink(missing_ok=True)
            faults.point("after_old_manifest_dropped")
            old.with_suffix(SUFFIX).unlink(missing_ok=True)

    def begun(self) -> bool:
        """Whether there is a state of this job, be it whole or not."""
        return any(_job(manifest) == self.job for manifest in self.folder.glob(f"*{MANIFEST}"))

    def latest(self) -> Mapping[str, Any] | None:
        """The newest whole state of this job, or None; warns of each that is damaged."""
        for manifest in sorted(self.folder.glob(f"*{MANIFEST}"), reverse=True):
            path = manifest.with_suffix(SUFFIX)
            try:
                said = json.loads(manifest.read_bytes())
                if said["job"] != self.job:
                    continue
                if _sha256(path) == said["sha256"]:
                    content: Mapping[str, Any] = torch.load(path, weights_only=True)
                    return content
                problem = "its content is not what was written"
            except UnpicklingError:  # what torch raises at anything else, without running it
                problem = "it holds more than plain values and tensors"
            except (OSError, ValueError, KeyError, TypeError) as error:
                problem = f"{type(error).__name__}: {error}"
            self.say(f"{path}: a checkpoint is damaged and is passed over ({problem})")
        return None


def _job(manifest: Path) -> object:
    """Whose the checkpoint is; None where that cannot be read."""
    try:
        return json.loads(manifest.read_bytes())["job"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Hashing:
    """A file that hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, content: bytes | memoryview) -> int:
        """Hash and write."""
        self.sha256.update(content)
        return self._file.write(content)

    def flush(self) -> None:
        """Hand on to the system."""
        self._file.flush()


def _put(path: Path, num_bytes: int, write: Callable[[Any], object]) -> str:
    """Put a file in its place; the SHA-256 of what was written."""
    with disk.replacing(path, num_bytes) as part, part.open("wb") as file:
        hashing = _Hashing(file)
        write(hashing)
    return hashing.sha256.hexdigest()


def _num_bytes(content: object) -> int:
    """Of all tensors in it, which is nearly all that a checkpoint is."""
    if isinstance(content, torch.Tensor):
        return content.nbytes
    if isinstance(content, Mapping):
        content = list(content.values())
    return sum(_num_bytes(one) for one in content) if isinstance(content, list | tuple) else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
