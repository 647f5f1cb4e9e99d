"""Derive: compute the inputs made from labels, lists and the log, and the groups of all inputs.

Shape legend: R rows, D distinct lists, S slots of one list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.derived.event_log import moments_of
from hinet_search.data.derived.events import (
    SESSION_NAMES,
    event_inputs,
    event_names,
    session_inputs,
)
from hinet_search.data.derived.matches import known_of, match_names, match_numbers
from hinet_search.data.derived.sequences import encode_sequences, sequence_fields
from hinet_search.data.derived.statistics import statistic_names, target_statistics
from hinet_search.data.encode import Encoding, Vocabulary
from hinet_search.data.lists import ListedRows, encode_list, fit_list_vocabulary
from hinet_search.data.mapped import blocks_of
from hinet_search.data.rows import Rows
from hinet_search.data.schema import ListField, SequenceField, missing_name
from hinet_search.study.data_definition import DataDefinition, UserSplit
from hinet_search.study.feature_definition import (
    EVENTS,
    LISTS,
    MATCHES,
    SEQUENCES,
    SESSION,
    STATISTICS,
    FeatureDefinition,
    ListDefinition,
)


@dataclass(frozen=True)
class EncodedLists:
    """The lists of a data set: pooled lists, then the lists of sequences.

    Each has its field. A pooled one has its distinct lists as ids (D, S), and the number of every
    row's list (R,). A sequence is the row's own: its slots are ids of all its lists (R, _).
    """

    fields: tuple[ListField, ...]
    ids: tuple[NDArray[np.int32], ...]
    numbers: tuple[pl.Series, ...]
    sequences: tuple[SequenceField, ...] = ()
    slots_of_sequences: tuple[NDArray[np.int32], ...] = ()

    def slots(self, block: slice, num_rows: int) -> NDArray[np.int32]:
        """Slots of all lists side by side, for the `num_rows` rows of a block."""
        empty = np.zeros((num_rows, 0), dtype=np.int32)
        slots = [
            id_DS[number_R[block].to_numpy()]
            for id_DS, number_R in zip(self.ids, self.numbers, strict=True)
        ]
        of_sequences = [slots_R[block] for slots_R in self.slots_of_sequences]
        return np.concatenate([empty, *slots, *of_sequences], axis=1)


def derive_numbers(definition: DataDefinition, rows: Rows) -> Mapping[str, pl.DataFrame]:
    """Numeric inputs computed from other columns, by their group, in the order of the rows.

    DataError when one has the name of another column.
    """
    features = definition.features
    tasks = tuple(definition.tasks)
    _refuse_repeated_names(definition, rows)
    tables = {}
    if features.statistics is not None:
        whole = definition.user if isinstance(definition.split, UserSplit) else None
        tables[STATISTICS] = target_statistics(features.statistics, rows, tasks, whole)
    if features.matches is not None:
        known = known_of(definition, features.matches, rows)
        tables[MATCHES] = match_numbers(
            known, features.matches, features.lists, rows.listed, rows.cache
        )
    moments = cache(lambda: moments_of(definition, rows))
    if features.events is not None:
        tables[EVENTS] = event_inputs(features.events, rows, tasks, moments())
    if features.session is not None:
        assert definition.user is not None, "the definition checks it"
        tables[SESSION] = session_inputs(features.session, rows, definition.user, moments())
    return tables


def derived_names(definition: DataDefinition) -> Mapping[str, tuple[str, ...]]:
    """The derived numbers of a definition, by their group."""
    features = definition.features
    tasks = tuple(definition.tasks)
    names: dict[str, tuple[str, ...]] = {}
    if features.statistics is not None:
        names[STATISTICS] = statistic_names(features.statistics, tasks)
    if features.matches is not None:
        names[MATCHES] = match_names(features.matches)
    if features.events is not None:
        names[EVENTS] = event_names(features.events, tasks)
    if features.session is not None:
        names[SESSION] = SESSION_NAMES
    return names


def _refuse_repeated_names(definition: DataDefinition, rows: Rows) -> None:
    features = definition.features
    names = [*chain.from_iterable(derived_names(definition).values())]
    for name, sequence in features.sequences.items():
        names += sequence.part_names(name)
    cycles = chain.from_iterable(map(features.inputs_of, features.transforms))
    all_names = [*{*rows.frame.columns, *cycles}, *names]
    repeated = sorted({name for name in names if all_names.count(name) > 1})
    if repeated:
        raise DataError(
            "data.features: every derived input needs its own name, but these are taken: "
            f"{', '.join(repeated)}",
            remedy="rename the list, the sequence or the column",
        )


def fit_list_vocabularies(
    lists: Mapping[str, ListDefinition],
    rows: ListedRows,
    is_train_R: NDArray[np.bool_],
    minimum_frequency: int,
) -> tuple[Vocabulary, ...]:
    """The vocabularies of the lists without an item, fitted on training rows."""
    vocabularies = []
    for name, list_ in lists.items():
        if list_.item is None:
            entries = rows.lists[list_.column]
            num_rows_D = np.zeros(entries.num_lists, dtype=np.int64)
            for block in blocks_of(len(rows.frame)):
                list_R = rows.block(block).list_numbers(list_.column)[is_train_R[block]]
                num_rows_D += np.bincount(list_R, minlength=entries.num_lists)
            vocabularies.append(
                fit_list_vocabulary(name, entries, num_rows_D, list_.length, minimum_frequency)
            )
    return tuple(vocabularies)


def list_fields(
    lists: Mapping[str, ListDefinition], categorical: Sequence[str]
) -> tuple[ListField, ...]:
    """The pooled lists of a schema with these fields, each with the number of its vocabulary."""
    own = [name for name, list_ in lists.items() if list_.item is None]
    fields = []
    for name, list_ in lists.items():
        if list_.pooled:
            if list_.item is not None:
                number = categorical.index(list_.item)
            else:
                number = len(categorical) + own.index(name)
            fields.append(ListField(name, number, list_.length, list_.pooling))
    return tuple(fields)


def encode_lists(
    lists: Mapping[str, ListDefinition], rows: ListedRows, encoding: Encoding
) -> EncodedLists:
    """Encode the pooled lists of a definition, each by its vocabulary."""
    fields = list_fields(lists, encoding.names)
    ids = []
    numbers = []
    for field in fields:
        column = lists[field.name].column
        vocabulary = encoding.all_vocabularies[field.field]
        ids.append(encode_list(rows.lists[column], vocabulary, field.length))
        numbers.append(rows.frame[column])
    return EncodedLists(fields, tuple(ids), tuple(numbers))


def with_sequences(
    lists: EncodedLists, definition: DataDefinition, rows: Rows, encoding: Encoding
) -> EncodedLists:
    """The lists of the sampled rows, followed by the lists of their sequences."""
    features = definition.features
    if not features.sequences:
        return lists
    fields, sequences = sequence_fields(features.lists, features.sequences, encoding.names)
    vocabularies = {vocabulary.name: vocabulary for vocabulary in encoding.vocabularies}
    moments = moments_of(definition, rows)
    tasks = tuple(definition.tasks)
    slots = encode_sequences(features.sequences, rows, tasks, moments, vocabularies)
    return replace(
        lists, fields=(*lists.fields, *fields), sequences=sequences, slots_of_sequences=slots
    )


def input_groups(
    features: FeatureDefinition, derived: Mapping[str, pl.DataFrame], encoding: Encoding
) -> Mapping[str, tuple[str, ...]]:
    """The inputs of every group of `features.group_names`; a number and its flag stay together."""
    groups = {group: tuple(table.columns) for group, table in derived.items()}
    groups[LISTS] = tuple(name for name, list_ in features.lists.items() if list_.pooled)
    parts = (sequence.part_names(name) for name, sequence in features.sequences.items())
    groups[SEQUENCES] = tuple(chain.from_iterable(parts))
    flagged = {scale.column for scale in encoding.scales if scale.flagged}
    for name, columns in features.groups.items():
        inputs = chain.from_iterable(map(features.inputs_of, columns))
        flags = [missing_name(column) for column in columns if column in flagged]
        groups[name] = (*inputs, *flags)
    return {name: groups[name] for name in features.group_names}
