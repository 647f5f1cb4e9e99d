"""Optional methods of a model beyond `forward`. Having the method is enough; nothing is registered.

Every model is an `nn.Module` built as `Model(config, schema)`. Its `forward(batch)` returns logits
(B, T) of each row's own scenario.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from hinet_search.models.layers.batch import Batch
from hinet_search.results.records import Insight


@runtime_checkable
class EpochAware(Protocol):
    """A model whose structure changes between epochs (SAN's top_k)."""

    def begin_epoch(self, epochs_done: int) -> None:
        """Prepare for the next epoch; called before every epoch, with the number done."""


@runtime_checkable
class LengthAware(Protocol):
    """A model, or a part of one, that changes with the epochs that it has been trained for."""

    def begin_training(self, steps_per_epoch: int) -> None:
        """Receive the steps of an epoch; called before the first step, and where one resumes."""


@runtime_checkable
class NumberAware(Protocol):
    """A model, or a part of one, that depends on how the numbers of training rows are spread."""

    def begin_with(self, number_RN: NDArray[np.float32]) -> None:
        """Receive the numbers (R, N) of training rows; called before the first step, as above."""


@runtime_checkable
class BatchDependent(Protocol):
    """A module whose outputs in training may depend on the other rows of a batch."""

    @property
    def reads_batch(self) -> bool:
        """Whether they do; batches of such models have no rows that count nothing."""


@dataclass(frozen=True)
class Part:
    """A module and the cells that it alone decides, by their numbers in the schema's `cells`."""

    module: nn.Module
    cells: tuple[int, ...]


@runtime_checkable
class IndependentParts(Protocol):
    """A model of parts that share no parameter, so that each part can keep its own best weights."""

    def independent_parts(self) -> tuple[Part, ...]:
        """Return the parts; together they hold every parameter and every cell exactly once."""


@runtime_checkable
class Explainable(Protocol):
    """A model that can report its attention and gate weights."""

    def insight(self, batch: Batch) -> Insight:
        """Return SAN attention and mean gate weights on the rows of `batch`."""


@runtime_checkable
class WeightDependent(Protocol):
    """A module that may choose what to compute by its weights."""

    @property
    def reads_weights(self) -> bool:
        """Whether this module does so; steps of such models are not replayed."""
