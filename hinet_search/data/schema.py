"""Schema: what a model knows about the data.

Shape legend: S slots of all lists together, T tasks, M scenarios.
"""

from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY
from hinet_search.results.cells import Cell, CellName, amount_tasks, has_task, make_cells
from hinet_search.study.event_definition import SequenceReader
from hinet_search.study.feature_definition import NumberEncoding, Pooling


@dataclass(frozen=True)
class ListField:
    """A list of ids of vocabulary number `field`, `length` slots long; empty slots are 0.

    The vocabulary belongs to the categorical field of this number. A list with a vocabulary of its
    own has a number beyond the categorical fields.
    """

    name: str
    field: int
    length: int
    pooling: Pooling


@dataclass(frozen=True)
class SequenceField:
    """Lists that belong together slot by slot: the earlier rows of a key, newest first.

    `items` name lists that share the vocabularies of categorical fields, `labels` and `gap` lists
    with one of their own. All have the same length; a slot without an earlier row has gap 0.
    """

    name: str
    reader: SequenceReader
    items: tuple[str, ...]
    labels: tuple[str, ...]
    gap: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its lists, in their order in the schema."""
        return (*self.items, *self.labels, self.gap)


@dataclass(frozen=True)
class Schema:
    """Sizes and names of the encoded data. Id 0 of every categorical field is `unknown`.

    `vocabulary_sizes[v]` counts ids including 0: of every categorical field, then of every list
    with a vocabulary of its own. `numeric` names the numeric inputs, with the flags of missing
    values. `absent_cells` are the (scenario, task) without labels, `amount_units` the tasks of
    amounts with what a label of 1 stands for; where there are none, a schema is written without
    the key. So it is of `sequences`, whose lists come last, those of a sequence side by side, and
    of `number_encodings`, one of every numeric input unless all are standardised, and
    `has_unit_scale`.
    """

    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    categorical: tuple[str, ...]
    vocabulary_sizes: tuple[int, ...]
    numeric: tuple[str, ...]
    lists: tuple[ListField, ...] = ()
    absent_cells: Annotated[tuple[CellName, ...], LEFT_OUT_IF_EMPTY] = ()
    amount_units: Annotated[tuple[tuple[str, float], ...], LEFT_OUT_IF_EMPTY] = ()
    sequences: Annotated[tuple[SequenceField, ...], LEFT_OUT_IF_EMPTY] = ()
    number_encodings: Annotated[tuple[NumberEncoding, ...], LEFT_OUT_IF_EMPTY] = ()
    has_unit_scale: Annotated[bool, LEFT_OUT_IF_EMPTY] = False

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that have labels, with scenarios in the outer loop."""
        return make_cells(self.scenarios, self.tasks, self.absent_cells, dict(self.amount_units))

    @property
    def is_amount(self) -> NDArray[np.bool_]:
        """Whether the labels of a task are amounts (T,)."""
        return amount_tasks(self.tasks, dict(self.amount_units))

    @property
    def has_task(self) -> NDArray[np.bool_]:
        """Whether a scenario has a task (M, T)."""
        return has_task(self.scenarios, self.tasks, self.absent_cells)

    @property
    def num_scenarios(self) -> int:
        """M."""
        return len(self.scenarios)

    @property
    def num_tasks(self) -> int:
        """T."""
        return len(self.tasks)

    @property
    def num_fields(self) -> int:
        """The number of categorical fields."""
        return len(self.categorical)

    @property
    def vocabularies(self) -> tuple[str, ...]:
        """The field or list of every vocabulary, aligned with `vocabulary_sizes`."""
        own = (list_field.name for list_field in self.lists if not self.has_item(list_field))
        return (*self.categorical, *own)

    def has_item(self, list_field: ListField) -> bool:
        """Whether a list shares the vocabulary of a categorical field."""
        return list_field.field < self.num_fields

    @property
    def pooled_lists(self) -> tuple[ListField, ...]:
        """The lists that are in no sequence."""
        in_sequences = set(chain.from_iterable(sequence.parts for sequence in self.sequences))
        return tuple(each for each in self.lists if each.name not in in_sequences)

    def list_named(self, name: str) -> ListField:
        """The list of that name."""
        return next(each for each in self.lists if each.name == name)

    def length_of(self, sequence: SequenceField) -> int:
        """The slots of every list of a sequence."""
        return self.list_named(sequence.gap).length

    def read_by(
        self,
        reader: SequenceReader | None,
        number_encodings: tuple[NumberEncoding, ...],
        *,
        has_unit_scale: bool = False,
    ) -> "Schema":
        """The schema with these encodings of numbers, and this reader of every sequence if any."""
        sequences = self.sequences
        if reader is not None:
            sequences = tuple(replace(each, reader=reader) for each in sequences)
        return replace(
            self,
            sequences=sequences,
            number_encodings=number_encodings,
            has_unit_scale=has_unit_scale,
        )

    @property
    def num_slots(self) -> int:
        """S."""
        return sum(list_field.length for list_field in self.lists)


def missing_name(feature: str) -> str:
    """Name of the input that is 1 where a numeric feature is missing."""
    return f"{feature}_missing"
