"""YAML files: parse a file into a frozen type; every problem names file, line, column and key.

YAML 1.2: `no` is a word, 1e-3 is a number, a duplicate key is an error. Files have a maximum size;
anything but plain data is rejected (`yaml_text.py`).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from hinet_search.common.errors import ConfigurationError
from hinet_search.study.validation_messages import Location, in_words, problems_in_words, reachable
from hinet_search.study.yaml_text import Mark, Where, parsed

MAX_BYTES = 1_000_000
CHECK_COMMENT = "# check: "

Model = TypeVar("Model", bound=BaseModel)
Place = Callable[[Location], str]  # location -> place of its value: `studies/a.yaml:7:3`
Parser = Callable[[str, Where], tuple[Any, dict[Location, Mark]]]


@dataclass(frozen=True)
class Override:
    """A value that overrides one of a file, with its source: `--trials`."""

    value: Any
    where: str


@dataclass(frozen=True)
class YamlFile:
    """A parsed file: plain values and the place of every key.

    `sources` holds the sources of overridden values.
    """

    path: Path
    text: str
    tree: dict[Any, Any]
    marks: Mapping[Location, Mark]
    sources: Mapping[Location, str] = field(default_factory=dict)

    def place(self, location: Sequence[int | str] = ()) -> str:
        """Return the place of the nearest key at or above `location`: `studies/a.yaml:7:3`.

        The place of the whole file is `studies/a.yaml:1`.
        """
        known = reachable(self.tree, location)
        while known and known not in self.marks and known not in self.sources:
            known = known[:-1]
        if known in self.sources:
            return self.sources[known]
        return _at(self.path, self.marks[known]) if known else f"{self.path}:1"

    def with_overrides(self, values: Mapping[Location, Override]) -> "YamlFile":
        """Return the file with some values overridden.

        ConfigurationError if a value is to be placed inside something that is no mapping.
        """
        tree = copy.deepcopy(self.tree)
        for location, override in values.items():
            _put(tree, location, override)
        sources = {location: override.where for location, override in values.items()}
        return replace(self, tree=tree, sources={**self.sources, **sources})

    @property
    def guesses_to_check(self) -> tuple[str, ...]:
        """Guesses to check: every comment `# check: ...`, with its place and what it is about."""
        comments = []
        for number, line in enumerate(self.text.splitlines(), start=1):
            about, _, guess = line.partition(CHECK_COMMENT)
            if guess:
                place = _at(self.path, (number, len(about) + 1))
                about = about.strip().removeprefix("- ")
                comments.append(": ".join(filter(None, (place, about, guess))))
        return tuple(comments)

    def parse(self, kind: type[Model], values: Mapping[Any, Any] | None = None) -> Model:
        """Validate the file, or other `values`, as `kind`; ConfigurationError has every problem."""
        return validated_at(kind, self.tree if values is None else values, self.place)


def _put(tree: dict[Any, Any], location: Location, override: Override) -> None:
    """Set a value in the tree, with new mappings on the way if needed."""
    node = tree
    for step in location[:-1]:
        if node.get(step) is None:
            node[step] = {}
        node = node[step]
        if not isinstance(node, dict):
            raise ConfigurationError(
                f"{override.where}: '{step}' must be a mapping of keys, got {in_words(node)}"
            )
    node[location[-1]] = override.value


def read_value(text: str, where: str) -> Any:
    """Parse a value as in a file: `3`, `true`, `[64, 32]`.

    ConfigurationError (with `where`) if a file must not hold it.
    """
    value, _ = parsed(text, lambda _: where)
    return value


def written(tree: Mapping[str, Any]) -> str:
    """Format a tree of plain values as the text of a file; `read` returns the same tree."""
    text = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # it is a bool or None
    yaml.dump(tree, text)
    return text.getvalue()


def read(path: Path, parse: Parser = parsed) -> YamlFile:
    """Read a YAML mapping, or one in the format of another parser.

    ConfigurationError if the file is missing, too large, not YAML or no mapping.
    """
    return _parsed_file(path, _text(path), parse)


@lru_cache(maxsize=64)  # a command reads a study and its spaces several times
def _parsed_file(path: Path, text: str, parse: Parser) -> YamlFile:
    tree, marks = parse(text, lambda mark: _at(path, mark) if mark else str(path))
    if not isinstance(tree, dict):
        got = "nothing" if tree is None else in_words(tree)
        raise ConfigurationError(f"{path}:1: must hold a mapping of keys, got {got}")
    return YamlFile(path, text, tree, marks)


def _text(path: Path) -> str:
    """Return the text of a file; read at most one byte more than the maximum size."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigurationError(
                f"{path}: must be at most {MAX_BYTES:,} bytes, got {path.stat().st_size:,}"
            )
        return raw.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}:{line}: must be text in UTF-8: {error.reason}") from error


def validated(kind: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """Validate `values` as `kind`; lines of ConfigurationError begin with `where`."""
    return validated_at(kind, values, lambda _: where)


def validated_at(kind: type[Model], values: Mapping[Any, Any], place: Place) -> Model:
    """Validate `values` as `kind`; each line of ConfigurationError begins with a place."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = problems_in_words(kind, values, error.errors())
        raise ConfigurationError(
            *dict.fromkeys(f"{place(location)}: {text}" for location, text in problems)
        ) from error


def _at(path: Path, mark: Mark) -> str:
    return f"{path}:{mark[0]}:{mark[1]}"
