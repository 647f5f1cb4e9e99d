"""Hashing: numbers from rows and ids that are the same in every version of every library.

Shape legend: R rows.
"""

import hashlib
from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.raw_values import as_text, known_values, refuse_undecodable

KEY_STEP = 0x9E3779B97F4A7C15  # of SplitMix64
MISSING = np.uint64(0x6D697373696E6721)  # key of a missing value


def mix_bits(keys_R: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Mix every key with the seed by splitmix64 (Steele, Lea and Flood, 2014).

    Every bit of the result depends on all bits of the key.
    """
    start = _text_key(f"seed {seed}")
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is the point
        return mixed(keys_R * np.uint64(KEY_STEP) + np.uint64(start))


def mixed(number_R: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers of which every bit depends on every bit of those that are given, one to one."""
    number_R = (number_R ^ (number_R >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number_R = (number_R ^ (number_R >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number_R ^ (number_R >> np.uint64(31))


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
    return _keys_of_texts(texts.unique())(texts)


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
    known = _keys_of_texts(distinct)
    return lambda block: known(as_keyed(values[block]).cast(pl.String))


def keys_of_values(values: pl.Series) -> Callable[[slice], NDArray[np.uint64]]:
    """The function that returns a key for every value of a block, MISSING for null and NaN.

    A value has the same key in every type that holds it.
    """
    keys = keys_of_blocks(values, _comparable)

    def of_block(block: slice) -> NDArray[np.uint64]:
        return np.where(known_values(values[block]).is_null().to_numpy(), MISSING, keys(block))

    return of_block


def _comparable(values: pl.Series) -> pl.Series:
    """Whole numbers, or else texts, in place of values; a missing one is 0 or empty."""
    if values.dtype.is_temporal() and values.dtype not in (pl.Time, pl.Duration):
        values = values.cast(pl.Datetime("us")).to_physical()
    if values.dtype.is_integer():
        return values.fill_null(0)
    return as_text(known_values(values)).fill_null("")


def _keys_of_texts(distinct: pl.Series) -> Callable[[pl.Series], NDArray[np.uint64]]:
    """The function that returns the key of every text (R,), given the distinct texts."""
    keys = pl.Series([_text_key(text) for text in distinct], dtype=pl.UInt64)
    return lambda texts: texts.replace_strict(distinct, keys, return_dtype=pl.UInt64).to_numpy()


def _text_key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
