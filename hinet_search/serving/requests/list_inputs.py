"""List inputs: the slots of the pooled lists of a request, by look-up.

The slots are those of `data.lists.encode_list`, which works on the distinct lists of a table.
Shape legend: R rows, S slots of all lists.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.serving.requests.json_values import Value

Ids = Mapping[Value, int]


@dataclass(frozen=True)
class ListInput:
    """A pooled list: its column, the ids of its entries, and its number of slots.

    A column of texts has a `separator`, and `parse` reads an entry, None for one of another type.
    Entries that are not within `limits` do not fit the type, and have no place in a list.
    """

    column: str
    ids: Ids
    length: int
    separator: str | None
    parse: Callable[[str], Value]
    limits: tuple[int, int] | None

    def slots(self, values: Sequence[Value]) -> NDArray[np.int32]:
        """Return the slots (R, `length`) of every row's list; equal ones are read once."""
        slots_RS = np.zeros((len(values), self.length), dtype=np.int32)
        number_of: dict[Value, int] = {}
        for row, value in enumerate(values):
            key = tuple(value) if isinstance(value, list) else value
            first = number_of.setdefault(key, row)
            if first == row:
                entries = self._entries(value)[: self.length]
                ids = [self.ids.get(entry, 0) for entry in entries]
                known = [id_ for id_ in ids if id_]
                slots_RS[row, : len(known)] = known
            else:
                slots_RS[row] = slots_RS[first]
        return slots_RS

    def _entries(self, value: Value) -> Sequence[Value]:
        """The entries of a list or text, without missing ones and those that do not fit."""
        if isinstance(value, str):
            texts = (text.strip() for text in value.split(self.separator))
            entries: Sequence[Value] = [self.parse(text) for text in texts if text]
        elif isinstance(value, list):
            entries = value
        else:
            entries = ()
        known = [entry for entry in entries if entry is not None]
        if self.limits is None:
            return known
        low, high = self.limits
        return [entry for entry in known if low <= entry <= high]


def has_entries_of(
    values: Sequence[Value], separator: str | None, limits: tuple[int, int] | None
) -> NDArray[np.bool_]:
    """Whether every row's list has an entry (R,), also one that is no value of its type."""
    low, high = limits or (0, 0)

    def has_entries(value: Value) -> bool:
        if isinstance(value, str):
            return any(text.strip() for text in value.split(separator))
        entries = value if isinstance(value, list) else ()
        if limits is None:
            return any(entry is not None for entry in entries)
        return any(entry is not None and low <= entry <= high for entry in entries)

    return np.array([has_entries(value) for value in values], dtype=np.bool_)


def all_slots(
    lists: Sequence[ListInput], columns: Mapping[str, Sequence[Value]], num_rows: int
) -> NDArray[np.int32]:
    """Return the slots (R, S) of all lists side by side."""
    empty_R0 = np.zeros((num_rows, 0), dtype=np.int32)
    return np.concatenate([empty_R0, *(each.slots(columns[each.column]) for each in lists)], axis=1)
