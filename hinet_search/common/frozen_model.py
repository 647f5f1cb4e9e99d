"""Frozen model: the base class of every value read from YAML, and the types that they share.

Every number has bounds, as a test checks: products of a few of them, in bytes too, stay within the
64 bits of a database, torch and numpy.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]  # of trials, of experts, of units in a layer
Depth = Annotated[int, Field(ge=1, le=100)]  # of layers on layers
Large = Annotated[int, Field(ge=1, le=1_000_000_000)]  # of rows, of parameters
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Layers = Annotated[tuple[Count, ...], Field(max_length=100)]  # widths, one a layer
Passes = Annotated[float, Field(gt=0, le=10_000)]
Minutes = Annotated[float, Field(le=10_000_000)]
Positive = Annotated[float, Field(gt=0, le=1_000_000_000)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Frozen(BaseModel):
    """A value read from YAML: immutable, and every key must be known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
