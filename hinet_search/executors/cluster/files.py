"""Files: transfer files of jobs as chunks in Ray's messages to nodes without the shared folder.

The node has a private folder that mirrors the paths of the coordinator's machine. It requests a
job's files before the job starts. Files that the job writes are sent before its later messages, so
no message overtakes a file.
"""

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.files import make_file, replacing, whole_files

CHUNK_BYTES = 2**24  # bytes of a file in memory at a time

Stamp = tuple[int, int]  # modification time of a file in nanoseconds, and its size


@dataclass(frozen=True)
class Request:
    """Requests the chunk of the coordinator's file that begins at `start`."""

    path: Path
    start: int


@dataclass(frozen=True)
class Chunk:
    """Part of a file. `path` is that on the coordinator's machine, `stamp` is that of the file."""

    path: Path
    stamp: Stamp
    start: int
    content: bytes
    sha256: str


@dataclass(frozen=True)
class RemovedFile:
    """A job removed this file."""

    path: Path


FileMessage = Request | Chunk | RemovedFile


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """Return the files at these paths, or in these folders, with their stamps."""
    return dict(_stamped(chain.from_iterable(map(_files, paths))))


class Transfers:
    """The coordinator's side: answers the requests of one slot's actor and writes its files."""

    def __init__(self) -> None:
        self._writer = _Writer()

    def handle(self, message: FileMessage) -> Chunk | OSError | None:
        """Handle a message of an actor; return the answer to a request.

        Errors: EnvironmentFault if a chunk is damaged, DiskFull.
        """
        if isinstance(message, Request):
            try:
                with message.path.open("rb") as file:
                    return _chunk(message.path, file, message.start)
            except OSError as error:
                return error
        if isinstance(message, Chunk):
            self._writer.write(message, message.path)
        else:
            message.path.unlink(missing_ok=True)
        return None

    def close(self) -> None:
        """Discard a file that has not arrived completely."""
        self._writer.close()


@dataclass
class JobFiles:
    """The files of one job in a folder of the node.

    These are the files at its `paths` and, beside a path of a file, those with other suffixes.
    `inputs` are the coordinator's files that the job needs.
    """

    folder: Path
    paths: tuple[Path, ...]
    inputs: Mapping[Path, Stamp]
    # Files that the coordinator has, with their stamps on this node.
    _known: dict[Path, Stamp] = field(default_factory=dict)
    _written_folders: set[Path] = field(default_factory=set)  # folders with files of the job

    def __post_init__(self) -> None:
        self._writer = _Writer()

    def missing(self) -> list[Path]:
        """Return the inputs that are not on the node yet."""
        for path, stamp in self.inputs.items():
            with suppress(FileNotFoundError):
                if _stamp(self._on_node(path).stat()) == stamp:
                    self._known[path] = stamp
        return [path for path in self.inputs if path not in self._known]

    def write(self, chunk: Chunk) -> bool:
        """Write a chunk of an input; return whether the file is complete.

        Errors: those of `Transfers.handle`.
        """
        complete = self._writer.write(chunk, self._on_node(chunk.path))
        if complete:
            self._known[chunk.path] = _stamp(self._on_node(chunk.path).stat())
        return complete

    def changes(self) -> Iterator[Chunk | RemovedFile]:
        """Yield what the job wrote since the last call, oldest first, then what it removed.

        Both are of one listing: a removal never overtakes a file that was written before it. If the
        node loses the whole folder, the job has removed nothing: the coordinator keeps its files.
        """
        stamp_of = dict(self._files_on_node())
        gone = self._known.keys() - stamp_of.keys() if self.folder.is_dir() else set()
        removed = sorted(path for path in gone if self._is_own(path))
        changed = [
            (stamp, path) for path, stamp in stamp_of.items() if self._known.get(path) != stamp
        ]
        with ExitStack() as open_files:  # an open file stays readable if the job removes it
            files = []
            for _, path in sorted(changed):
                try:
                    file = open_files.enter_context(self._on_node(path).open("rb"))
                except FileNotFoundError:
                    removed = []  # the job is still writing: wait for the next listing
                    continue
                files.append((path, file))
            for path, file in files:
                yield from _chunks(path, file)
                self._known[path] = _stamp(os.fstat(file.fileno()))
                self._written_folders.add(path.parent)
        for path in removed:
            del self._known[path]
            yield RemovedFile(path)

    def clear(self) -> None:
        """Remove what the job wrote or resumed from; keep its other inputs for the next job."""
        self._writer.close()
        for path in self._known:
            if path.parent in self._written_folders:
                self._on_node(path).unlink(missing_ok=True)

    def _is_own(self, path: Path) -> bool:
        """Return whether the job may remove a file; it removes files only in its own folders."""
        in_own_folder = path.parent in self._written_folders and any(
            path.is_relative_to(folder) for folder in self.paths
        )
        return in_own_folder and path not in self.paths

    def _files_on_node(self) -> Iterator[tuple[Path, Stamp]]:
        """Yield the files on the node, by their paths on the coordinator's machine."""
        for path in map(self._on_node, self.paths):
            siblings = path.parent.glob("*") if path.suffix else ()
            same_stem = (file for file in siblings if file.name.startswith(f"{path.stem}."))
            others = {file for file in same_stem if file.is_file()}
            for file, stamp in _stamped({*_files(path), *others}):
                yield Path("/", file.relative_to(self.folder)), stamp

    def _on_node(self, path: Path) -> Path:
        """Return the path on this node of a path on the coordinator's machine."""
        return self.folder.joinpath(*path.parts[1:])


class _Writer:
    """Writes files that arrive in chunks, one file after the other, each atomically."""

    def __init__(self) -> None:
        self._current: Generator[None, Chunk, None] | None = None

    def write(self, chunk: Chunk, path: Path) -> bool:
        """Write a chunk; return whether the file is complete."""
        if self._current is None:
            self._current = _write(path, chunk.stamp)
            next(self._current)
        try:
            self._current.send(chunk)
        except StopIteration:
            self._current = None
        return self._current is None

    def close(self) -> None:
        """Discard an incomplete file."""
        if self._current is not None:
            self._current.close()
            self._current = None


def _write(path: Path, stamp: Stamp) -> Generator[None, Chunk, None]:
    """Receive the chunks of a file; raise EnvironmentFault if one is damaged, or DiskFull."""
    modified, size = stamp
    with replacing(path, size) as part:
        make_file(part)
        with part.open("r+b") as file:
            while True:
                chunk = yield
                digest = hashlib.sha256(chunk.content).hexdigest()
                if (chunk.sha256, chunk.stamp, chunk.start) != (digest, stamp, file.tell()):
                    raise EnvironmentFault(
                        f"{chunk.path} must arrive as it was sent, "
                        f"but did not from byte {file.tell():,} on",
                        remedy="launch again; if it happens again, "
                        "check memory and network of the nodes",
                    )
                if file.write(chunk.content) + chunk.start == size:
                    break
        os.utime(part, ns=(modified, modified))


def _chunks(path: Path, file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a file; an empty file is one chunk."""
    chunk = _chunk(path, file, 0)
    yield chunk
    end = len(chunk.content)
    while end < chunk.stamp[1]:
        chunk = _chunk(path, file, end)
        yield chunk
        end += len(chunk.content)


def _chunk(path: Path, file: BinaryIO, start: int) -> Chunk:
    stamp = _stamp(os.fstat(file.fileno()))
    file.seek(start)
    content = file.read(CHUNK_BYTES)
    return Chunk(path, stamp, start, content, hashlib.sha256(content).hexdigest())


def _files(path: Path) -> list[Path]:
    """Return the file at a path, or the files below it."""
    files = [path] if path.is_file() else whole_files(path)
    return [file for file in files if file.is_file()]


def _stamped(files: Iterable[Path]) -> Iterator[tuple[Path, Stamp]]:
    for file in files:
        with suppress(FileNotFoundError):  # it was removed meanwhile
            yield file, _stamp(file.stat())


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size
