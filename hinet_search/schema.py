"""Schema and Batch: what a model is told about the data, and what it is given.

Shape legend: B rows of a batch, F categorical fields, N numeric inputs, S slots of all lists together, T tasks,
M scenarios.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hinet_search.features import Pooling


@dataclass(frozen=True)
class ListField:
    """A list of ids of categorical field number `field`, `length` slots long; empty slots hold 0."""

    name: str
    field: int
    length: int
    pooling: Pooling


@dataclass(frozen=True)
class Schema:
    """Sizes and names of the encoded data. Id 0 of every categorical field is `unknown`.

    `vocabulary_sizes[f]` counts ids including 0. `numeric` names the numeric inputs, missing flags among them.
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
        return sum(one.length for one in self.lists)


@dataclass(frozen=True)
class Batch:
    """Inputs of B rows, on one device. `lists_BS` holds the slots of all lists of the schema side by side.

    `sizes[m]` counts the rows of scenario m, scenarios after the last one present left out. Who makes a batch of columns
    that lie on a GPU says it, as asking the GPU takes longer than a layer; without it the model counts.
    """

    ids_BF: Int[Tensor, "B F"]
    numeric_BN: Float[Tensor, "B N"]
    scenario_B: Int[Tensor, B]
    lists_BS: Int[Tensor, "B S"]
    sizes: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return self.scenario_B.shape[0]

    def select(self, rows_R: Int[Tensor, R]) -> Batch:
        """The given rows, in the given order."""
        return Batch(
            ids_BF=self.ids_BF.index_select(0, rows_R),
            numeric_BN=self.numeric_BN.index_select(0, rows_R),
            scenario_B=self.scenario_B.index_select(0, rows_R),
            lists_BS=self.lists_BS.index_select(0, rows_R),
        )

    def split(self, sizes: Sequence[int] | int) -> tuple[Batch, ...]:
        """Consecutive runs of rows, as views: `sizes[i]` rows in run i, or runs of `sizes` rows."""
        lengths = sizes if isinstance(sizes, int) else list(sizes)
        columns = (self.ids_BF, self.numeric_BN, self.scenario_B, self.lists_BS)
        return tuple(Batch(*run) for run in zip(*(torch.split(column, lengths) for column in columns), strict=True))


def sizes_of(scenario_B: Int[Tensor, B]) -> tuple[int, ...]:
    """How many rows of scenario 0, 1, ... there are, up to the last one present."""
    counts: list[int] = torch.bincount(scenario_B).tolist()
    return tuple(counts)
