"""Frozen model: the base class of every value read from YAML, and the types that they share.

Every number has bounds, as a test checks: products of a few of them, in bytes too, stay within the
64 bits of a database, torch and numpy.
"""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]  # of trials, of experts, of units in a layer
Depth = Annotated[int, Field(ge=1, le=100)]  # of layers on layers
Large = Annotated[int, Field(ge=1, le=1_000_000_000)]  # of rows, of parameters
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Layers = Annotated[tuple[Count, ...], Field(max_length=100)]  # widths, one a layer
Epochs = Annotated[float, Field(gt=0, le=10_000)]
Minutes = Annotated[float, Field(le=10_000_000)]
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?) *h)? *(?:(\d+(?:\.\d+)?) *m)? *(?:(\d+(?:\.\d+)?) *s)?")


def _minutes(duration: Any) -> float:
    """Return the minutes of `2h`, `90m`, `1h 30m` or `45s`; ValueError for anything else."""
    match = _DURATION.fullmatch(duration.strip()) if isinstance(duration, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(f"must be a time like 2h, 90m, 1h 30m or 45s, got {duration!r:.40}")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 60 * hours + minutes + seconds / 60


# Minutes, written as text.
Duration = Annotated[
    Minutes, Field(gt=0), BeforeValidator(_minutes), WithJsonSchema({"type": "string"})
]
Positive = Annotated[float, Field(gt=0, le=1_000_000_000)]
ALL = "none"  # no sample: all rows
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,9})?) *%")


def _share(written: Any) -> str:
    """Return a share such as `5%` in its shortest form, `none` for all; else raise ValueError."""
    match = _SHARE.fullmatch(written.strip()) if isinstance(written, str) else None
    percent = float(match[1]) if match else 0.0
    if written == ALL or percent == 100:
        return ALL
    if not 0 < percent < 100:
        raise ValueError(
            "must be a share in per cent with its sign, above 0% and up to 100%, such as 5%, "
            f"or {ALL} for all rows, got {written!r:.40}"
        )
    return f"{percent:.9f}".rstrip("0").rstrip(".") + "%"


# A share of all, written as text.
Share = Annotated[str, BeforeValidator(_share), WithJsonSchema({"type": "string"})]
Fraction = Annotated[float, Field(gt=0, lt=1)]
# Annotations of fields that are not written if they are None, or empty.
LEFT_OUT_IF_NONE = Field(exclude_if=lambda value: value is None)
LEFT_OUT_IF_EMPTY = Field(exclude_if=lambda value: not value)


class Frozen(BaseModel):
    """A value read from YAML: immutable, and every key must be known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PluginChoice(BaseModel):
    """A plug-in by its `kind`, the name of its file; its Options type checks the other keys."""

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: Text

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `kind`, as written; the Options type of the plug-in converts them."""
        return dict(self.model_extra or {})
