"""Codec: records to JSON text and back, exactly, for every frozen dataclass and the types around it.

NaN and infinity are no JSON, so they are written as the strings "NaN" and "Infinity" and read back as numbers.
(In a free scalar, as a parameter's value is, they would stay strings; the door lets only finite parameters in.)
"""

import math
from collections.abc import Hashable
from functools import cache
from types import GenericAlias
from typing import Any

from pydantic import ConfigDict, TypeAdapter


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    # Inside a tuple, because pydantic hands its configuration on to dataclasses but not to an outermost one.
    shape: Any = GenericAlias(tuple, (kind,))
    return TypeAdapter(shape, config=ConfigDict(ser_json_inf_nan="strings"))


def to_json(kind: Hashable, value: object) -> str:
    """`value`, which is of type `kind`, as JSON; fields that have their default are left out."""
    return str(_adapter(kind).dump_json((value,), exclude_defaults=True), "utf-8")


def from_json(kind: Hashable, text: str) -> Any:
    """The value of type `kind` that `to_json` wrote."""
    return _adapter(kind).validate_json(text)[0]


def to_column(number: float) -> float | None:
    """A float as a column takes it: NaN as NULL."""
    return None if math.isnan(number) else number


def from_column(number: float | None) -> float:
    """The float that `to_column` wrote."""
    return math.nan if number is None else number
