"""Log places: find the rows of some keys in the state of a log, without reading all of it.

Values are found by a hash in a sorted array. Two values of one hash would be found together, which
changes nothing: what is found is compared by value when it is counted.

Shape legend: P places in a table, sorted by hash.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.added_up import Keys, values_of_key
from hinet_search.data.derived.countable_labels import key_columns

Places = NDArray[np.intp]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class FoundPlaces:
    """Places of some keys: in the recent rows, in the table of every key, and in the visits."""

    recent: Places
    older: Mapping[Keys, Places]
    visits: Places


@dataclass(frozen=True)
class _Index:
    """The hashes of a table's rows in ascending order, and the place of each."""

    hash_P: Hashes
    place_P: Places

    def places(self, hashes: Hashes) -> Places:
        """The places of rows with one of these hashes."""
        first = np.searchsorted(self.hash_P, hashes, side="left")
        end = np.searchsorted(self.hash_P, hashes, side="right")
        parts = [self.place_P[start:stop] for start, stop in zip(first, end, strict=True)]
        return np.concatenate([np.zeros(0, dtype=np.intp), *parts])


@dataclass(frozen=True)
class LogPlaces:
    """Indices of the recent rows by every key, of the table of every key of events, and of visits.

    The visits are of the values of the key `user`.
    """

    recent: Mapping[Keys, _Index]
    older: Mapping[Keys, _Index]
    visits: _Index | None
    user: Keys

    def of(self, frame: pl.DataFrame) -> FoundPlaces:
        """Where the keys of some rows are."""
        hashes = {
            key: np.unique(_hashes(values_of_key(frame, key).drop_nulls())) for key in self.recent
        }
        recent = [index.places(hashes[key]) for key, index in self.recent.items()]
        nothing = np.zeros(0, dtype=np.intp)
        return FoundPlaces(
            recent=np.unique(np.concatenate(recent)),
            older={key: index.places(hashes[key]) for key, index in self.older.items()},
            visits=nothing if self.visits is None else self.visits.places(hashes[self.user]),
        )


def places_of(
    recent: pl.DataFrame,
    older: Mapping[Keys, pl.DataFrame],
    visits: pl.DataFrame | None,
    user: Keys,
) -> LogPlaces:
    """The places of the parts of a state: tables of keys, and the visits of users."""
    keys = dict.fromkeys(older if visits is None else (*older, user))
    return LogPlaces(
        recent={key: _index(values_of_key(recent, key)) for key in keys},
        older={key: _index(table.select(key_columns(key))) for key, table in older.items()},
        visits=None if visits is None else _index(visits.select(key_columns(user))),
        user=user,
    )


def _index(values: pl.DataFrame) -> _Index:
    hashes = _hashes(values)
    order = np.argsort(hashes, kind="stable")
    return _Index(hashes[order], order)


def _hashes(values: pl.DataFrame) -> Hashes:
    return values.hash_rows().to_numpy()
