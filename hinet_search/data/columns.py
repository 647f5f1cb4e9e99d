"""Columns: encoded data on disk, memory-mapped by every slot of a machine.

A folder holds one .npy file per array and split, and `dataset.json` with names and sizes, written last.
Shape legend: R rows of a split, F categorical fields, N numeric inputs, S slots of all lists, T tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinet_search.features import ALL, Pooling, chosen_groups
from hinet_search.records import DataRecord
from hinet_search.schema import ListField, Schema

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Columns:
    """One split; it equals itself alone.

    Ids are in order of training frequency, 0 = unknown; user_R is -1 where a row has no user.

    `lists_RS` holds ids of the lists' item fields, list after list; an empty slot and an unknown id are 0.
    """

    ids_RF: NDArray[np.int32]
    numeric_RN: NDArray[np.float32]
    scenario_R: NDArray[np.int16]
    labels_RT: NDArray[np.uint8]
    user_R: NDArray[np.int32]
    lists_RS: NDArray[np.int32]

    @property
    def num_rows(self) -> int:
        """R."""
        return int(self.scenario_R.shape[0])

    def head(self, num_rows: int) -> Columns:
        """The first rows, as views."""
        return self._rows(slice(num_rows))

    def where(self, is_chosen_R: NDArray[np.bool_]) -> Columns:
        """Copies of the chosen rows."""
        return self._rows(is_chosen_R)

    def _rows(self, chosen: slice | NDArray[np.bool_]) -> Columns:
        return Columns(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


@dataclass(frozen=True)
class Dataset:
    """An encoded data set. `frequencies[f][i]` is the training count of id i + 1 of field f, descending.

    `groups` names the inputs (fields, numeric inputs, lists) that `features.groups` can leave out.
    """

    folder: Path
    full_schema: Schema
    frequencies: tuple[NDArray[np.int64], ...]
    train: Columns
    valid: Columns
    test: Columns
    record: DataRecord
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Hash of definition and source."""
        return self.record.fingerprint

    def schema(self, minimum_frequency: int = 1, groups: str = ALL, pooling: Pooling | None = None) -> Schema:
        """The schema of the chosen groups; ids seen fewer than `minimum_frequency` times in training have no room.

        A cut-off per field does that, as ids are in order of frequency. `pooling` replaces that of every list.
        """
        full, kept = self.full_schema, self._kept(groups)
        sizes = tuple(int((self.frequencies[field] >= minimum_frequency).sum()) + 1 for field in kept.fields)
        return replace(
            full,
            categorical=tuple(full.categorical[field] for field in kept.fields),
            vocabulary_sizes=sizes,
            numeric=tuple(full.numeric[number] for number in kept.numbers),
            lists=tuple(
                replace(one, field=kept.fields.index(one.field), pooling=pooling or one.pooling) for one in kept.lists
            ),
        )

    def with_groups(self, groups: str) -> Dataset:
        """The data set without the inputs of groups that are not chosen; `all` is itself, anything else copies.

        A list needs its item's field, so it goes where that field goes.
        """
        if groups == ALL:
            return self
        kept = self._kept(groups)
        starts = dict(zip(self.full_schema.lists, _starts(self.full_schema), strict=True))
        slots = [starts[one] + slot for one in kept.lists for slot in range(one.length)]

        def restricted(columns: Columns) -> Columns:
            return replace(
                columns,
                ids_RF=columns.ids_RF[:, kept.fields],
                numeric_RN=columns.numeric_RN[:, kept.numbers],
                lists_RS=columns.lists_RS[:, slots],
            )

        return replace(
            self,
            full_schema=self.schema(groups=groups),
            frequencies=tuple(self.frequencies[field] for field in kept.fields),
            train=restricted(self.train),
            valid=restricted(self.valid),
            test=restricted(self.test),
            groups={},
        )

    def _kept(self, groups: str) -> _Kept:
        chosen, full = chosen_groups(groups, tuple(self.groups)), self.full_schema
        dropped = {name for group, names in self.groups.items() if group not in chosen for name in names}
        fields = [field for field, name in enumerate(full.categorical) if name not in dropped]
        return _Kept(
            fields=fields,
            numbers=[number for number, name in enumerate(full.numeric) if name not in dropped],
            lists=[one for one in full.lists if one.name not in dropped and one.field in fields],
        )


@dataclass(frozen=True)
class _Kept:
    """What is left of a data set: positions of fields and numeric inputs, and lists as the full schema has them."""

    fields: list[int]
    numbers: list[int]
    lists: list[ListField]


def _starts(schema: Schema) -> list[int]:
    """The first slot of every list."""
    ends = list(accumulate(one.length for one in schema.lists))
    return [0, *ends][: len(ends)]
