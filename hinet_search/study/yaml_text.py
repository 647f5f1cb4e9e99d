"""YAML text: parse to plain values and the place of each key; reject anything but plain data.

The text is YAML 1.2, parsed by ruamel.yaml. Values are built here from its events, so that the time
is linear in the length of the text, depth and number of values are limited while reading, and no
tag or directive changes the meaning of a value.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError

from hinet_search.common.errors import ConfigurationError, shortened
from hinet_search.study.validation_messages import Location

MAX_NODES = 100_000
MAX_DEPTH = 50
TOO_MUCH = f"must hold at most {MAX_NODES:,} values, at most {MAX_DEPTH} deep; are aliases nested?"
SMALLEST = -(2**63)  # the range of table columns
LARGEST = 2**64 - 1

Mark = tuple[int, int]  # line and column of a key or of an item of a list, from 1
# Formats a place: `studies/a.yaml:7:3`; for None that of the whole text.
Where = Callable[[Mark | None], str]
Key = Any  # a text, a number, true or false; a value may also be null


@dataclass(frozen=True)
class Scalar:
    """A value that is no collection."""

    value: Key


@dataclass
class Items:
    """A list: its items with their marks."""

    items: list[tuple[Mark, "Node"]] = field(default_factory=list)


@dataclass
class Entries:
    """A mapping: its values with the marks of their keys."""

    entries: dict[Key, tuple[Mark, "Node"]] = field(default_factory=dict)


Node = Scalar | Items | Entries


def parsed(text: str, where: Where) -> tuple[Any, dict[Location, Mark]]:
    """Parse a text; return its value (None if it is empty) and the mark of every key.

    ConfigurationError if the text is rejected.
    """
    try:
        node = _Builder(text, where).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = where((mark.line + 1, mark.column + 1) if mark else None)
        problem = " ".join(str(error.problem or error.context).split("\n")[0].split())
        raise ConfigurationError(f"{place}: is not valid YAML: {shortened(problem)}") from error
    except ReaderError as error:
        before = text[: error.position]
        place = where((before.count("\n") + 1, len(before) - before.rfind("\n")))
        raise ConfigurationError(
            f"{place}: is not valid YAML: {str(error).splitlines()[0]}"
        ) from error
    except (YAMLError, ValueError) as error:
        raise ConfigurationError(
            f"{where(None)}: is not valid YAML: {str(error).splitlines()[0]}"
        ) from error
    return plain_values(node, where)


def plain_values(node: "Node", where: Where) -> tuple[Any, dict[Location, Mark]]:
    """Return the value of a node with aliases expanded, and the mark of every key.

    ConfigurationError if it holds too much.
    """
    marks: dict[Location, Mark] = {(): (1, 1)}
    return _plain(node, (), marks, where), marks


class _Builder:
    """Build the nodes of a text from the parser's events."""

    def __init__(self, text: str, where: Where) -> None:
        yaml = YAML(typ="safe", pure=True)
        self._events: Iterator[Event] = iter(yaml.parse(text))
        # Not the resolver of the parser, which would follow directives of later documents.
        self._resolver = YAML(typ="safe", pure=True).resolver
        self._where = where
        self._anchors: dict[str, Node | None] = {}  # None while the node is being built
        self._count = 0

    def document(self) -> Node:
        """Build the only document of the text."""
        node: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if event.version not in (None, (1, 2)) or event.tags:
                    got = "%TAG" if event.tags else f"%YAML {'.'.join(map(str, event.version))}"
                    raise self._refused(
                        (1, 1), f"files are in YAML 1.2, without directives; leave {got} out"
                    )
                if node is not None:
                    raise self._invalid(event, "another document begins, a file holds one")
            elif isinstance(event, NodeEvent):
                node = self._node(event, _mark(event), depth=0)
        return Scalar(None) if node is None else node

    def _node(self, event: Event, mark: Mark, depth: int) -> Node:
        """Build the node that begins with an event; errors of a scalar name `mark`, of its key."""
        if isinstance(event, AliasEvent):
            return self._alias(event)
        assert isinstance(event, ScalarEvent | CollectionStartEvent)
        if event.tag is not None:
            raise self._refused(_mark(event), f"tags are not allowed, got {shortened(event.tag)}")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node: Node
        if isinstance(event, ScalarEvent):
            node = Scalar(self._scalar(event, mark))
        elif isinstance(event, MappingStartEvent):
            node = self._mapping(depth)
        else:
            node = self._list(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent) -> Node:
        if event.anchor not in self._anchors:
            raise self._invalid(event, f"found undefined alias {shortened(repr(event.anchor))}")
        node = self._anchors[event.anchor]
        if node is None:
            raise self._invalid(
                event, f"alias {shortened(repr(event.anchor))} refers to a value that contains it"
            )
        return node

    def _until(self, end: type[Event]) -> Iterator[Event]:
        """Yield the events up to the end of a collection."""
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _list(self, depth: int) -> Items:
        built = Items()
        for event in self._until(SequenceEndEvent):
            mark = _mark(event)
            self._count_one(mark, depth + 1)
            built.items.append((mark, self._node(event, mark, depth + 1)))
        return built

    def _mapping(self, depth: int) -> Entries:
        built = Entries()
        merged = Entries()
        is_merged = False
        for event in self._until(MappingEndEvent):
            mark = _mark(event)
            if (
                isinstance(event, ScalarEvent)
                and event.value == "<<"
                and event.implicit[0]
                and event.tag is None
            ):
                if is_merged:
                    raise self._invalid(event, "key '<<' is written twice")
                is_merged = True
                self._merge(merged, next(self._events), depth)
                continue
            key = self._key(event)
            if key in built.entries:
                line = built.entries[key][0][0]
                raise self._invalid(
                    event, f"key {shortened(repr(key))} is written twice, first on line {line}"
                )
            self._count_one(mark, depth + 1)
            built.entries[key] = mark, self._node(next(self._events), mark, depth + 1)
        for key, entry in merged.entries.items():
            built.entries.setdefault(key, entry)
        return built

    def _key(self, event: Event) -> Key:
        mark = _mark(event)
        node = self._alias(event) if isinstance(event, AliasEvent) else None
        if node is None and isinstance(event, ScalarEvent):
            node = self._node(event, mark, depth=0)
        if not isinstance(node, Scalar):
            is_mapping = isinstance(node, Entries) or isinstance(event, MappingStartEvent)
            kind = "mapping" if is_mapping else "list"
            raise self._refused(mark, f"a key must be a text, got a {kind}")
        if node.value is None:
            raise self._refused(mark, "a key must be a text, got null; write it before the colon")
        if isinstance(node.value, float):
            raise self._refused(
                mark, f"a key must be a text, got the number {node.value!r}; write it in quotes"
            )
        return node.value

    def _merge(self, into: Entries, event: Event, depth: int) -> None:
        """Add the entries of the mappings after `<<`; the first mapping with a key wins."""
        node = self._node(event, _mark(event), depth + 1)
        mappings = [item for _, item in node.items] if isinstance(node, Items) else [node]
        for mapping in mappings:
            if not isinstance(mapping, Entries):
                raise self._invalid(event, "'<<' must name a mapping or a list of mappings")
            for key, entry in mapping.entries.items():
                self._count_one(_mark(event), depth)
                into.entries.setdefault(key, entry)

    def _scalar(self, event: ScalarEvent, mark: Mark) -> Key:
        full_tag = str(self._resolver.resolve(ScalarNode, event.value, event.implicit))
        tag = full_tag.rpartition(":")[2]
        read = _SCALARS.get(tag, str)
        try:
            value = read(event.value)
        except ValueError as error:
            is_date = tag == "timestamp"
            reason = f"is not valid YAML: {error}" if is_date else _too_large(event.value)
            raise self._refused(mark, reason) from error
        problem = _problem(value, event.value)
        if problem:
            raise self._refused(mark, problem)
        return value

    def _count_one(self, mark: Mark, depth: int) -> None:
        self._count += 1
        if self._count > MAX_NODES or depth > MAX_DEPTH:
            raise self._refused(mark, TOO_MUCH)

    def _refused(self, mark: Mark, problem: str) -> ConfigurationError:
        return ConfigurationError(f"{self._where(mark)}: {problem}")

    def _invalid(self, event: Event, problem: str) -> ConfigurationError:
        return self._refused(_mark(event), f"is not valid YAML: {problem}")


def _mark(event: Event) -> Mark:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    return int(digits, 0 if digits.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else 10)


def _date(text: str) -> str:
    """Convert a date, or a date and time, to ISO format."""
    from ruamel.yaml.constructor import RoundTripConstructor

    moment = RoundTripConstructor().construct_yaml_timestamp(ScalarNode(None, text))
    iso_text: str = moment.isoformat()
    return iso_text


_SCALARS: dict[str, Callable[[str], Key]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": lambda text: float(
        text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan")
    ),
    "timestamp": _date,
}


def _too_large(text: str) -> str:
    return f"whole numbers must fit into 64 bits, got {shortened(text)}"


def _problem(value: Key, text: str) -> str:
    """Say why a scalar is not allowed in a file; empty if it is allowed."""
    if isinstance(value, float) and not isfinite(value):
        return f"numbers must be finite, got {value}"
    if isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        return _too_large(text)
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return f"text must hold whole characters, got {shortened(repr(value))}"
    return ""


def _plain(node: Node, at: Location, marks: dict[Location, Mark], where: Where) -> Any:
    """Return the plain values of a node with aliases expanded; add the mark of every key."""
    if len(marks) > MAX_NODES or len(at) > MAX_DEPTH:
        raise ConfigurationError(f"{where(marks[at])}: {TOO_MUCH}")
    if isinstance(node, Scalar):
        return node.value
    entries = dict(enumerate(node.items)) if isinstance(node, Items) else node.entries
    values = {}
    for key, (mark, inner) in entries.items():
        location = (*at, key)
        marks[location] = mark
        values[key] = _plain(inner, location, marks, where)
    return list(values.values()) if isinstance(node, Items) else values
