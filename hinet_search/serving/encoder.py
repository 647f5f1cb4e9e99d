"""Encoder: encode new rows as training rows were encoded, once for all models of a folder.

Shape legend: R rows, F categorical fields, T tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.data.derived.inputs import encode_lists, fields_of_sequences, list_fields
from hinet_search.data.encode import COUNT, Encoding, encode_ids, encode_numbers
from hinet_search.data.lists import ListedRows, split_texts, with_numbered_lists
from hinet_search.data.raw_values import as_text
from hinet_search.data.rows import Rows, distinct_by_scenario
from hinet_search.data.schema import Schema
from hinet_search.results.cells import Labels
from hinet_search.serving.history import DerivedInputs, History
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.log_rows import SeenInputs, new_rows
from hinet_search.serving.tables import Types
from hinet_search.study.feature_definition import ListDefinition
from hinet_search.training.feature_config import FeatureConfig


@dataclass(frozen=True)
class Encoder:
    """Turns rows with the column types `types` into encoded columns.

    Its vocabularies hold only values that have an embedding in some model. A model reads a part of
    the columns: `chosen` and `schema_of` say which.
    """

    inputs: Inputs
    encoding: Encoding
    types: Types
    history: History

    @property
    def schema(self) -> Schema:
        """The schema of all inputs."""
        inputs = self.inputs
        vocabularies = self.encoding.all_vocabularies
        of_sequences, sequences = fields_of_sequences(
            inputs.lists, inputs.sequences, inputs.categorical
        )
        return Schema(
            scenarios=inputs.scenario.names,
            tasks=inputs.tasks,
            categorical=inputs.categorical,
            vocabulary_sizes=tuple(vocabulary.size for vocabulary in vocabularies),
            numeric=self.encoding.numeric_inputs,
            lists=(*list_fields(inputs.lists, inputs.categorical), *of_sequences),
            absent_cells=inputs.absent_cells,
            amount_units=tuple(inputs.amount_units.items()),
            sequences=sequences,
        )

    def chosen(self, features: FeatureConfig) -> ChosenInputs:
        """The inputs of a model with this configuration."""
        return ChosenInputs.of(self.schema, self.inputs.groups, features.groups)

    def schema_of(self, features: FeatureConfig) -> Schema:
        """The schema that a model with this configuration was built for."""
        frequencies = [
            vocabulary.table[COUNT].to_numpy() for vocabulary in self.encoding.all_vocabularies
        ]
        chosen = self.chosen(features)
        schema = chosen.schema(frequencies, features.minimum_frequency, features.pooling)
        return features.reading(schema, self.inputs.groups)

    def seen(self, frame: pl.DataFrame, newer: Rows | None = None) -> SeenInputs:
        """What rows that passed the checks see of the log, to which `newer` rows are added."""
        scenario_R = self.scenario_numbers(frame)
        distinct = self.with_distinct_ids(frame, scenario_R)
        vocabularies = {each.name: each for each in self.encoding.vocabularies}
        return self.history.seen(self.inputs, vocabularies, distinct, scenario_R, newer)

    def columns(self, frame: pl.DataFrame, seen: SeenInputs | None = None) -> Columns:
        """Encode rows that passed the checks; labels are 0.

        `seen` is what they see of the log, by default of that of the study. A number too far from
        training for float32 becomes infinite.
        """
        scenario_R = self.scenario_numbers(frame)
        rows = self.listed(frame, scenario_R)
        seen = self.seen(frame) if seen is None else seen
        return self.encoded(rows, scenario_R, self.history.derived(self.inputs, rows, seen))

    def newer_rows(self, frame: pl.DataFrame, labels_RT: Labels) -> Rows:
        """Labelled rows that passed the checks, as rows that follow the log."""
        assert self.history.log is not None, "there is a log"
        scenario_R = self.scenario_numbers(frame)
        distinct = self.with_distinct_ids(frame, scenario_R)
        return new_rows(self.inputs, self.history.log, distinct, scenario_R, labels_RT)

    def scenario_numbers(self, frame: pl.DataFrame) -> NDArray[np.int16]:
        """The number of every row's scenario (R,)."""
        if not self.inputs.scenario.columns:
            return np.zeros(len(frame), dtype=np.int16)
        names = self.inputs.scenario.names
        index = {text: names.index(name) for text, name in self.inputs.scenario.values.items()}
        scenarios = as_text(frame[self.inputs.scenario.column])
        return scenarios.replace_strict(index, return_dtype=pl.Int16).to_numpy()

    def listed(self, frame: pl.DataFrame, scenario_R: NDArray[np.int16]) -> ListedRows:
        """The rows with numbered lists and ids that are distinct by scenario."""
        rows = with_numbered_lists(frame, self.inputs.lists.values(), frame.schema)
        return replace(rows, frame=self.with_distinct_ids(rows.frame, scenario_R))

    def with_distinct_ids(self, frame: pl.DataFrame, scenario_R: NDArray[np.int16]) -> pl.DataFrame:
        """The columns of a frame with ids that are distinct by scenario."""
        ids = [name for name in self.inputs.distinct_by_scenario if name in frame.columns]
        return distinct_by_scenario(frame, ids, scenario_R) if ids else frame

    def encoded(
        self, rows: ListedRows, scenario_R: NDArray[np.int16], derived: DerivedInputs
    ) -> Columns:
        """Encode rows of `listed` with their derived inputs, as `columns` does."""
        num_rows = len(rows.frame)
        named = zip(self.inputs.derived, derived.number_DR, strict=True)
        frame = rows.frame.with_columns(pl.Series(name, number_R) for name, number_R in named)
        lists = encode_lists(self.inputs.lists, rows, self.encoding)
        slots = [lists.slots(slice(num_rows), num_rows)]
        slots += derived.sequences
        ids_RF = encode_ids(rows.frame, self.encoding)
        return self.with_labels(ids_RF, encode_numbers(frame, self.encoding), slots, scenario_R)

    def with_labels(
        self,
        ids_RF: NDArray[np.int32],
        numeric_RN: NDArray[np.float32],
        slots: Sequence[NDArray[np.int32]],
        scenario_R: NDArray[np.int16],
    ) -> Columns:
        """Put encoded inputs together, with the slots of all lists in order; labels are 0."""
        num_rows = len(scenario_R)
        no_slots = np.zeros((num_rows, 0), dtype=np.int32)
        return Columns(
            ids_RF=ids_RF,
            numeric_RN=numeric_RN,
            scenario_R=scenario_R,
            labels_RT=np.zeros((num_rows, len(self.inputs.tasks)), dtype=np.uint8),
            user_R=np.full(num_rows, -1, dtype=np.int32),
            lists_RS=np.concatenate([no_slots, *slots], axis=1),
        )

    def unseen(self, frame: pl.DataFrame, columns: Columns) -> dict[str, int]:
        """The number of rows with a value without an id, see `unseen_values`."""
        num_missing = {name: frame[name].null_count() for name in self.inputs.categorical}
        has_entries = {}
        for name, definition in self.inputs.lists.items():
            if definition.pooled:
                has_entries[name] = _has_entries(definition, frame)
        return unseen_values(self.inputs, columns, num_missing, has_entries)


def unseen_values(
    inputs: Inputs,
    columns: Columns,
    num_missing: Mapping[str, int],
    has_entries: Mapping[str, NDArray[np.bool_]],
) -> dict[str, int]:
    """The number of rows with a value without an id, by categorical field.

    By the names of pooled lists, those that have entries, but none with an id. Missing values,
    `num_missing` of a field, do not count; `has_entries` says which rows (R,) have some.
    """
    num_without_id_F = (columns.ids_RF == 0).sum(axis=0).tolist()
    counts = dict(zip(inputs.categorical, num_without_id_F, strict=True))
    for name in inputs.categorical:
        counts[name] -= num_missing[name]
    start = 0
    for field in list_fields(inputs.lists, inputs.categorical):
        slots_RS = columns.lists_RS[:, start : start + field.length]
        start += field.length
        counts[field.name] = int((has_entries[field.name] & ~slots_RS.any(axis=1)).sum())
    return counts


def _has_entries(definition: ListDefinition, frame: pl.DataFrame) -> NDArray[np.bool_]:
    lists = frame[definition.column]
    if definition.separator is not None:
        lists = split_texts(lists, definition.separator)
    return (lists.list.drop_nulls().list.len() > 0).fill_null(value=False).to_numpy()
