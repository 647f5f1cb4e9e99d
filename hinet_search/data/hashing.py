"""Hashing: numbers from rows and ids that are the same in every version of every library.

Shape legend: R rows.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.raw_values import refuse_undecodable


def mix_bits(keys_R: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Mix every key with the seed by splitmix64 (Steele, Lea and Flood, 2014).

    Every bit of the result depends on all bits of the key.
    """
    start = _text_key(f"seed {seed}")
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is the point
        z_R = keys_R * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
        z_R = (z_R ^ (z_R >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z_R = (z_R ^ (z_R >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z_R ^ (z_R >> np.uint64(31))


def uniform(keys_R: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """A number in [0, 1) for every key, from its hash with the seed."""
    return (mix_bits(keys_R, seed) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def keys_of(values: pl.Series) -> NDArray[np.uint64]:
    """A 64-bit key for every value; values must not be null.

    A number has the same key in every integer type that holds it.
    """
    if values.dtype.is_integer():
        return values.cast(pl.UInt64, wrap_numerical=True).to_numpy()  # modulo 2^64
    texts = values.cast(pl.String)
    return _TextKeys.of(texts.unique()).keys(texts)


def keys_of_blocks(
    values: pl.Series, as_keyed: Callable[[pl.Series], pl.Series]
) -> Callable[[slice], NDArray[np.uint64]]:
    """The function that returns `keys_of` what `as_keyed` makes of a block of values.

    `as_keyed` returns whole numbers or texts, value by value. A text in many blocks is hashed once.
    DataError for bytes that are no UTF-8.
    """
    refuse_undecodable(values)
    dtype = as_keyed(values.clear()).dtype
    if dtype.is_integer():
        return lambda block: keys_of(as_keyed(values[block]))
    keyed = pl.first().map_batches(as_keyed, return_dtype=dtype, is_elementwise=True)
    texts = values.to_frame().lazy().select(keyed.cast(pl.String))
    distinct = texts.unique().collect(engine="streaming").to_series()
    known = _TextKeys.of(distinct)
    return lambda block: known.keys(as_keyed(values[block]).cast(pl.String))


@dataclass(frozen=True)
class _TextKeys:
    """Distinct texts and their keys."""

    texts: pl.Series
    keys_of_texts: pl.Series

    @staticmethod
    def of(texts: pl.Series) -> "_TextKeys":
        keys = [_text_key(text) for text in texts]
        return _TextKeys(texts, pl.Series(keys, dtype=pl.UInt64))

    def keys(self, texts: pl.Series) -> NDArray[np.uint64]:
        """The key of every text (R,)."""
        keys = texts.replace_strict(self.texts, self.keys_of_texts, return_dtype=pl.UInt64)
        return keys.to_numpy()


def _text_key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
