"""Key hashes: a hash of 64 bits for every value of a key, by which few rows find what is known.

Two keys of a million have the same hash in one of 37 million indices. The seed is drawn when the
program starts, as Python draws that of texts, so that no stranger can choose ids of one hash.

Shape legend: R rows, K keys, V distinct values, Q rows that ask.
"""

import secrets
from collections.abc import Sequence
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.hashing import KEY_STEP, mixed
from hinet_search.data.lists import NONE
from hinet_search.data.raw_values import known_values

_SEED = np.uint64(secrets.randbits(63))
MISSING = np.uint64(0)

WHOLE = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
MOMENTS = (pl.Date, pl.Datetime)
_AS_WHOLE = frozenset((*WHOLE, *MOMENTS, pl.Boolean))

Hashes = NDArray[np.uint64]


def column_hashes(values: pl.Series) -> Hashes:
    """The hash of every value (R,), MISSING where it is null or NaN."""
    known = known_values(values)
    if not known.has_nulls():
        return np.maximum(_hashes(known), np.uint64(1))
    hash_R = np.zeros(len(known), dtype=np.uint64)
    is_known = known.is_not_null()
    hash_R[is_known.to_numpy()] = column_hashes(known.filter(is_known))
    return hash_R


def _hashes(values: pl.Series) -> Hashes:
    """The hash of every value, of which none is missing.

    Those of numbers, times and texts do without threads of Polars: to wake one up on a busy machine
    takes longer than to look a row up.
    """
    dtype = values.dtype
    if dtype.base_type() in _AS_WHOLE:  # to compare with each would take longer than the hashes
        whole: Hashes = values.to_numpy().astype(np.int64).view(np.uint64)
        return mixed(whole ^ _SEED)
    if dtype.is_float():
        bits = (values.to_numpy().astype(np.float64) + 0.0).view(np.uint64)  # -0 is 0
        return mixed(bits ^ _SEED)
    if dtype == pl.String:
        of_texts = np.fromiter(map(hash, values.to_list()), dtype=np.int64, count=len(values))
        return mixed(of_texts.view(np.uint64) ^ _SEED)
    return values.to_frame().hash_rows(int(_SEED)).to_numpy()


def key_hashes(frame: pl.DataFrame, keys: Sequence[Sequence[str]]) -> Hashes:
    """The hash of every key of every row (K, R), MISSING where a column of it has no value.

    Hashes of two keys differ, also if their columns have the same values.
    """
    names = set(chain.from_iterable(keys))
    of_columns = {name: column_hashes(frame[name]) for name in names}
    hash_KR = np.empty((len(keys), len(frame)), dtype=np.uint64)
    for number, key in enumerate(keys):
        hash_KR[number] = hashes_of_key([of_columns[name] for name in key], number)
    return hash_KR


def hashes_of_key(columns: Sequence[Hashes], number: int) -> Hashes:
    """The hash of the key with this number (R,), from those of its columns."""
    hash_R = np.full(columns[0].shape, (number + 1) * KEY_STEP % 2**64, dtype=np.uint64)
    is_known_R = np.ones(hash_R.shape, dtype=np.bool_)
    for column_R in columns:
        hash_R = mixed(hash_R ^ column_R)
        is_known_R &= column_R != MISSING
    return np.where(is_known_R, np.maximum(hash_R, np.uint64(1)), MISSING)


def found(hash_V: Hashes, hash_Q: Hashes, nowhere: int = NONE) -> NDArray[np.int64]:
    """The position of each hash among others in ascending order, `nowhere` if it is not there."""
    if not hash_V.size:
        return np.full(hash_Q.size, nowhere)
    position_Q = np.searchsorted(hash_V, hash_Q)
    is_there_Q = hash_V[np.minimum(position_Q, hash_V.size - 1)] == hash_Q
    return np.where(is_there_Q & (hash_Q != MISSING), position_Q, nowhere)
