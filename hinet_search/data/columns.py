"""Columns: encoded data on disk, memory-mapped by every slot of a machine.

A folder holds one .npy file per array and split, and `dataset.json` with names and sizes, which is
written last.
Shape legend: R rows of a split, F categorical fields, N numeric inputs, S slots of all lists,
T tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.schema import ListField, Schema, SequenceField
from hinet_search.results.cells import Labels
from hinet_search.results.data_record import ALL, DataRecord, chosen_groups
from hinet_search.study.feature_definition import Pooling

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Columns:
    """The encoded arrays of one split, compared by identity.

    Ids are in order of training frequency, 0 = unknown. `user_R` is -1 where a row has no user.
    `lists_RS` holds ids of the lists' vocabularies, list after list; an empty slot and an unknown
    id are both 0. Labels are 0 and 1, or amounts in units of their task's mean in training; they
    are float32 if a task has amounts. `weight_R` is what a row counts in training; None if all
    count alike. `group_R` is the group of the data's `rank`, -1 for none; None without `rank`.
    """

    ids_RF: NDArray[np.int32]
    numeric_RN: NDArray[np.float32]
    scenario_R: NDArray[np.int16]
    labels_RT: Labels
    user_R: NDArray[np.int32]
    lists_RS: NDArray[np.int32]
    weight_R: NDArray[np.float32] | None = None
    group_R: NDArray[np.int32] | None = None

    @property
    def ranked_within(self) -> NDArray[np.int32]:
        """The group of each row, or its user without groups; negative for none."""
        return self.user_R if self.group_R is None else self.group_R

    @property
    def num_rows(self) -> int:
        """The number of rows, R."""
        return int(self.scenario_R.shape[0])

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that there are, by name."""
        named = {array.name: getattr(self, array.name) for array in fields(self)}
        return {name: array for name, array in named.items() if array is not None}

    def head(self, num_rows: int) -> Columns:
        """The first rows, as views."""
        return self._select(slice(num_rows))

    def spaced(self, step: int) -> Columns:
        """Every so manieth row, as views."""
        return self._select(slice(None, None, step))

    def where(self, is_chosen_R: NDArray[np.bool_]) -> Columns:
        """Copies of the chosen rows."""
        return self._select(is_chosen_R)

    def followed_by(self, others: Columns) -> Columns:
        """Copies of these rows, then of the other rows, in memory."""
        theirs = others.arrays
        both = {name: [array, theirs[name]] for name, array in self.arrays.items()}
        return Columns(**{name: np.concatenate(arrays) for name, arrays in both.items()})

    def _select(self, rows: slice | NDArray[np.bool_]) -> Columns:
        return Columns(**{name: array[rows] for name, array in self.arrays.items()})


@dataclass(frozen=True)
class Dataset:
    """An encoded data set.

    `frequencies[v][i]` is the training count of id i + 1 of vocabulary v, in descending order. Of a
    sample, `frequencies_of_all` has the counts of its ids in all training rows.
    `groups` maps each group that `features.groups` can leave out to its inputs: fields, numeric
    inputs and lists. Derived inputs but lists were computed in `derived_seconds`, None if that was
    not measured.
    """

    folder: Path
    full_schema: Schema
    frequencies: tuple[NDArray[np.int64], ...]
    train: Columns
    valid: Columns
    test: Columns
    record: DataRecord
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    derived_seconds: float | None = None
    frequencies_of_all: tuple[NDArray[np.int64], ...] = ()

    @property
    def fingerprint(self) -> str:
        """Hash of the definition and the content of its source."""
        return self.record.fingerprint

    def schema(
        self, minimum_frequency: int = 1, groups: str = ALL, pooling: Pooling | None = None
    ) -> Schema:
        """The schema of the chosen groups, without ids rarer in training than `minimum_frequency`.

        Ids are in order of frequency, so a smaller vocabulary leaves the rare ones out. `pooling`
        replaces the pooling of every list with an item.
        """
        return self.inputs_of(groups).schema(self.frequencies, minimum_frequency, pooling)

    def with_groups(self, groups: str) -> Dataset:
        """The data set with the inputs of the chosen groups only: itself for `all`, else a copy."""
        if groups == ALL:
            return self
        chosen = self.inputs_of(groups)
        of_all = self.frequencies_of_all
        return replace(
            self,
            full_schema=self.schema(groups=groups),
            frequencies=tuple(self.frequencies[number] for number in chosen.vocabularies),
            frequencies_of_all=tuple(of_all[number] for number in chosen.vocabularies if of_all),
            train=chosen.columns(self.train),
            valid=chosen.columns(self.valid),
            test=chosen.columns(self.test),
            groups={},
        )

    def inputs_of(self, groups: str) -> ChosenInputs:
        """The inputs of the chosen groups."""
        return ChosenInputs.of(self.full_schema, self.groups, groups)


@dataclass(frozen=True)
class ChosenInputs:
    """Selected inputs of the schema `full`: positions of fields and numbers, lists, sequences."""

    full: Schema
    fields: tuple[int, ...]
    numbers: tuple[int, ...]
    lists: tuple[ListField, ...]
    sequences: tuple[SequenceField, ...]

    @staticmethod
    def of(full: Schema, groups: Mapping[str, tuple[str, ...]], chosen: str) -> ChosenInputs:
        """Select the inputs of the groups in `chosen`, a `features.groups`, and all of no group.

        A list with an item needs its field, so it is left out with that field; a sequence is left
        out with the last of its items.
        """
        kept = chosen_groups(chosen, tuple(groups))
        dropped = set[str]()
        for group, names in groups.items():
            if group not in kept:
                dropped.update(names)
        fields = _places_without(full.categorical, dropped)
        lists = [list_ for list_ in full.lists if list_.name not in dropped]
        lists = [list_ for list_ in lists if list_.field in fields or not full.has_item(list_)]
        list_names = {list_.name for list_ in lists}
        sequences = []
        for sequence in full.sequences:
            items = tuple(name for name in sequence.items if name in list_names)
            if items and sequence.gap in list_names:
                sequences.append(replace(sequence, items=items))
        of_others = set(chain.from_iterable(sequence.parts for sequence in full.sequences))
        of_others -= set(chain.from_iterable(sequence.parts for sequence in sequences))
        chosen_lists = tuple(list_ for list_ in lists if list_.name not in of_others)
        numbers = _places_without(full.numeric, dropped)
        return ChosenInputs(full, fields, numbers, chosen_lists, tuple(sequences))

    @property
    def vocabularies(self) -> tuple[int, ...]:
        """Positions of the vocabularies of the fields, then of the own ones of lists."""
        own = (list_.field for list_ in self.lists if not self.full.has_item(list_))
        return (*self.fields, *own)

    def schema(
        self,
        frequencies: Sequence[NDArray[np.int64]],
        minimum_frequency: int = 1,
        pooling: Pooling | None = None,
    ) -> Schema:
        """The schema of the selected inputs, see `Dataset.schema`; `frequencies` are of `full`."""
        sizes = tuple(
            int((frequencies[number] >= minimum_frequency).sum()) + 1
            for number in self.vocabularies
        )
        lists = []
        pooled = self.full.pooled_lists
        for list_ in self.lists:
            number = self.vocabularies.index(list_.field)
            replaced = pooling if list_ in pooled and self.full.has_item(list_) else None
            lists.append(replace(list_, field=number, pooling=replaced or list_.pooling))
        return replace(
            self.full,
            categorical=tuple(self.full.categorical[field] for field in self.fields),
            vocabulary_sizes=sizes,
            numeric=tuple(self.full.numeric[number] for number in self.numbers),
            lists=tuple(lists),
            sequences=self.sequences,
        )

    def columns(self, columns: Columns) -> Columns:
        """The selected inputs of columns of `full`: themselves if all are selected, else copies."""
        if self == ChosenInputs.of(self.full, {}, ALL):
            return columns
        return replace(
            columns,
            ids_RF=columns.ids_RF[:, list(self.fields)],
            numeric_RN=columns.numeric_RN[:, list(self.numbers)],
            lists_RS=columns.lists_RS[:, self.slots],
        )

    @property
    def slots(self) -> list[int]:
        """Positions of the slots of the selected lists."""
        slots: list[int] = []
        starts = accumulate((list_.length for list_ in self.full.lists), initial=0)
        for list_, start in zip(self.full.lists, starts, strict=False):
            if list_ in self.lists:
                slots += range(start, start + list_.length)
        return slots


def _places_without(names: Sequence[str], dropped: Collection[str]) -> tuple[int, ...]:
    return tuple(place for place, name in enumerate(names) if name not in dropped)
