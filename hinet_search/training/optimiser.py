"""Optimiser: updates of dense weights and of embeddings, and gradient clipping."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.training.adam import Adam, WeightUpdates
from hinet_search.training.touched_rows import OF_TOUCHED_ROWS, merged
from hinet_search.training.train_config import TrainConfig


@dataclass(frozen=True)
class Optimiser:
    """One optimiser for all weights, or one for dense weights and one for embedding tables."""

    parts: tuple[WeightUpdates, ...]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all parts."""
        return list(chain.from_iterable(part.param_groups for part in self.parts))

    def zero_grad(self) -> None:
        """Clear all gradients."""
        for part in self.parts:
            part.zero_grad()

    def step(self, rate_share: float | Tensor = 1.0) -> None:
        """Update all weights by their gradients, at a share of their learning rates."""
        for part in self.parts:
            part.step(rate_share)

    def state_dicts(self) -> list[dict[str, Any]]:
        """Return the states of all parts."""
        return [part.state_dict() for part in self.parts]

    def load_state_dicts(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from copies of the states of all parts."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def make_optimiser(model: nn.Module, config: TrainConfig) -> Optimiser:
    """Return Adam for dense weights, with the configured optimiser for embedding tables.

    Any `embedding_optimiser` but `adam` makes the tables produce sparse gradients and updates only
    the touched rows.
    """
    embeddings = [module for module in model.modules() if isinstance(module, FeatureEmbedding)]
    table_weights: list[nn.Parameter] = []
    if config.embedding_optimiser != "adam":
        for module in embeddings:
            module.table.sparse_gradient = True
            table_weights.append(module.table.weight)
    of_embeddings = {id(weight) for part in embeddings for _, weight in part.embedding_parameters()}
    of_tables = {id(weight) for weight in table_weights}
    others = [weight for weight in model.parameters() if id(weight) not in of_tables]
    rate = config.learning_rate * config.embedding_learning_rate_multiplier
    # Weight decay of dense weights is decoupled, that of embeddings a penalty.
    groups = [
        {
            "params": [weight for weight in others if id(weight) not in of_embeddings],
            "weight_decay": config.weight_decay,
            "decoupled": True,
            "lr": config.learning_rate,
        },
        {
            "params": [weight for weight in others if id(weight) in of_embeddings],
            "weight_decay": config.embedding_l2,
            "decoupled": False,
            "lr": rate,
        },
    ]
    parts: list[WeightUpdates] = []
    if others:
        parts.append(Adam([group for group in groups if group["params"]]))
    if table_weights:
        make_table_optimiser = OF_TOUCHED_ROWS[config.embedding_optimiser]
        parts.append(make_table_optimiser(table_weights, rate, config.embedding_l2))
    return Optimiser(tuple(parts))


def clip_gradients(parameters: Iterable[nn.Parameter], clip_norm: float) -> Float[Tensor, ""]:
    """Scale all gradients so that their joint norm is at most `clip_norm`; return the norm before.

    With `clip_norm` 0 the gradients are left as they are.
    """
    gradients = [_values(parameter) for parameter in parameters if parameter.grad is not None]
    norm = get_total_norm(gradients)
    # On a GPU, asking whether to scale would wait for the device; scaling by 1 costs less.
    if clip_norm and (norm.device.type != "cpu" or norm > clip_norm):
        torch._foreach_mul_(gradients, (clip_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _values(parameter: nn.Parameter) -> Tensor:
    """Return the numbers of a gradient; a sparse gradient is merged first, in place.

    Its norm is that of the sums.
    """
    assert parameter.grad is not None, "the caller chooses parameters with a gradient"
    if not parameter.grad.is_sparse:
        return parameter.grad
    parameter.grad = merged(parameter.grad)
    return parameter.grad.values()
