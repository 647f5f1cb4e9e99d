"""Encoder: encode new rows as training rows were encoded, once for all models of a folder.

Shape legend: R rows, F categorical fields, T tasks.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.data.derived.inputs import encode_lists, list_fields
from hinet_search.data.derived.matches import KnownMatches, match_numbers
from hinet_search.data.derived.sequences import sequence_fields
from hinet_search.data.encode import COUNT, Encoding, encode_ids, encode_numbers
from hinet_search.data.lists import split_texts, with_numbered_lists
from hinet_search.data.raw_values import as_text
from hinet_search.data.rows import distinct_by_scenario
from hinet_search.data.schema import Schema
from hinet_search.results.cells import Labels
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.log_rows import SeenInputs, rows_after, seen_inputs
from hinet_search.serving.row_checks import cast_rows
from hinet_search.serving.tables import Types
from hinet_search.training.feature_config import FeatureConfig


@dataclass(frozen=True)
class Encoder:
    """Turns rows with the column types `types` into encoded columns.

    Its vocabularies hold only values that have an embedding in some model. A model reads a part of
    the columns: `chosen` and `schema_of` say which. `matches` and `log` are what derived inputs are
    made of; None where the model has no such inputs.
    """

    inputs: Inputs
    encoding: Encoding
    types: Types
    matches: KnownMatches | None = None
    log: pl.DataFrame | None = None

    @property
    def schema(self) -> Schema:
        """The schema of all inputs."""
        inputs = self.inputs
        vocabularies = self.encoding.all_vocabularies
        of_sequences, sequences = sequence_fields(
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

    def seen(self, frame: pl.DataFrame, newer: pl.DataFrame | None = None) -> SeenInputs:
        """What rows that passed the checks see of the log, to which `newer` rows are added."""
        if self.log is None:
            return SeenInputs()
        log = self.log if newer is None else pl.concat([self.log, newer])
        vocabularies = {each.name: each for each in self.encoding.vocabularies}
        return seen_inputs(self.inputs, vocabularies, log, self.rows_after(log, frame))

    def columns(self, frame: pl.DataFrame, seen: SeenInputs | None = None) -> Columns:
        """Encode rows that passed the checks; labels are 0.

        `seen` is what they see of the log, by default of the study's log. A number too far from
        training for float32 becomes infinite.
        """
        inputs = self.inputs
        num_rows = len(frame)
        scenario_R = self.scenario_numbers(frame)
        seen = self.seen(frame) if seen is None else seen
        rows = with_numbered_lists(frame, inputs.lists.values(), frame.schema)
        rows = replace(rows, frame=self._with_distinct_ids(rows.frame, scenario_R))
        numbers = rows.frame.with_columns(seen.numbers.get_columns())
        if self.matches is not None and inputs.matches is not None:
            matches = match_numbers(self.matches, inputs.matches, inputs.lists, rows)
            numbers = numbers.with_columns(matches.get_columns())
        lists = encode_lists(inputs.lists, rows, self.encoding)
        lists = replace(lists, slots_of_sequences=seen.sequences)
        return Columns(
            ids_RF=encode_ids(rows.frame, self.encoding),
            numeric_RN=encode_numbers(numbers, self.encoding),
            scenario_R=scenario_R,
            labels_RT=np.zeros((num_rows, len(inputs.tasks)), dtype=np.uint8),
            user_R=np.full(num_rows, -1, dtype=np.int32),
            lists_RS=lists.slots(slice(num_rows), num_rows),
        )

    def encode(self, raw: pl.DataFrame) -> Columns:
        """Encode rows from the study's source, which need no checks."""
        return self.columns(self.cast(raw))

    def cast(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Cast rows from the study's source to the types of the encoder."""
        return cast_rows(self.inputs, raw.lazy(), self.types).collect()

    def rows_after(
        self, log: pl.DataFrame, frame: pl.DataFrame, labels_RT: Labels | None = None
    ) -> pl.DataFrame:
        """Rows that passed the checks as rows that follow a log, see the function."""
        scenario_R = self.scenario_numbers(frame)
        distinct = self._with_distinct_ids(frame, scenario_R)
        return rows_after(self.inputs, log, distinct, scenario_R, labels_RT)

    def scenario_numbers(self, frame: pl.DataFrame) -> NDArray[np.int16]:
        """The number of every row's scenario (R,)."""
        if not self.inputs.scenario.columns:
            return np.zeros(len(frame), dtype=np.int16)
        names = self.inputs.scenario.names
        index = {text: names.index(name) for text, name in self.inputs.scenario.values.items()}
        scenarios = as_text(frame[self.inputs.scenario.column])
        return scenarios.replace_strict(index, return_dtype=pl.Int16).to_numpy()

    def _with_distinct_ids(
        self, frame: pl.DataFrame, scenario_R: NDArray[np.int16]
    ) -> pl.DataFrame:
        """The columns of a frame with ids that are distinct by scenario."""
        ids = [name for name in self.inputs.distinct_by_scenario if name in frame.columns]
        return distinct_by_scenario(frame, ids, scenario_R) if ids else frame

    def unseen(self, frame: pl.DataFrame, columns: Columns) -> dict[str, int]:
        """The number of rows with a value without an id, by categorical field.

        By the names of pooled lists, those that have entries, but none with an id. Missing values
        do not count.
        """
        inputs = self.inputs
        counts = {}
        for number, name in enumerate(inputs.categorical):
            num_without_id = int((columns.ids_RF[:, number] == 0).sum())
            counts[name] = num_without_id - frame[name].null_count()
        start = 0
        for field in list_fields(inputs.lists, inputs.categorical):
            slots_RS = columns.lists_RS[:, start : start + field.length]
            start += field.length
            definition = inputs.lists[field.name]
            lists = frame[definition.column]
            if definition.separator is not None:
                lists = split_texts(lists, definition.separator)
            has_entries = (lists.list.drop_nulls().list.len() > 0).fill_null(value=False)
            counts[field.name] = int((has_entries.to_numpy() & ~slots_RS.any(axis=1)).sum())
        return counts

    def unseen_shares(self, raw: pl.DataFrame) -> dict[str, float]:
        """The shares of `unseen` of rows from the study's source."""
        frame = self.cast(raw)
        counts = self.unseen(frame, self.columns(frame))
        return {name: count / max(len(frame), 1) for name, count in counts.items()}
