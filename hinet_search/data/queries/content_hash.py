"""Content hash: a hash of rows that does not depend on how they are divided or compressed.

Every column has a hash of its own, of names, types, missing values and values in order.
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
            name = f"{values.name}\n{values.dtype}"
            of_sizes, of_values = self._columns.setdefault(
                name, (hashlib.blake2b(), hashlib.blake2b())
            )
            if isinstance(values.dtype, pl.Null) or _has_fixed_width(values.dtype):
                of_sizes.update(values.is_null().to_numpy().tobytes())
                of_values.update(_bytes_of(values))
            else:
                texts = _as_texts(values)
                sizes_R = texts.str.len_bytes().cast(pl.Int64).fill_null(-1).to_numpy()
                of_sizes.update(np.ascontiguousarray(sizes_R).tobytes())
                of_values.update(texts.str.join("").item().encode())

    def digest(self) -> str:
        """32 hexadecimal digits."""
        whole = hashlib.blake2b(str(self.num_rows).encode(), digest_size=16)
        for name, (of_sizes, of_values) in self._columns.items():
            whole.update(name.encode() + of_sizes.digest() + of_values.digest())
        return whole.hexdigest()


def _has_fixed_width(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype.is_temporal() or isinstance(dtype, pl.Boolean)


def _bytes_of(values: pl.Series) -> bytes:
    """The values, zeros where they are missing."""
    if isinstance(values.dtype, pl.Null):
        return b""
    zero = False if isinstance(values.dtype, pl.Boolean) else 0
    return np.ascontiguousarray(values.to_physical().fill_null(zero).to_numpy()).tobytes()


def _as_texts(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.Binary):
        return values.bin.encode("hex")
    if values.dtype.is_nested():
        name = values.name
        return pl.DataFrame(values).select(pl.struct(name).struct.json_encode()).to_series()
    return values
