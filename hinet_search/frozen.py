"""Frozen: the base of every value read from YAML, and the small types that many of them share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Frozen(BaseModel):
    """A value read from YAML: immutable, and every key must be known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
