"""What a model may offer beyond `forward`. A model takes part by having the method; nothing is registered.

Every model is an `nn.Module` built as `Model(config, schema)` whose `forward(batch)` gives logits (B, T) of each row's
own scenario.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import nn

from hinet_search.insight import Insight
from hinet_search.schema import Batch


@runtime_checkable
class FollowsPasses(Protocol):
    """A model whose structure changes with the passes over the training data (SAN's top_k after its warm-up)."""

    def begin_pass(self, passes_done: int) -> None:
        """Called before every pass with the number of passes finished."""


@dataclass(frozen=True)
class Part:
    """A module and the cells that it alone decides, by their numbers: scenario by scenario, task by task."""

    module: nn.Module
    cells: tuple[int, ...]


@runtime_checkable
class IndependentParts(Protocol):
    """A model of parts that share no parameter, so that each part may keep its own best weights."""

    def independent_parts(self) -> tuple[Part, ...]:
        """The parts; together they hold every parameter and every cell exactly once."""


@runtime_checkable
class Explains(Protocol):
    """A model that can show where its attention and gates go."""

    def insight(self, batch: Batch) -> Insight:
        """SAN attention and mean gate weights on the rows of `batch`."""


@runtime_checkable
class ReadsWeights(Protocol):
    """A module that may look at its weights to know what to compute, so that two copies may do different work."""

    @property
    def reads_weights(self) -> bool:
        """Whether it does."""
