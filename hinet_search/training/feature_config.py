"""Feature configuration: the options `features.*`, which say what a model reads and how."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import ConfigDict, Field

from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, LEFT_OUT_IF_NONE, Frozen, Large
from hinet_search.data.columns import Dataset
from hinet_search.data.schema import Schema, missing_name
from hinet_search.results.data_record import ALL
from hinet_search.study.event_definition import SequenceReader
from hinet_search.study.feature_definition import (
    LEFT_OUT_IF_STANDARDISED,
    PARTS,
    NumberEncoding,
    Pooling,
    cycle_input,
)


class NamedEncodings(Frozen):
    """Encodings by the name of a number or of a group of inputs."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, NumberEncoding]

    @property
    def names(self) -> frozenset[str]:
        """The numbers and groups that have an encoding."""
        return frozenset(self.__pydantic_extra__)

    def of(
        self, numbers: Sequence[str], groups: Mapping[str, Sequence[str]], of_others: NumberEncoding
    ) -> tuple[NumberEncoding, ...]:
        """Return the encoding of every number; empty if all are standardised.

        Its own goes before that of its column, of which it is a flag or a part of a cycle, and that
        goes before its group's.
        """
        named = self.__pydantic_extra__
        encodings = dict.fromkeys(numbers, of_others)
        for name, encoding in named.items():
            encodings |= dict.fromkeys(groups.get(name, ()), encoding)
        for name, encoding in named.items():
            parts = [cycle_input(name, part) for part in PARTS]
            encodings |= dict.fromkeys([missing_name(name), *parts], encoding)
        encodings |= named
        encoding_N = tuple(encodings[number] for number in numbers)
        return () if set(encoding_N) == {"standardised"} else encoding_N


class FeatureConfig(Frozen):
    """The inputs of a model.

    Ids rarer than `minimum_frequency` in training become 0 = unknown. `groups` is `all`, `none`
    (only the ungrouped features) or names of groups joined by `+`. `pooling` replaces that of every
    list, `sequence_reader` that of every sequence. `number_encoding` is how a network reads
    numbers, beside their standardised values (models/layers/number_encoding.py); trees need none.
    `number_encodings.NAME` is for one number, derived ones too, or for all numbers of a group.
    With `unit_scale` a network divides all its inputs by one number (models/layers/embedding.py).
    """

    minimum_frequency: Large = 1
    groups: str = ALL
    pooling: Pooling | None = None
    sequence_reader: Annotated[SequenceReader | None, LEFT_OUT_IF_NONE] = None
    number_encoding: Annotated[NumberEncoding, LEFT_OUT_IF_STANDARDISED] = "standardised"
    number_encodings: Annotated[
        NamedEncodings, Field(exclude_if=lambda encodings: not encodings.names)
    ] = NamedEncodings()
    unit_scale: Annotated[bool, Field(strict=True), LEFT_OUT_IF_EMPTY] = False

    def schema_of(self, dataset: Dataset) -> Schema:
        """Return the schema of the chosen inputs; no data are copied."""
        schema = dataset.schema(self.minimum_frequency, self.groups, self.pooling)
        return self.reading(schema, dataset.groups)

    def reading(self, schema: Schema, groups: Mapping[str, Sequence[str]]) -> Schema:
        """Return a schema with these readers of sequences and encodings of numbers.

        `groups` has the inputs of every group that `number_encodings` names.
        """
        encodings = self.number_encodings.of(schema.numeric, groups, self.number_encoding)
        return schema.read_by(self.sequence_reader, encodings, has_unit_scale=self.unit_scale)

    def view(self, dataset: Dataset) -> tuple[Dataset, Schema]:
        """Return the data with only the chosen inputs, and their schema."""
        return dataset.with_groups(self.groups), self.schema_of(dataset)
