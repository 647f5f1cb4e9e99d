"""Schema: what a model knows about the data.

Shape legend: S slots of all lists together, T tasks, M scenarios.
"""

from dataclasses import dataclass

from hinet_search.study.feature_definition import Pooling


@dataclass(frozen=True)
class ListField:
    """A list of ids of categorical field number `field`, `length` slots long; empty slots are 0."""

    name: str
    field: int
    length: int
    pooling: Pooling


@dataclass(frozen=True)
class Schema:
    """Sizes and names of the encoded data. Id 0 of every categorical field is `unknown`.

    `vocabulary_sizes[f]` counts ids including 0. `numeric` names the numeric inputs, with the flags
    of missing values.
    """

    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    categorical: tuple[str, ...]
    vocabulary_sizes: tuple[int, ...]
    numeric: tuple[str, ...]
    lists: tuple[ListField, ...] = ()

    @property
    def num_scenarios(self) -> int:
        """M."""
        return len(self.scenarios)

    @property
    def num_tasks(self) -> int:
        """T."""
        return len(self.tasks)

    @property
    def num_slots(self) -> int:
        """S."""
        return sum(list_field.length for list_field in self.lists)
