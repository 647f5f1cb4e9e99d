"""Checkpoint: files from which a training goes on, whole or not there, however the process ended.

A file is written beside its place, forced to the disk and then renamed; a manifest with its SHA-256 follows in the same way.
The last two stay: one that was damaged later gives way to the one before. Their names count them.
"""

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch

from hinet_search.private import make_folder

KEPT = 2
SECONDS_APART = 10.0
SHARE = 0.01  # of a training's time that writing checkpoints may take
SUFFIX, MANIFEST = ".checkpoint", ".json"


@dataclass
class Checkpoints:
    """The checkpoints of one job in `folder`. `job` tells its settings apart: files of another job are not taken up."""

    folder: Path
    job: str
    seconds_apart: float = SECONDS_APART
    _took: float = 0.0

    def __post_init__(self) -> None:
        self._ended = time.monotonic()  # when the last one was written

    def due(self) -> bool:
        """Whether it is time for another one."""
        return time.monotonic() - self._ended >= max(self.seconds_apart, self._took / SHARE)

    def save(self, step: int, content: Mapping[str, Any]) -> None:
        """Keep plain values and tensors as the state after so many steps; where they cannot be written, warn of it."""
        began = time.monotonic()
        try:
            self._write(step, content)
        except OSError as error:
            warnings.warn(
                f"{self.folder}: no checkpoint of step {step} can be kept, training goes on: {error}", stacklevel=2
            )
        self._ended = time.monotonic()
        self._took = self._ended - began

    def _write(self, step: int, content: Mapping[str, Any]) -> None:
        make_folder(self.folder)
        written = sorted(self.folder.glob(f"*{MANIFEST}"))
        path = self.folder / f"{int(written[-1].stem) + 1 if written else 1:06}{SUFFIX}"
        digest = _replace(path, lambda file: torch.save(dict(content), file))
        manifest = {"job": self.job, "step": step, "sha256": digest, "bytes": path.stat().st_size}
        _replace(path.with_suffix(MANIFEST), lambda file: file.write(json.dumps(manifest).encode()))
        for old in written[: 1 - KEPT]:
            old.unlink(missing_ok=True)
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
            warnings.warn(f"{path}: a checkpoint is damaged and is passed over ({problem})", stacklevel=2)
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


def _replace(path: Path, write: Callable[[Any], object]) -> str:
    """Put a file in its place with all of its content on the disk; its SHA-256."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            hashing = _Hashing(file)
            write(hashing)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    os.replace(part, path)  # noqa: PTH105  the atomic one
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return hashing.sha256.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
