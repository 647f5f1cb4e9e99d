"""YAML files: one file becomes one frozen type, and every problem names its file, line, column and key.

YAML 1.2 through ruamel.yaml: `no` stays a word, 1e-3 is a number, a key written twice is an error. Files are capped in
size and in nodes after alias expansion; tags, infinite numbers and half characters are refused.
"""

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from io import StringIO
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
DOUBT = re.compile(r"# check: (.+)")

Model = TypeVar("Model", bound=BaseModel)
Place = Callable[[Location], str]  # where the value at a location was written: `studies/a.yaml:7:3`
Mark = tuple[int, int]  # line and column of a key or of an item of a list, from 1


@dataclass(frozen=True)
class Said:
    """A value that stands in place of a file's, and where it was said: `--trials`."""

    value: Any
    where: str


@dataclass(frozen=True)
class YamlFile:
    """A parsed file: plain values, and where every key stands, in the file or where it was `said` in its place."""

    path: Path
    text: str
    tree: dict[Any, Any]
    marks: Mapping[Location, Mark]
    said: Mapping[Location, str] = field(default_factory=dict)

    def place(self, location: Sequence[int | str] = ()) -> str:
        """`studies/a.yaml:7:3` for the nearest key at or above `location`; `studies/a.yaml:1` for the whole file."""
        known = reachable(self.tree, location)
        while known and known not in self.marks and known not in self.said:
            known = known[:-1]
        if known in self.said:
            return self.said[known]
        return _at(self.path, self.marks[known]) if known else f"{self.path}:1"

    def saying(self, values: Mapping[Location, Said]) -> "YamlFile":
        """The file with other values; ConfigurationError when one would stand inside something that is no mapping."""
        tree = copy.deepcopy(self.tree)
        for location, one in values.items():
            _put(tree, location, one)
        return replace(self, tree=tree, said={**self.said, **{at: one.where for at, one in values.items()}})

    @property
    def doubts(self) -> tuple[str, ...]:
        """What somebody should look at: every comment `# check: ...`, with its place."""
        lines = enumerate(self.text.splitlines(), start=1)
        found = ((number, DOUBT.search(line)) for number, line in lines)
        return tuple(f"{_at(self.path, (number, one.start() + 1))}: {one[1]}" for number, one in found if one)

    def parse(self, kind: type[Model], values: Mapping[Any, Any] | None = None, at: Location = ()) -> Model:
        """The whole file (or `values`, found `at` a location) as `kind`; ConfigurationError holds every problem."""
        given = self.tree if values is None else values
        return validated_at(kind, given, lambda location: self.place((*at, *location)))


def _put(tree: dict[Any, Any], location: Location, said: Said) -> None:
    node = tree
    for step in location[:-1]:
        if node.get(step) is None:
            node[step] = {}
        node = node[step]
        if not isinstance(node, dict):
            raise ConfigurationError(f"{said.where}: '{step}' must be a mapping of keys, got {in_words(node)}")
    node[location[-1]] = said.value


def read_value(text: str) -> Any:
    """A value as it would stand in a file: `3`, `true`, `1e-3`, `[64, 32]`; ConfigurationError when it is not YAML."""
    try:
        tree = YAML(typ="rt", pure=True).load(f"value: {text}")
    except (YAMLError, ValueError) as error:
        raise ConfigurationError(f"'{text}' is not valid YAML: {str(error).splitlines()[0]}") from error
    return _plain(tree, (), {(): (1, 1)}, Path(text))["value"]


def written(tree: Mapping[str, Any]) -> str:
    """The text of a file that `read` gives back as `tree`, which holds plain values."""
    text = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # it is a bool or None
    yaml.dump(tree, text)
    return text.getvalue()


def read(path: Path) -> YamlFile:
    """Read a YAML mapping; ConfigurationError when it is missing, too large, not YAML or no mapping."""
    text = _text(path)
    try:
        _refuse_tags(text, path)
        tree = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1"
        said = " ".join(str(error.problem or error.context).split("\n")[0].split())
        raise ConfigurationError(f"{place}: is not valid YAML: {said}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not valid YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, CommentedMap):
        got = "nothing" if tree is None else in_words(tree)
        raise ConfigurationError(f"{path}:1: must hold a mapping of keys, got {got}")
    marks: dict[Location, Mark] = {(): (1, 1)}
    return YamlFile(path, text, _plain(tree, (), marks, path), marks)


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
            mark = event.start_mark
            raise ConfigurationError(f"{path}:{mark.line + 1}:{mark.column + 1}: tags are not allowed, got {tag}")


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


def _plain(node: Any, at: Location, marks: dict[Location, Mark], path: Path) -> Any:
    """Plain Python values of a ruamel tree; notes where every key stands on the way."""
    if len(marks) > MAX_NODES or len(at) > MAX_DEPTH:
        held = f"must hold at most {MAX_NODES:,} values, at most {MAX_DEPTH} deep"
        raise ConfigurationError(f"{_at(path, marks[at])}: {held}; are aliases nested?")
    if isinstance(node, CommentedMap):
        found = {}
        for written, value in node.items():
            line, column = node.lc.key(written) if written in (node.lc.data or {}) else (node.lc.line, node.lc.col)
            mark = (line + 1, column + 1)
            key = _scalar(written, _at(path, mark))
            marks[(*at, key)] = mark
            found[key] = _plain(value, (*at, key), marks, path)
        return found
    if isinstance(node, CommentedSeq):
        for index in range(len(node)):
            line, column = node.lc.item(index)
            marks[(*at, index)] = (line + 1, column + 1)
        return [_plain(value, (*at, index), marks, path) for index, value in enumerate(node)]
    return _scalar(node, _at(path, marks[at]))


def _at(path: Path, mark: Mark) -> str:
    return f"{path}:{mark[0]}:{mark[1]}"


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
