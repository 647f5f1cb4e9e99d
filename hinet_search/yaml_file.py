"""YAML files: one file becomes one frozen type, and every problem names its file, line and key.

YAML 1.2 through ruamel.yaml: `no` stays a word, 1e-3 is a number, a key written twice is an error. Files are capped in
size and in nodes after alias expansion; tags, infinite numbers and half characters are refused.
"""

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarfloat import ScalarFloat
from ruamel.yaml.scalarint import ScalarInt

from hinet_search.errors import ConfigurationError, did_you_mean

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 50

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
        given = self.tree if values is None else values
        try:
            return kind.model_validate(given)
        except ValidationError as error:
            found = _problems(kind, given, error.errors())
            raise ConfigurationError(
                *_distinct([f"{self.place((*at, *where))}: {text}" for where, text in found])
            ) from error


def read(path: Path) -> YamlFile:
    """Read a YAML mapping; ConfigurationError when it is missing, too large, not YAML or no mapping."""
    text = _text(path)
    try:
        _refuse_tags(text, path)
        tree = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = " ".join(str(error.problem or error.context).split("\n")[0].split())
        raise ConfigurationError(f"{path}:{line}: is not valid YAML: {said}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, CommentedMap):
        got = "nothing" if tree is None else _kind(tree)
        raise ConfigurationError(f"{path}:1: must hold a mapping of keys, got {got}")
    lines: dict[Location, int] = {(): 1}
    return YamlFile(path, text, _plain(tree, (), lines, path), lines)


def _text(path: Path) -> str:
    """What the file says; no more of it is read than a file may hold."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigurationError(f"{path}: must be at most {MAX_BYTES:,} bytes, got {path.stat().st_size:,}")
        return raw.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}:{line}: must be text in UTF-8: {error.reason}") from error


def _refuse_tags(text: str, path: Path) -> None:
    """A tag says how to construct a value. None is needed, and some parsers run code for it."""
    if "!" not in text:
        return
    for event in YAML(typ="rt", pure=True).parse(text):
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise ConfigurationError(f"{path}:{event.start_mark.line + 1}: tags are not allowed, got {tag}")


def validated(kind: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """`values` as `kind`; ConfigurationError lines begin with `where`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        found = _problems(kind, values, error.errors())
        raise ConfigurationError(*_distinct([f"{where}: {text}" for _, text in found])) from error


def _distinct(lines: list[str]) -> list[str]:
    return list(dict.fromkeys(lines))


def _plain(node: Any, at: Location, lines: dict[Location, int], path: Path) -> Any:
    """Plain Python values of a ruamel tree; notes the line of every key on the way."""
    if len(lines) > MAX_NODES or len(at) > MAX_DEPTH:
        held = f"must hold at most {MAX_NODES:,} values, at most {MAX_DEPTH} deep"
        raise ConfigurationError(f"{path}:{lines[at]}: {held}; are aliases nested?")
    if isinstance(node, CommentedMap):
        found = {}
        for written, value in node.items():
            line = node.lc.key(written)[0] if written in (node.lc.data or {}) else node.lc.line
            key = _scalar(written, f"{path}:{line + 1}")
            lines[(*at, key)] = line + 1
            found[key] = _plain(value, (*at, key), lines, path)
        return found
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            lines[(*at, index)] = node.lc.item(index)[0] + 1
        return [_plain(value, (*at, index), lines, path) for index, value in enumerate(node)]
    return _scalar(node, f"{path}:{lines[at]}")


def _scalar(node: Any, place: str) -> Any:
    """A plain value; dates are text."""
    if isinstance(node, date):
        return node.isoformat()
    if isinstance(node, ScalarBoolean):
        return bool(node)
    if isinstance(node, ScalarInt):
        return int(node)
    if isinstance(node, float):
        if not math.isfinite(node):
            raise ConfigurationError(f"{place}: numbers must be finite, got {float(node)}")
        return float(node)
    if isinstance(node, str):
        if any("\ud800" <= letter <= "\udfff" for letter in node):
            raise ConfigurationError(f"{place}: text must hold whole characters, got {str(node)!r}")
        return str(node)
    if isinstance(node, bool | int | None):
        return node
    raise ConfigurationError(f"{place}: must be a text, a number, true, false or null, got {_kind(node)}")


def _kind(value: Any) -> str:
    """What a value is, in the words of YAML."""
    if isinstance(value, bool | int | float | str | None):
        return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    kind = "mapping" if isinstance(value, Mapping) else "list"
    return f"a {kind}" if value else f"an empty {kind}"


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


def _problems(
    kind: type[BaseModel], values: Mapping[Any, Any], errors: Sequence[ErrorDetails]
) -> list[tuple[Location, str]]:
    """Location and words of each problem; a value that fits no member of a union is one problem, not one per member."""
    by_value: dict[Location, list[ErrorDetails]] = {}
    for error in errors:
        by_value.setdefault(_before_member(values, error), []).append(error)
    found: list[tuple[Location, str]] = []
    for at, same in by_value.items():
        deeper: list[ErrorDetails] = [
            {**one, "loc": (*at, *one["loc"][len(at) + 1 :])} for one in same if len(one["loc"]) > len(at) + 1
        ]
        if deeper:  # it is of that member's kind, and wrong inside
            found += _problems(kind, values, deeper)
        elif len(same) > 1:
            must = [_must(one) for one in same]
            found.append(
                (at, f"{_dotted(at)}: must {', '.join(must[:-1])} or {must[-1]}, got {_kind(same[0]['input'])}")
            )
        else:
            found.append((same[0]["loc"], _sentence(kind, same[0])))
    return found


def _before_member(values: Mapping[Any, Any], error: ErrorDetails) -> Location:
    """An error's location up to where it names a member of a union: `fixed.x` of `fixed.x.tuple[int, ...].0`."""
    location = error["loc"]
    if error["type"] == "missing":
        return location
    for index, step in enumerate(location):
        reached = _reachable(values, location[: index + 1])
        is_key = reached[-1:] == (step,) and len(reached) > len(_reachable(values, location[:index]))
        if not is_key and ("[" in str(step) or index == len(location) - 1):
            return location[:index]
    return location


def _dotted(location: Location) -> str:
    return ".".join(str(step) for step in location)


def _sentence(kind: type[BaseModel], error: ErrorDetails) -> str:
    """One problem in words, with the nearest known key where one is unknown."""
    location = error["loc"]
    key, parent = _dotted(location), _dotted(location[:-1])
    if error["type"] == "extra_forbidden":
        inside = f" in '{parent}'" if parent else ""
        return f"unknown key '{location[-1]}'{inside}{did_you_mean(str(location[-1]), _keys(kind, location[:-1]))}"
    if error["type"] == "missing":
        return f"key '{key}' is needed and missing"
    if error["type"] == "union_tag_not_found":
        return f"key '{key}.{_discriminator(error)}' is needed and missing"
    if error["type"] == "union_tag_invalid":
        known = [tag.strip("' ") for tag in error["ctx"]["expected_tags"].split(",")]
        got = str(error["ctx"]["tag"])
        return (
            f"{key}.{_discriminator(error)}: must be one of {', '.join(known)}, got '{got}'{did_you_mean(got, known)}"
        )
    if error["type"] == "value_error":
        message = error["msg"].removeprefix("Value error, ")
        return message if not key or message.startswith(str(location[-1])) else f"{key}: {message}"
    return f"{key}: must {_must(error)}, got {_kind(error['input'])}"


def _discriminator(error: ErrorDetails) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def _must(error: ErrorDetails) -> str:
    """What must hold, to be read after `must`."""
    kind = error["type"].removesuffix("_parsing").removesuffix("_type").removesuffix("_from_float")
    return _MUST.get(kind) or error["msg"].removeprefix("Input should ")


_MUST = {
    "tuple": "be a list",
    "dict": "be a mapping of keys",
    "model": "be a mapping of keys",
    "model_attributes": "be a mapping of keys",
    "string": "be a text",
    "bool": "be true or false",
    "int": "be an integer",
    "float": "be a number",
    "string_too_short": "have at least one character",
    "too_short": "have at least one value",
}


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
