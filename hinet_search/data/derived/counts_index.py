"""Counts index: which row of the tables of label counts few or many rows may count, looked up.

A table has a row for every key and day on which the key has a counted label. What a row may count
is that of its key's last such day up to the last day that it may count. All keys and rows are
looked up at once.

Shape legend: K keys, R rows that ask, V values of all keys, N rows of all tables, Q quantities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from hinet_search.data.derived.countable_labels import key_columns
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.key_hashes import (
    Hashes,
    column_hashes,
    found,
    hashes_of_key,
    key_hashes,
)
from hinet_search.data.lists import NONE

Quantities = Mapping[str, Integers]


@dataclass(frozen=True)
class CountsIndex:
    """The tables of keys by hash.

    `hash_V` ascend, and `code_V` has the number of each. `sorted_N` ascends and holds the number of
    a value above a day from 1, `row_N` is the row of its table. `columns` has the quantities of
    every key.
    """

    keys: tuple[tuple[str, ...], ...]
    hash_V: Hashes
    code_V: Integers
    bits: int
    sorted_N: Integers
    row_N: Integers
    columns: tuple[Quantities, ...]

    def of_keys(self, frame: pl.DataFrame, last_R: Integers) -> Quantities:
        """What every row may count of every key up to its last day (K, R), 0 where nothing is.

        `last_R` are numbers of days, -1 for a row that counts nothing.
        """
        row_KR = self._rows(key_hashes(frame, self.keys), last_R)
        names = self.columns[0]
        number_QKR = np.empty((len(names), *row_KR.shape), dtype=np.int64)
        for key, (columns, row_R) in enumerate(zip(self.columns, row_KR, strict=True)):
            for quantity, name in enumerate(names):
                number_QKR[quantity, key] = _values(columns[name], row_R)
        return dict(zip(names, number_QKR, strict=True))

    def of_key(self, key: tuple[str, ...], frame: pl.DataFrame, last_R: Integers) -> Quantities:
        """What every row may count of one key (R,)."""
        number = self.keys.index(key)
        hash_R = hashes_of_key([column_hashes(frame[name]) for name in key], number)
        (row_R,) = self._rows(hash_R[np.newaxis], last_R)
        return {name: _values(values, row_R) for name, values in self.columns[number].items()}

    def _rows(self, hash_KR: Hashes, last_R: Integers) -> Integers:
        """The row in the table of every key that is counted (K, R), NONE if there is none."""
        if not self.sorted_N.size:
            return np.full(hash_KR.shape, NONE)
        place_KR = found(self.hash_V, hash_KR.ravel()).reshape(hash_KR.shape)
        code_KR = self.code_V[place_KR]
        after_KR = (code_KR << self.bits) + last_R + 1
        position_KR = np.searchsorted(self.sorted_N, after_KR, side="right") - 1
        is_of_key_KR = (self.sorted_N[position_KR] >> self.bits == code_KR) & (position_KR != NONE)
        return np.where(is_of_key_KR & (place_KR != NONE), self.row_N[position_KR], NONE)


def _values(values_N: Integers, row_R: Integers) -> Integers:
    """The values of rows of a table, 0 for NONE."""
    if not values_N.size:
        return np.zeros(row_R.size, dtype=np.int64)
    return np.where(row_R == NONE, 0, values_N[row_R])


def counts_index(
    of_keys: Mapping[tuple[str, ...], pl.DataFrame],
    day: str,
    num_days: int,
    quantities: Sequence[str],
) -> CountsIndex:
    """The index of tables with the columns of a key, the number of a day, and quantities.

    No table has a key and day twice.
    """
    keys = tuple(of_keys)
    bits = (num_days + 1).bit_length()
    hashes = []
    sorted_parts = []
    row_parts = []
    num_values = 0
    for number, table in enumerate(of_keys.values()):
        columns = [column_hashes(table[name]) for name in key_columns(keys[number])]
        of_key, code_N = np.unique(hashes_of_key(columns, number), return_inverse=True)
        numbers_N = ((code_N + num_values) << bits) + table[day].to_numpy() + 1
        order_N = np.argsort(numbers_N)
        hashes.append(of_key)
        sorted_parts.append(numbers_N[order_N])
        row_parts.append(order_N)
        num_values += of_key.size
    hash_V = np.concatenate(hashes)
    code_V = np.argsort(hash_V)
    return CountsIndex(
        keys=keys,
        hash_V=hash_V[code_V],
        code_V=code_V,
        bits=bits,
        sorted_N=np.concatenate(sorted_parts),
        row_N=np.concatenate(row_parts),
        columns=tuple(
            {name: table[name].rechunk().to_numpy() for name in quantities}
            for table in of_keys.values()
        ),
    )
