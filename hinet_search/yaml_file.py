"""YAML files: one file becomes one frozen type, and every problem names its file, line and key.

YAML 1.2 through ruamel.yaml: `no` stays a word, 1e-3 is a number, a key written twice is an error. Files are capped in
size and in nodes after alias expansion, and no tag constructs an object.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt

from hinet_search.errors import ConfigurationError, did_you_mean

MAX_BYTES = 1_000_000
MAX_NODES = 100_000

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[int | str, ...]


@dataclass(frozen=True)
class YamlFile:
    """A parsed file: plain values, and the line of every key."""

    path: Path
    text: str
    tree: dict[Any, Any]
    lines: Mapping[Location, int]

    def place(self, location: Sequence[int | str] = ()) -> str:
        """`studies/a.yaml:7` for the nearest key at or above `location`."""
        known = _reachable(self.tree, location)
        while known and known not in self.lines:
            known = known[:-1]
        return f"{self.path}:{self.lines.get(known, 1)}"

    def parse(self, kind: type[Model], values: Mapping[Any, Any] | None = None, at: Location = ()) -> Model:
        """The whole file (or `values`, found `at` a location) as `kind`; ConfigurationError holds every problem."""
        try:
            return kind.model_validate(self.tree if values is None else values)
        except ValidationError as error:
            lines = [f"{self.place((*at, *one['loc']))}: {_sentence(kind, one)}" for one in error.errors()]
            raise ConfigurationError(*_distinct(lines)) from error


def read(path: Path) -> YamlFile:
    """Read a YAML mapping; ConfigurationError when it is missing, too large, not YAML or no mapping."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(f"{path}: must be at most {MAX_BYTES:,} bytes, got {len(raw):,}")
    try:
        text = raw.decode("utf-8")
        tree = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = " ".join(str(error.problem or error.context).split("\n")[0].split())
        raise ConfigurationError(f"{path}:{line}: is not valid YAML: {said}") from error
    except (UnicodeDecodeError, YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}:1: is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, CommentedMap):
        raise ConfigurationError(f"{path}:1: must hold a mapping of keys, got {type(tree).__name__}")
    lines: dict[Location, int] = {}
    return YamlFile(path, text, _plain(tree, (), lines, path), lines)


def validated(kind: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """`values` as `kind`; ConfigurationError lines begin with `where`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(*_distinct([f"{where}: {_sentence(kind, one)}" for one in error.errors()])) from error


def _distinct(lines: list[str]) -> list[str]:
    return list(dict.fromkeys(lines))


def _plain(node: Any, at: Location, lines: dict[Location, int], path: Path) -> Any:
    """Plain Python values of a ruamel tree; notes the line of every key on the way."""
    if len(lines) > MAX_NODES or len(at) > 50:
        raise ConfigurationError(f"{path}: must hold at most {MAX_NODES:,} values; are aliases nested?")
    if isinstance(node, CommentedMap):
        for key in node:
            lines[(*at, key)] = (node.lc.key(key)[0] if key in (node.lc.data or {}) else node.lc.line) + 1
        return {_scalar(key, path): _plain(value, (*at, key), lines, path) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            lines[(*at, index)] = node.lc.item(index)[0] + 1
        return [_plain(value, (*at, index), lines, path) for index, value in enumerate(node)]
    return _scalar(node, path)


def _scalar(node: Any, path: Path) -> Any:
    if isinstance(node, TaggedScalar):
        raise ConfigurationError(f"{path}: tags are not allowed, got {node.tag.value}")
    if isinstance(node, ScalarBoolean):
        return bool(node)
    for plain, special in ((float, ScalarFloat), (int, ScalarInt)):
        if isinstance(node, special):
            return plain(node)
    if isinstance(node, date):
        return node.isoformat()
    return str(node) if isinstance(node, str) else node


def _reachable(tree: Any, location: Sequence[int | str]) -> Location:
    """The part of a pydantic location that names keys of the tree (tags of unions are no keys)."""
    found: list[int | str] = []
    node = tree
    for step in location:
        keys: dict[Any, Any] = dict(enumerate(node)) if isinstance(node, list) else node
        if isinstance(keys, dict) and step in keys:
            node = keys[step]
            found.append(step)
    return tuple(found)


def _sentence(kind: type[BaseModel], error: ErrorDetails) -> str:
    """One problem in words, with the nearest known key where one is unknown."""
    location = error["loc"]
    key = ".".join(str(step) for step in location)
    if error["type"] == "extra_forbidden":
        inside = f" in '{'.'.join(str(step) for step in location[:-1])}'" if location[:-1] else ""
        return f"unknown key '{location[-1]}'{inside}{did_you_mean(str(location[-1]), _keys(kind, location[:-1]))}"
    if error["type"] == "missing":
        return f"key '{key}' is needed and missing"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{key}: {message}" if key else message
    got = error["input"]
    shown = f", got {got!r}" if isinstance(got, bool | int | float | str | None) else ""
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"


def _keys(kind: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Keys that may stand at `location` of a type."""
    candidates: list[Any] = [kind]
    for step in location:
        candidates = [inner for candidate in candidates for inner in _inside(candidate, step)]
    return [name for candidate in candidates if _is_model(candidate) for name in candidate.model_fields]


def _is_model(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)


def _inside(candidate: Any, step: int | str) -> list[Any]:
    """Types found by going one step of a location into a type; a union's tag keeps the variant that carries it."""
    if _is_model(candidate):
        if step in candidate.model_fields:
            return _variants(candidate.model_fields[str(step)].annotation)
        tagged = any(step in get_args(field.annotation) for field in candidate.model_fields.values())
        return [candidate] if tagged else []
    origin, arguments = get_origin(candidate), get_args(candidate)
    if origin in (dict, Mapping, tuple, list) and arguments:
        return _variants(arguments[-1] if arguments[-1] is not Ellipsis else arguments[0])
    return []


def _variants(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _variants(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for argument in get_args(annotation) for inner in _variants(argument)]
    return [] if origin is Literal else [annotation]
