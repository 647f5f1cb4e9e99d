"""Encoder: new rows as the columns that a model was trained on, by what was stored of the training rows.

Shape legend: R rows, F categorical fields, T tasks.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from hinet_search.data.columns import Columns
from hinet_search.data.derive import encode_lists
from hinet_search.data.encode import Encoding, encode_ids, encode_numbers
from hinet_search.data.lists import with_numbered_lists
from hinet_search.data.matching import as_text
from hinet_search.schema import ListField, Schema
from hinet_search.serving.history import History
from hinet_search.serving.inputs import Inputs, Types


@dataclass(frozen=True)
class Encoder:
    """What turns rows of `types` into columns. Vocabularies hold the values that have an embedding, no others."""

    inputs: Inputs
    encoding: Encoding
    types: Types
    history: History

    @property
    def schema(self) -> Schema:
        """What the model was built for."""
        inputs, vocabularies = self.inputs, self.encoding.vocabularies
        return Schema(
            scenarios=inputs.scenario.names,
            tasks=inputs.tasks,
            categorical=inputs.categorical,
            vocabulary_sizes=tuple(vocabulary.size for vocabulary in vocabularies),
            numeric=self.encoding.numeric_inputs,
            lists=tuple(
                ListField(name, inputs.categorical.index(one.item), one.length, one.pooling)
                for name, one in inputs.lists.items()
                if one.pooled
            ),
        )

    def columns(self, frame: pl.DataFrame) -> Columns:
        """Rows that passed the checks, encoded; their labels are 0."""
        inputs = self.inputs
        rows = with_numbered_lists(frame, (one.column for one in inputs.lists.values()))
        names = inputs.scenario.names
        index = {text: names.index(name) for text, name in inputs.scenario.values.items()}
        with_made = rows.frame.with_columns(self.history.numbers(inputs, rows))
        return Columns(
            ids_RF=encode_ids(rows.frame, self.encoding),
            numeric_RN=encode_numbers(with_made, self.encoding),
            scenario_R=as_text(frame[inputs.scenario.column]).replace_strict(index, return_dtype=pl.Int16).to_numpy(),
            labels_RT=np.zeros((len(frame), len(inputs.tasks)), dtype=np.uint8),
            user_R=np.full(len(frame), -1, dtype=np.int32),
            lists_RS=encode_lists(inputs.lists, rows, self.encoding).slots(slice(len(frame)), len(frame)),
        )

    def unseen(self, frame: pl.DataFrame, columns: Columns) -> dict[str, int]:
        """How many rows have a value without an id, by categorical column; a missing value is none."""
        return {
            name: int(((columns.ids_RF[:, field] == 0) & frame[name].is_not_null().to_numpy()).sum())
            for field, name in enumerate(self.inputs.categorical)
        }
