"""Agreement: how many entries of a row's list have the value that the row has.

Values are compared as codes, places in a table of distinct values; NONE agrees with nothing.
Shape legend: R rows, D distinct lists, E entries of all distinct lists, V distinct values, P pairs of list and code.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.encode import known_values
from hinet_search.data.lists import DistinctLists

NONE = -1


def distinct_values(values: pl.Series) -> pl.Series:
    """The values that occur (V,), in order."""
    return known_values(values).drop_nulls().unique().sort()


def codes_of(values: pl.Series, distinct_V: pl.Series) -> NDArray[np.int64]:
    """The place of each value in `distinct_V`; NONE where it is missing or not there."""
    return replaced(values, distinct_V, pl.Series(np.arange(len(distinct_V), dtype=np.int64)))


def replaced(values: pl.Series, old_V: pl.Series, code_V: pl.Series) -> NDArray[np.int64]:
    """The code that stands beside each value; NONE where it is missing or not there."""
    alike = known_values(values.cast(old_V.dtype, strict=False))
    return alike.replace_strict(old_V, code_V, default=NONE, return_dtype=pl.Int64).to_numpy()


def agreeing(
    lists: DistinctLists, code_E: NDArray[np.int64], list_R: NDArray[np.int64], code_R: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many entries of each row's list have the row's code (R,)."""
    num_codes = 1 + max(code_E.max(initial=0), code_R.max(initial=0))
    known_E = code_E != NONE
    pair_P, count_P = np.unique(lists.list_of_entry[known_E] * num_codes + code_E[known_E], return_counts=True)
    if pair_P.size == 0:
        return np.zeros(code_R.size, dtype=np.int64)
    wanted_R = list_R * num_codes + code_R
    place_R = np.searchsorted(pair_P, wanted_R).clip(max=pair_P.size - 1)
    return np.where((pair_P[place_R] == wanted_R) & (code_R != NONE), count_P[place_R], 0)


def lists_of_users(user: pl.Series, list_: pl.Series) -> NDArray[np.int64]:
    """One list number of every user, that of the user's last row."""
    rows = pl.DataFrame({"user": known_values(user), "list": list_}).drop_nulls()
    return rows.unique("user", keep="last", maintain_order=True)["list"].to_numpy().astype(np.int64)
