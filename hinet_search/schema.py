"""Schema and Batch: what a model is told about the data, and what it is given.

Shape legend: B rows of a batch, F categorical fields, N numeric inputs, T tasks.
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


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

    @property
    def num_scenarios(self) -> int:
        """M."""
        return len(self.scenarios)

    @property
    def num_tasks(self) -> int:
        """T."""
        return len(self.tasks)


@dataclass(frozen=True)
class Batch:
    """Inputs of B rows, on one device."""

    ids_BF: Int[Tensor, "B F"]
    numeric_BN: Float[Tensor, "B N"]
    scenario_B: Int[Tensor, "B"]

    def __len__(self) -> int:
        return self.scenario_B.shape[0]
