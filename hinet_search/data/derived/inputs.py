"""Derive: compute the inputs made from labels, lists and the log, and the groups of all inputs.

Rows of test have some inputs once more, as they are if labels and the log are older than assumed:

frozen   statistics and the log are those of the end of validation: no row of test is seen
later    labels are known an hour after their row, or a day, where the study assumes less

A study scores test with them too, with the same weights, to say how fresh inputs must be.

Shape legend: R rows, D distinct lists, S slots of one list.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import cache
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.blocks import blocks_of
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.events import event_inputs, event_names
from hinet_search.data.derived.matches import known_of, match_names, match_numbers
from hinet_search.data.derived.moments import Moments, moments_of
from hinet_search.data.derived.sequences import encode_sequences, sequence_fields
from hinet_search.data.derived.sessions import NAMES, session_inputs
from hinet_search.data.derived.statistics import statistic_names, statistics_by_counting
from hinet_search.data.encode import Encoding, Vocabulary
from hinet_search.data.lists import ListedRows, encode_list, fit_list_vocabulary
from hinet_search.data.rows import Rows
from hinet_search.data.schema import ListField, SequenceField, missing_name
from hinet_search.results.data_record import FROZEN, LATER
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.event_definition import is_sooner
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
from hinet_search.study.sequence_definition import SequenceDefinition

VALID = SPLITS.index("valid")


@dataclass(frozen=True)
class DerivedNumbers:
    """Numeric inputs computed from other columns, aligned with the rows of the table.

    `stale` are those that differ if inputs are older than the definition says, by
    `results.data_record.ACCESSES`.
    """

    statistics: pl.DataFrame
    matches: pl.DataFrame
    events: pl.DataFrame
    session: pl.DataFrame
    stale: Mapping[str, pl.DataFrame]

    @property
    def tables(self) -> tuple[pl.DataFrame, ...]:
        """The inputs by kind, in the order of the model's inputs."""
        return (self.statistics, self.matches, self.events, self.session)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, statistics first."""
        return tuple(chain.from_iterable(table.columns for table in self.tables))


@dataclass(frozen=True)
class EncodedLists:
    """The lists of a data set: the pooled ones, then those of sequences.

    Each has its field. A pooled one has its distinct lists as ids (D, S), and the number of every
    row's list (R,). A sequence is the row's own: its slots are ids of all its lists (R, _). `stale`
    are the slots that rows of test have of sequences if the log is older, by access.
    """

    fields: tuple[ListField, ...]
    ids: tuple[NDArray[np.int32], ...]
    numbers: tuple[pl.Series, ...]
    sequences: tuple[SequenceField, ...] = ()
    slots_of_sequences: tuple[NDArray[np.int32], ...] = ()
    stale: Mapping[str, tuple[NDArray[np.int32], ...]] = dataclass_field(default_factory=dict)

    def slots(self, block: slice, num_rows: int, access: str = "") -> NDArray[np.int32]:
        """Slots of all lists side by side, for the `num_rows` rows of a block."""
        empty = np.zeros((num_rows, 0), dtype=np.int32)
        slots = [
            id_DS[number_R[block].to_numpy()]
            for id_DS, number_R in zip(self.ids, self.numbers, strict=True)
        ]
        of_access = self.stale.get(access, self.slots_of_sequences)
        of_sequences = [slots_R[block] for slots_R in of_access]
        return np.concatenate([empty, *slots, *of_sequences], axis=1)


def derive_numbers(definition: DataDefinition, rows: Rows) -> DerivedNumbers:
    """The derived numbers of a definition; DataError when one has the name of another column."""
    features = definition.features
    tasks = tuple(definition.tasks)
    _refuse_repeated_names(definition, rows)
    statistics = matches = events = session = pl.DataFrame()
    frozen: list[pl.DataFrame] = []
    if features.statistics is not None:
        are_frozen = dict.fromkeys([features.statistics.is_frozen, True])
        statistics, *frozen = statistics_by_counting(
            features.statistics, rows, tasks, [*are_frozen]
        )
    if features.matches is not None:
        known = known_of(definition, features.matches, rows)
        matches = match_numbers(known, features.matches, features.lists, rows.listed, rows.cache)
    moments = cache(lambda: moments_of(definition, rows))
    if features.events is not None:
        events = event_inputs(features.events, rows, tasks, moments())
    if features.session is not None:
        assert definition.user is not None, "the definition checks it"
        session = session_inputs(features.session, rows, definition.user, moments())
    stale = stale_inputs(definition, rows, moments, frozen)
    return DerivedNumbers(statistics, matches, events, session, stale)


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
        names[SESSION] = NAMES
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
            has_item = list_.item is not None
            number = (
                categorical.index(list_.item) if has_item else len(categorical) + own.index(name)
            )
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
    """The lists, of the sample of these rows, followed by those of the sequences."""
    features = definition.features
    if not features.sequences:
        return lists
    fields, sequences = fields_of_sequences(features.lists, features.sequences, encoding.names)
    vocabularies = {vocabulary.name: vocabulary for vocabulary in encoding.vocabularies}
    moments = moments_of(definition, rows)
    tasks = tuple(definition.tasks)
    slots = encode_sequences(features.sequences, rows, tasks, moments, vocabularies)
    stale = {
        access: encode_sequences(older, rows, tasks, moments, vocabularies, last_seen)
        for access, (older, last_seen) in stale_sequences(features).items()
    }
    return replace(
        lists,
        fields=(*lists.fields, *fields),
        sequences=sequences,
        slots_of_sequences=slots,
        stale=stale,
    )


def fields_of_sequences(
    lists: Mapping[str, ListDefinition],
    sequences: Mapping[str, SequenceDefinition],
    categorical: Sequence[str],
) -> tuple[tuple[ListField, ...], tuple[SequenceField, ...]]:
    """The lists of the sequences of a schema that has these fields and lists too."""
    num_own = sum(list_.item is None for list_ in lists.values())
    return sequence_fields(sequences, categorical, len(categorical) + num_own)


def input_groups(
    features: FeatureDefinition, derived: DerivedNumbers, encoding: Encoding
) -> Mapping[str, tuple[str, ...]]:
    """The inputs of every group of `features.group_names`; a number and its flag stay together."""
    groups = {
        STATISTICS: tuple(derived.statistics.columns),
        LISTS: tuple(name for name, list_ in features.lists.items() if list_.pooled),
        MATCHES: tuple(derived.matches.columns),
        EVENTS: tuple(derived.events.columns),
        SESSION: tuple(derived.session.columns),
        SEQUENCES: tuple(
            chain.from_iterable(each.part_names(name) for name, each in features.sequences.items())
        ),
    }
    flagged = {scale.column for scale in encoding.scales if scale.flagged}
    for name, columns in features.groups.items():
        inputs = chain.from_iterable(map(features.inputs_of, columns))
        flags = [missing_name(column) for column in columns if column in flagged]
        groups[name] = (*inputs, *flags)
    return {name: groups[name] for name in features.group_names}


def stale_inputs(
    definition: DataDefinition,
    rows: Rows,
    moments_of_rows: Callable[[], Moments],
    frozen_statistics: Sequence[pl.DataFrame],
) -> Mapping[str, pl.DataFrame]:
    """The inputs that differ, by access; only rows of test are of use. Empty if none can differ."""
    stale = {}
    frozen = [*frozen_statistics, *_frozen_events(definition, rows, moments_of_rows)]
    if frozen:
        stale[FROZEN] = pl.concat(frozen, how="horizontal")
    events = definition.features.events
    later = definition.features.later_labels
    if events is not None and later is not None and is_sooner(events.labels_after, later):
        with_later = events.model_copy(update={"labels_after": later})
        tasks = tuple(definition.tasks)
        stale[LATER] = event_inputs(with_later, rows, tasks, moments_of_rows())
    return stale


def _frozen_events(
    definition: DataDefinition, rows: Rows, moments_of_rows: Callable[[], Moments]
) -> list[pl.DataFrame]:
    features = definition.features
    tasks = tuple(definition.tasks)
    tables = []
    if features.events is not None:
        moments = moments_of_rows()
        tables.append(event_inputs(features.events, rows, tasks, moments, last_seen=VALID))
    if features.session is not None:
        assert definition.user is not None, "the definition checks it"
        moments = moments_of_rows()
        tables.append(
            session_inputs(features.session, rows, definition.user, moments, last_seen=VALID)
        )
    return tables


def stale_sequences(
    features: FeatureDefinition,
) -> Mapping[str, tuple[Mapping[str, SequenceDefinition], int]]:
    """By access, the sequences as they are then, and the last split whose rows they show."""
    if not features.sequences:
        return {}
    frozen = {FROZEN: (features.sequences, VALID)}
    later = features.later_labels
    with_later = dict(features.sequences)
    for name, sequence in features.sequences.items():
        if later is not None and is_sooner(sequence.labels_after, later):
            with_later[name] = sequence.model_copy(update={"labels_after": later})
    if with_later == features.sequences:
        return frozen
    return {**frozen, LATER: (with_later, len(SPLITS) - 1)}
