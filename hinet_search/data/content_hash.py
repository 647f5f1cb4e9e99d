"""Content hash: a hash of rows that does not depend on how they are divided or compressed.

Every column has a hash of its own, of names, types, missing values and values in order. A list or
a struct is hashed as its sizes and the columns inside it, a category as its text.
Shape legend: R rows.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl


@dataclass
class ContentHash:
    """The hash of the rows that were added so far; frames must have the same columns."""

    num_rows: int = 0
    _columns: dict[str, Any] = field(default_factory=dict)  # two hashes by name and type

    def add(self, frame: pl.DataFrame) -> None:
        """Add the rows of a frame after those before."""
        self.num_rows += len(frame)
        for values in frame.get_columns():
            self._add(values.name, values)

    def _add(self, name: str, values: pl.Series) -> None:
        if isinstance(values.dtype, pl.Categorical | pl.Enum):
            values = values.cast(pl.String)  # codes differ from frame to frame
        of_sizes, of_values = self._columns.setdefault(
            f"{name}\n{_type_of(values.dtype)}", (hashlib.blake2b(), hashlib.blake2b())
        )
        if isinstance(values.dtype, pl.Array):
            values = values.arr.to_list()
        if isinstance(values.dtype, pl.List):
            of_sizes.update(_sizes(values.list.len()))
            self._add(f"{name}\n[]", values.filter(values.list.len() > 0).explode())
        elif isinstance(values.dtype, pl.Struct):
            of_sizes.update(values.is_null().to_numpy().tobytes())
            for key in values.struct.fields:
                self._add(f"{name}\n{key}", values.struct.field(key))
        elif isinstance(values.dtype, pl.Null) or _has_fixed_width(values.dtype):
            of_sizes.update(values.is_null().to_numpy().tobytes())
            of_values.update(_bytes_of(values))
        else:
            texts = _as_texts(values)
            of_sizes.update(_sizes(texts.str.len_bytes()))
            of_values.update(texts.str.join("").item().encode())

    def digest(self) -> str:
        """32 hexadecimal digits."""
        whole = hashlib.blake2b(str(self.num_rows).encode(), digest_size=16)
        for name, (of_sizes, of_values) in self._columns.items():
            whole.update(name.encode() + of_sizes.digest() + of_values.digest())
        return whole.hexdigest()


def _type_of(dtype: pl.DataType) -> str:
    """The name of a type, without those inside it, which columns of their own have."""
    if isinstance(dtype, pl.Array):
        return f"Array({dtype.size})"
    return str(dtype.base_type()) if dtype.is_nested() else str(dtype)


def _has_fixed_width(dtype: pl.DataType) -> bool:
    is_number = (
        dtype.is_numeric() and not dtype.is_decimal() and dtype not in (pl.Int128, pl.UInt128)
    )
    return is_number or dtype.is_temporal() or isinstance(dtype, pl.Boolean)


def _sizes(lengths_R: pl.Series) -> bytes:
    """Lengths, -1 where the value is missing."""
    return np.ascontiguousarray(lengths_R.cast(pl.Int64).fill_null(-1).to_numpy()).tobytes()


def _bytes_of(values: pl.Series) -> bytes:
    """The values, zeros where they are missing."""
    if isinstance(values.dtype, pl.Null):
        return b""
    zero = False if isinstance(values.dtype, pl.Boolean) else 0
    return np.ascontiguousarray(values.to_physical().fill_null(zero).to_numpy()).tobytes()


def _as_texts(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.Binary):
        return values.bin.encode("hex")
    return values.cast(pl.String)  # of decimals too
