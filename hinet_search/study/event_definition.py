"""Event definition: inputs that the log itself knows before each row, and lengths of time.

events    per key (a user, a video, a user in a tab): earlier rows, their label rates and last
          labels, and the time since the last of them
session   the row's place in the visit of its user
sequence  the earlier rows of a key as a history that a model reads row by row
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from hinet_search.common.errors import shortened
from hinet_search.common.frozen_model import (
    LEFT_OUT_IF_EMPTY,
    LEFT_OUT_IF_NONE,
    Frozen,
    Positive,
    Text,
)

TimeUnit = Literal["s", "ms", "us", "ns"]
NANOSECONDS: dict[str, int] = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3_600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 7 * 86_400 * 10**9,
}
MOST_NANOSECONDS = 100 * 366 * NANOSECONDS["d"]  # two of them fit into 64 bits
NEVER: Literal["never"] = "never"
ALL: Literal["all"] = "all"
_FORM = re.compile(r"(\d{1,20})(ms|[smhdw])", re.ASCII)
_EXAMPLES = "500ms, 90s, 30m, 1h, 2d or 1w"
SequenceReader = Literal["mean", "din", "bst"]
GAP = "gap"  # how long ago a row of a sequence was
MAX_LENGTH = 1000


@dataclass(frozen=True)
class TimeSpan:
    """A length of time: a whole number of a unit; a day `d` is 24 hours."""

    number: int
    unit: str

    def __str__(self) -> str:
        """Return it as in YAML: `30m`."""
        return f"{self.number}{self.unit}"

    @property
    def nanoseconds(self) -> int:
        """Its length in nanoseconds."""
        return self.number * NANOSECONDS[self.unit]

    def whole(self, unit: TimeUnit) -> int | None:
        """Its length in a unit; None if that is no whole number."""
        number, rest = divmod(self.nanoseconds, NANOSECONDS[unit])
        return None if rest else number


def _time_span(value: Any, others: tuple[str, ...] = ()) -> TimeSpan | str:
    """Return the length of time that a text such as `30m` stands for, or one of the other words."""
    if isinstance(value, TimeSpan):
        return value
    if isinstance(value, str) and value in others:
        return value
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        or_others = "".join(f", or {other}" for other in others)
        raise ValueError(
            f"must be a whole number and a unit, such as {_EXAMPLES}{or_others}; "
            f"got {shortened(repr(value))}"
        )
    span = TimeSpan(int(match[1]), match[2])
    if span.nanoseconds > MOST_NANOSECONDS:
        raise ValueError(f"must be at most 100 years, got {value}")
    return span


def _positive(value: TimeSpan | str) -> TimeSpan | str:
    if isinstance(value, TimeSpan) and not value.number:
        raise ValueError(f"must be longer than nothing, got {value}")
    return value


_AS_TEXT = (PlainSerializer(str), WithJsonSchema({"type": "string"}))
# A length of time, written as text. It may be 0.
Span = Annotated[TimeSpan, BeforeValidator(_time_span), *_AS_TEXT]
Delay = Annotated[
    TimeSpan | Literal["never"], BeforeValidator(partial(_time_span, others=(NEVER,))), *_AS_TEXT
]
Window = Annotated[
    TimeSpan | Literal["all"],
    BeforeValidator(partial(_time_span, others=(ALL,))),
    AfterValidator(_positive),
    *_AS_TEXT,
]
Gap = Annotated[TimeSpan, BeforeValidator(_time_span), AfterValidator(_positive), *_AS_TEXT]


class KeyedDefinition(Frozen):
    """Inputs of keys, each one column or several together; `kind` is what they are called."""

    kind: ClassVar[str]

    by: Annotated[tuple[Text | tuple[Text, ...], ...], Field(min_length=1, max_length=100)]

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Every key as a tuple of columns."""
        return tuple((key,) if isinstance(key, str) else key for key in self.by)

    @model_validator(mode="after")
    def _distinct_keys(self) -> "KeyedDefinition":
        repeated = {key_name(key) for key in self.keys if self.keys.count(key) > 1}
        repeated |= {key_name(key) for key in self.keys if len(set(key)) < len(key)}
        if repeated or () in self.keys:
            raise ValueError(
                f"{self.kind} need every key once, of different columns: "
                f"{', '.join(sorted(repeated)) or 'one is empty'}"
            )
        return self


def key_name(key: tuple[str, ...]) -> str:
    """Return the display name of a key: `user_id`, `user_id x tab`."""
    return " x ".join(key)


class SessionDefinition(Frozen):
    """The row's place in the visit of its user, which ends after more than `gap` without a row.

    The inputs are the number of the visit's earlier rows and the seconds since its first row.
    """

    gap: Gap


class EventsDefinition(KeyedDefinition):
    """What earlier rows of the log say of a row, per key and up to its moment.

    A key is one column or several together. Within each of `windows`, lengths of time such as 1h
    or `all`, a row counts the earlier rows of its key, and of those whose label was known by then
    the smoothed label rates. `labels_after` is how long after its row a label is known; `never`
    uses no label. `last` is the number of newest known labels that are inputs themselves.
    With a `half_life` there are also rates in which a label counts half after each. `smoothing` is
    the number of rows at the mean rate that are added to every key.
    """

    kind: ClassVar[str] = "events"

    labels_after: Delay
    windows: Annotated[tuple[Window, ...], Field(min_length=1, max_length=20)] = (ALL,)
    last: Annotated[int, Field(ge=0, le=10)] = 0
    half_life: Annotated[Gap | None, LEFT_OUT_IF_NONE] = None
    smoothing: Positive = 5.0

    @model_validator(mode="before")
    @classmethod
    def _says_when_labels_are_known(cls, keys: Any) -> Any:
        if isinstance(keys, dict) and keys.get("labels_after") is None:
            raise ValueError(
                "labels_after must say how long after its row a label is known, such as 1h, or 0s "
                "if at once; write never to use no labels"
            )
        return keys

    @model_validator(mode="after")
    def _distinct_windows(self) -> "EventsDefinition":
        lengths = {getattr(window, "nanoseconds", None) for window in self.windows}
        if len(lengths) < len(self.windows):
            raise ValueError(
                "events need every window once, got two of the same length among "
                f"{', '.join(map(str, self.windows))}"
            )
        return self

    @model_validator(mode="after")
    def _labels_for_the_last(self) -> "EventsDefinition":
        if self.labels_after != NEVER:
            return self
        for key, value in {"last": self.last, "half_life": self.half_life}.items():
            if value:
                raise ValueError(
                    f"{key} must be left out where labels_after is never, got {value}: no label "
                    f"is known; say when labels are known, or remove '{key}'"
                )
        return self


class SequenceDefinition(Frozen):
    """The last `length` rows of the log before a row with the same key, newest first.

    The key `of` is one column or several together. Of every such row the model sees the ids of
    `items`, categorical features of the data, how long ago it was, and of each task in `labels`
    whether its label was 1, 0 or not known by then: `labels_after` is how long after its row a
    label is known. `reader` turns them into inputs: `mean` of the rows, `din` (attention of the
    row's own items) or `bst` (a transformer block).
    """

    of: Text | tuple[Text, ...]
    items: Annotated[tuple[Text, ...], Field(min_length=1, max_length=20)]
    labels: Annotated[tuple[Text, ...], LEFT_OUT_IF_EMPTY] = ()
    length: Annotated[int, Field(ge=1, le=MAX_LENGTH)] = 50
    labels_after: Annotated[Span | None, LEFT_OUT_IF_NONE] = None
    reader: SequenceReader = "din"

    @property
    def key(self) -> tuple[str, ...]:
        """The key as a tuple of columns."""
        return (self.of,) if isinstance(self.of, str) else self.of

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the key and of the items, each once."""
        return tuple(dict.fromkeys([*self.key, *self.items]))

    def part_names(self, name: str) -> tuple[str, ...]:
        """The names of what a model sees of every row: its items, its labels, and the gap."""
        return tuple(f"{name} {part}" for part in (*self.items, *self.labels, GAP))

    @model_validator(mode="before")
    @classmethod
    def _says_when_labels_are_known(cls, keys: Any) -> Any:
        if not isinstance(keys, dict):
            return keys
        after = keys.get("labels_after")
        if keys.get("labels") and after is None:
            raise ValueError(
                "labels_after must say how long after its row a label is known, such as 1h, or 0s "
                "if at once; or remove 'labels'"
            )
        if after == NEVER:
            raise ValueError(
                "labels_after must be a length of time, got never: no label would be known; remove "
                "'labels' and 'labels_after'"
            )
        if after is not None and not keys.get("labels"):
            raise ValueError(
                f"labels_after must come with 'labels', got {after} without any; name tasks under "
                "'labels', or remove it"
            )
        return keys

    @model_validator(mode="after")
    def _distinct(self) -> "SequenceDefinition":
        if not self.key or len(set(self.key)) < len(self.key):
            raise ValueError(
                f"of must name one column or several different ones, got {list(self.key)}"
            )
        parts = [*self.items, *self.labels, GAP]
        repeated = sorted({name for name in parts if parts.count(name) > 1})
        if repeated:
            raise ValueError(
                f"items and labels must be named once, none of them '{GAP}', got twice: "
                f"{', '.join(repeated)}"
            )
        return self
