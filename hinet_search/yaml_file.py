"""YAML files: one file becomes one frozen type, and every problem names its file, line and key.

YAML 1.2 through ruamel.yaml: `no` stays a word, 1e-3 is a number, a key written twice is an error. Files are capped in
size and in nodes after alias expansion; tags, infinite numbers and half characters are refused.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarint import ScalarInt

from hinet_search.errors import ConfigurationError
from hinet_search.wording import Location, in_words, problems_in_words, reachable

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 50

Model = TypeVar("Model", bound=BaseModel)
Place = Callable[[Location], str]  # where the value at a location was written: `studies/a.yaml:7`


@dataclass(frozen=True)
class YamlFile:
    """A parsed file: plain values, and the line of every key."""

    path: Path
    text: str
    tree: dict[Any, Any]
    lines: Mapping[Location, int]

    def place(self, location: Sequence[int | str] = ()) -> str:
        """`studies/a.yaml:7` for the nearest key at or above `location`."""
        known = reachable(self.tree, location)
        while known and known not in self.lines:
            known = known[:-1]
        return f"{self.path}:{self.lines.get(known, 1)}"

    def parse(self, kind: type[Model], values: Mapping[Any, Any] | None = None, at: Location = ()) -> Model:
        """The whole file (or `values`, found `at` a location) as `kind`; ConfigurationError holds every problem."""
        given = self.tree if values is None else values
        return validated_at(kind, given, lambda location: self.place((*at, *location)))


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
        got = "nothing" if tree is None else in_words(tree)
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
    return validated_at(kind, values, lambda _: where)


def validated_at(kind: type[Model], values: Mapping[Any, Any], place: Place) -> Model:
    """`values` as `kind`; each ConfigurationError line begins with the place of the location it is about."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        found = problems_in_words(kind, values, error.errors())
        raise ConfigurationError(*dict.fromkeys(f"{place(location)}: {text}" for location, text in found)) from error


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
    refusal = _refusal(node)
    if refusal:
        raise ConfigurationError(f"{place}: {refusal}")
    if isinstance(node, date):
        return node.isoformat()
    for plain, special in ((bool, ScalarBoolean), (int, ScalarInt), (float, float), (str, str)):
        if isinstance(node, special):
            return plain(node)
    return node


def _refusal(node: Any) -> str:
    """Why a scalar may not stand in a file; empty when it may."""
    if isinstance(node, float) and not math.isfinite(node):
        return f"numbers must be finite, got {float(node)}"
    if isinstance(node, str) and any("\ud800" <= letter <= "\udfff" for letter in node):
        return f"text must hold whole characters, got {str(node)!r}"
    if not isinstance(node, str | bool | int | float | date | None):
        return f"must be a text, a number, true, false or null, got {in_words(node)}"
    return ""
