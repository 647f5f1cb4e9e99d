"""Found: what the configuration of another library says, whichever it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hinet_search.common.errors import ConfigurationError, shortened
from hinet_search.data.peers.rules import Carried, Unread
from hinet_search.study.distributions import Value
from hinet_search.study.yaml_file import Place

SPLITS = ("train", "valid", "test")

Kind = Literal["categorical", "numeric", "list"]


@dataclass(frozen=True)
class FoundInput:
    """An input column; `item`, `length` and `separator` are of lists."""

    column: str
    kind: Kind
    item: str = ""
    length: int | None = None
    separator: str = ""


@dataclass(frozen=True)
class FoundRows:
    """Where the rows of each split are, and the folders that relative paths may start from.

    `problem` says why they cannot be read as they are; empty if they can.
    """

    paths: Mapping[str, str]
    folders: tuple[Path, ...]
    problem: str = ""


@dataclass(frozen=True)
class FoundConfiguration:
    """What a configuration says. `name` is that of its data, `tasks` maps names to columns.

    `their_model` is the model by their name, `model` is ours, empty where we have none. `carried`
    has the settings of model and training, `train.passes` and `seed` among them; `defaults` are
    those of the library's training, where it says nothing. `hashed` has
    the number of buckets of categorical inputs and crosses.
    """

    library: str
    name: str
    rows: FoundRows
    tasks: Mapping[str, str]
    inputs: tuple[FoundInput, ...]
    their_model: str
    model: str
    carried: Carried
    defaults: Mapping[str, Value]
    unread: tuple[Unread, ...] = ()
    crosses: tuple[tuple[str, str], ...] = ()
    hashed: Mapping[str, int] = field(default_factory=dict)
    user: str = ""
    scenario: str = ""
    weight: str = ""

    @property
    def all_unread(self) -> tuple[Unread, ...]:
        """Everything that is not carried over."""
        return (*self.unread, *self.carried.unread)


def each(value: Any) -> list[Any]:
    """Return the items of a list; a value alone is the only item, null is none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def mappings(value: Any, place: str, what: str) -> list[dict[str, Any]]:
    """Return a list of mappings, or the only one; ConfigurationError for anything else."""
    items = each(value)
    for item in items:
        if not isinstance(item, dict):
            raise ConfigurationError(
                f"{place}: {what} must be a mapping or a list of mappings, "
                f"got {shortened(repr(item))}"
            )
    return items


def text_at(mapping: Mapping[str, Any], key: str, place: Place) -> str:
    """Return the text of a key, empty if it is not there; ConfigurationError if it is no text."""
    value = mapping.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{place((key,))}: {key} must be a text, got {shortened(repr(value))}"
        )
    return value
