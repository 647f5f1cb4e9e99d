"""Sequence definition: the earlier rows of a key as a history that a model reads row by row."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, LEFT_OUT_IF_NONE, Frozen, Text
from hinet_search.study.event_definition import NEVER, Span

SequenceReader = Literal["mean", "din", "bst"]
GAP = "gap"  # how long ago a row of a sequence was
MAX_LENGTH = 1000


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
