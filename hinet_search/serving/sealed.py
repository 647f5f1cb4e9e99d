"""Sealed: write and check the manifest with the hashes of the files of an exported model.

A hash detects damage, not intent: who can change a file can also change its hash. So the content of
every file is checked as well, where it is opened.
"""

import json
import re
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.common.files import sha256_of

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
GRAPH_FILES = frozenset({GRAPH, f"{GRAPH}.data"})  # the weights of a large one are beside it
AGAIN = "export the model again, or copy the whole folder again"
MAX_BYTES = 1_000_000

_WEIGHTS = r"weights(-[0-9]+)?\.safetensors"
_TABLE = r"encoding/[a-z]+(\.[0-9]+)?\.parquet"
_NAME = rf"^(config\.yaml|model\.onnx(\.data)?|{_WEIGHTS}|{_TABLE})$"
_MANIFEST = TypeAdapter(
    dict[Annotated[str, Field(pattern=_NAME)], Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
)


def seal(folder: Path) -> None:
    """Write the hash of every file that a model is read from; this completes the folder."""
    hashes = {}
    for name in file_names(folder):
        if re.match(_NAME, name):
            hashes[name] = sha256_of(folder / name)
    (folder / MANIFEST).write_text(json.dumps(hashes, indent=1), encoding="utf-8")


def file_names(folder: Path) -> list[str]:
    """The names of all files of a folder and its inner folders, in order."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path.relative_to(folder).as_posix() for path in paths]


def require_exported(folder: Path) -> None:
    """DataError when a folder is no exported model; EnvironmentFault when that cannot be read."""
    with _reading():
        if (folder / MANIFEST).is_file():
            return
        what = f"it has no {MANIFEST}" if folder.is_dir() else "there is no such folder"
    raise DataError(
        f"{folder}: must be a folder that hinet-search export wrote, but {what}",
        remedy="hinet-search export STUDY/ARM -o FOLDER",
    )


def sealed_files(folder: Path) -> Set[str]:
    """Check the files in the manifest of a folder and return their names.

    Errors: DataError when the folder is no exported model or a file has changed since it was
    sealed; EnvironmentFault when a file cannot be read.
    """
    require_exported(folder)
    with _reading():
        hashes = _hashes(folder)
        problems = []
        for name, sealed in hashes.items():
            what = _damage(folder, name, sealed)
            if what:
                problems.append(f"{folder / name}: {what}")
    if problems:
        raise DataError(*problems, remedy=AGAIN)
    return hashes.keys()


def refuse_other_files(folder: Path, sealed: Set[str], needed: Iterable[str]) -> None:
    """DataError unless the manifest has exactly the hashes of the files the model is read from."""
    needed = set(needed)
    problems = [f"lacks {name}" for name in sorted(needed - sealed)]
    problems += [f"has {name}" for name in sorted(sealed - needed)]
    if problems:
        raise DataError(
            f"{folder / MANIFEST}: must hold the hash of every file of this model and of no other, "
            f"but {', '.join(problems)}",
            remedy=AGAIN,
        )


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"{error.filename}: must be readable, but is not: {error.strerror}",
            remedy="give read permission",
        ) from error


def _hashes(folder: Path) -> dict[str, str]:
    path = folder / MANIFEST
    with path.open("rb") as file:
        content = file.read(MAX_BYTES)
    try:
        return _MANIFEST.validate_json(content)
    except ValidationError as error:
        raise DataError(
            f"{path}: must hold the hashes of a model's files, but is damaged", remedy=AGAIN
        ) from error


def _damage(folder: Path, name: str, sealed_hash: str) -> str:
    """What is wrong with a file; empty when it is as it was sealed."""
    path = folder / name
    if not path.exists():
        return "is missing"
    if not path.is_file():
        return "must be a file, but is something else"
    if not path.resolve().is_relative_to(folder.resolve()):
        return f"must lie in the folder, but is a link to {path.resolve()}"
    return "" if sha256_of(path) == sealed_hash else "has changed"
