"""Rules: what becomes of each key of another library's configuration; none is dropped silently.

A configuration is taken as entries, one for each value. By the rule of its key, an entry becomes a
setting of ours, means what we do anyway, is read elsewhere, or is named with the reason why it is
not carried over. So is one whose key has no rule.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hinet_search.common.errors import ConfigurationError, shortened
from hinet_search.study.distributions import Value
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import YamlFile

UNKNOWN = "is not a key that is known here"
DIFFERS = "differs from the value before it, which is taken for all"
MOST_UNITS = 1_000_000
# Reasons that keys of several libraries have.
TYPES = "types follow from the values"
VOCABULARY = "ids are numbered by training frequency, and rare ones by features.minimum_frequency"
RUNNING = "is about how their trainer runs"
JUDGED = "trials are compared by the study's objective, and the report has its own metrics"
SCHEDULE = "learning rates are constant"
RELU = "hidden layers have ReLU"
NORMALISED = "hidden layers are not normalised"
GATES = "gates are linear, without hidden layers"

Plain = Any  # a text, number, true, false or null, or a tuple of them
# Converts a value; None if there is no such setting here, ValueError says what must hold.
Reader = Callable[[Plain], Value]


@dataclass(frozen=True)
class Entry:
    """A value: its key, dotted and without positions in lists, and its place in the file."""

    key: str
    value: Plain
    place: str

    @property
    def top_key(self) -> str:
        """The first part of the key."""
        return self.key.partition(".")[0]


@dataclass(frozen=True)
class Unread:
    """A key that is not carried over, and why; `values` are those that it has, in order."""

    key: str
    why: str
    values: tuple[Plain, ...] = ()

    @property
    def in_words(self) -> str:
        """The key, its first value and how many others it has, and the reason."""
        values = list(dict.fromkeys(map(_in_words, self.values)))
        num_others = len(values) - 1
        plural = "" if num_others == 1 else "s"
        others = f" and {num_others:,} other value{plural}" if num_others > 0 else ""
        got = f" ({shortened(values[0])}{others})" if values and values != [""] else ""
        return f"{shortened(self.key)}{got}: {self.why}"


@dataclass(frozen=True)
class Rule:
    """What becomes of a key: `setting` is one of ours, `same` are values that mean what we do."""

    why: str = UNKNOWN
    setting: str = ""
    reader: Reader = lambda _: None
    same: tuple[Plain, ...] = ()
    is_read_elsewhere: bool = False

    def agrees_with(self, value: Plain) -> bool:
        """Whether nothing is lost if the value becomes no setting."""
        if self.is_read_elsewhere:
            return True
        values = value if isinstance(value, tuple) and value else (value,)
        known = [str(each).lower() for each in self.same]
        return all(str(each).lower() in known for each in values)


READ = Rule(is_read_elsewhere=True)


def to(setting: str, reader: Reader, why: str = UNKNOWN) -> Rule:
    """Carry a value over to a setting; `why` is for values that the reader finds no setting for."""
    return Rule(why, setting, reader)


def checked(reader: Reader) -> Rule:
    """Check a value that is read elsewhere."""

    def check(value: Plain) -> None:
        reader(value)

    return Rule(reader=check, is_read_elsewhere=True)


def same(*values: Plain, why: str) -> Rule:
    """Say that these values mean what we do anyway, and why others are not carried over."""
    return Rule(why, same=values)


def left(why: str) -> Rule:
    """Say why a key is not carried over."""
    return Rule(why)


@dataclass(frozen=True)
class Carried:
    """What became of entries: settings by name, the key that each came from, and what is unread."""

    settings: Mapping[str, Value] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()

    def adding(self, settings: Mapping[str, Value], key: str = "") -> "Carried":
        """Return it with settings that come from a key, or without one from what the model is."""
        keys = dict.fromkeys(settings, key) if key else {}
        return Carried({**self.settings, **settings}, {**self.keys, **keys}, self.unread)


def carry_over(
    entries: Iterable[Entry], rules: Mapping[str, Rule], unknown: str = UNKNOWN
) -> Carried:
    """Apply the rules; ConfigurationError for a value that is none of its key.

    `unknown` is why a key without a rule is not carried over.
    """
    settings: dict[str, Value] = {}
    keys: dict[str, str] = {}
    unread: dict[tuple[str, str], list[Plain]] = {}  # values by key and reason
    for entry in entries:
        rule = _rule_of(rules, entry, unknown)
        value = _read(rule, entry)
        if value is None:
            if not rule.agrees_with(entry.value):
                unread.setdefault((entry.key, rule.why), []).append(entry.value)
        elif settings.setdefault(rule.setting, value) == value:
            keys.setdefault(rule.setting, entry.key)
        else:
            unread.setdefault((entry.key, DIFFERS), []).append(entry.value)
    named = tuple(Unread(*of, tuple(values)) for of, values in unread.items())
    return Carried(settings, keys, named)


def entries_of(file: YamlFile, at: Location = ()) -> tuple[Entry, ...]:
    """Return the entries of the mapping at a location of a file."""
    value: Any = file.tree
    for step in at:
        value = value[step]
    return tuple(_entries(file, value, at, ""))


def _entries(file: YamlFile, value: Any, at: Location, key: str) -> Iterator[Entry]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _entries(file, inner, (*at, name), f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for index, inner in enumerate(value):
            yield from _entries(file, inner, (*at, index), key)
    else:
        yield Entry(key, _plain(value), file.place(at))


def _plain(value: Any) -> Plain:
    """Return a scalar, a list of scalars as a tuple, and a mapping without keys as null."""
    if isinstance(value, list):
        return tuple(value)
    return None if value == {} else value


def _rule_of(rules: Mapping[str, Rule], entry: Entry, unknown: str) -> Rule:
    """Return the rule of a key; keys within one that is not carried over have its reason."""
    key = entry.key
    while key not in rules and "." in key:
        key = key.rpartition(".")[0]
    rule = rules.get(key, Rule(unknown))
    if key == entry.key:
        return rule
    if rule.setting or rule.is_read_elsewhere:
        raise ConfigurationError(
            f"{entry.place}: {shortened(key)} must be a value without keys of its own, "
            f"got {shortened(entry.key)}"
        )
    return Rule(rule.why)


def _read(rule: Rule, entry: Entry) -> Value:
    try:
        return rule.reader(entry.value)
    except ValueError as error:
        got = shortened(repr(entry.value))
        raise ConfigurationError(f"{entry.place}: {entry.key} {error}, got {got}") from error


def _in_words(value: Plain) -> str:
    """Return a value, or the values of a list; nothing for null or an empty message."""
    if value is None:
        return ""
    values = value if isinstance(value, tuple) else (value,)
    return ", ".join(str(each) for each in values) or "empty"


def count(value: Plain) -> int:
    """Read a whole number from 1."""
    if type(value) is not int or not 1 <= value <= MOST_UNITS:
        raise ValueError(f"must be a whole number from 1 to {MOST_UNITS:,}")
    return value


def patience(value: Plain) -> int:
    """Read a whole number from 0."""
    return 0 if type(value) is int and value == 0 else count(value)


def seed(value: Plain) -> int:
    """Read a seed."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("must be a whole number from 0, below 2^63")
    return value


def positive(value: Plain) -> float:
    """Read a number above 0, such as a learning rate."""
    if type(value) not in (int, float) or not 0 < value <= 1e4:
        raise ValueError("must be a number above 0, at most 10,000")
    return float(value)


def strength(value: Plain) -> float:
    """Read the strength of a penalty."""
    if type(value) not in (int, float) or not 0 <= value <= 1e3:
        raise ValueError("must be a number from 0 to 1,000")
    return float(value)


def squared(value: Plain) -> float | None:
    """Read the strength of a penalty of squares, a number or `l2(number)`; None for others."""
    if value is None:
        return 0.0
    if not isinstance(value, str):
        return strength(value)
    if not (value.startswith("l2(") and value.endswith(")")):
        return None
    try:
        return strength(float(value[len("l2(") : -1]))
    except ValueError as error:
        raise ValueError("must be a number from 0 to 1,000, or l2(number)") from error


def dropout(value: Plain) -> float | None:
    """Read a share below 1; None for shares that differ by layer."""
    shares = value if isinstance(value, tuple) else (value,)
    if any(type(share) not in (int, float) or not 0 <= share < 1 for share in shares):
        raise ValueError("must be a share from 0, below 1")
    return float(shares[0]) if len(set(shares)) == 1 else None


def widths(value: Plain) -> tuple[int, ...]:
    """Read the widths of layers."""
    return tuple(count(width) for width in (value if isinstance(value, tuple) else (value,)))


def some_widths(value: Plain) -> tuple[int, ...] | None:
    """Read the widths of layers; None for none, where we need one."""
    return widths(value) or None


def zero(value: Plain) -> float | None:
    """Read 0, or nothing; None for any other number."""
    return 0.0 if value in (0, None) else None


def switch(value: Plain) -> bool:
    """Read true or false."""
    if type(value) is not bool:
        raise ValueError("must be true or false")
    return value
