"""Key codes: a whole number for every distinct value of a key of several columns.

Shape legend: R rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.lists import NONE, codes_of, distinct_values
from hinet_search.data.rows import Rows

CODE_BITS = 62


@dataclass(frozen=True)
class ColumnCodes:
    """The codes of a column from 0, NONE where it has no value, and how many values there are."""

    code_R: NDArray[np.int64]
    num_values: int


def column_codes(rows: Rows, columns: Sequence[str]) -> Mapping[str, ColumnCodes]:
    """The codes of columns, each once."""
    codes = {}
    for name in dict.fromkeys(columns):
        values = rows.frame[name]
        distinct = distinct_values(values)
        code_R = rows.mapped(codes_of(values[block], distinct) for block in rows.blocks())
        codes[name] = ColumnCodes(code_R, len(distinct))
    return codes


def key_codes(
    rows: Rows, key: Sequence[str], columns: Mapping[str, ColumnCodes] | None = None
) -> NDArray[np.int64]:
    """A code for every combination of values of a key (R,), NONE where a column has no value.

    A code and the number of a row together fit into CODE_BITS. `columns` are the codes of its
    columns, where they are known.
    """
    if columns is None:
        columns = column_codes(rows, key)
    codes = columns[key[0]]
    for name in key[1:]:
        if codes.num_values * columns[name].num_values >= 1 << CODE_BITS:
            codes = _renumbered(codes)
        codes = _combined(rows, codes, columns[name])
    if codes.num_values << rows.num_rows.bit_length() >= 1 << CODE_BITS:
        codes = _renumbered(codes)
    return codes.code_R


def _combined(rows: Rows, left: ColumnCodes, right: ColumnCodes) -> ColumnCodes:
    def combined(block: slice) -> NDArray[np.int64]:
        left_B = left.code_R[block]
        right_B = right.code_R[block]
        is_known_B = (left_B != NONE) & (right_B != NONE)
        return np.where(is_known_B, left_B * right.num_values + right_B, NONE)

    code_R = rows.mapped(map(combined, rows.blocks()))
    return ColumnCodes(code_R, left.num_values * right.num_values)


def _renumbered(codes: ColumnCodes) -> ColumnCodes:
    """Number only the codes that occur."""
    values, code_R = np.unique(codes.code_R, return_inverse=True)
    num_none = int(values[0] == NONE)  # the least, if it is there
    return ColumnCodes(code_R - num_none, len(values) - num_none)
