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
    of_embeddings: set[int] = set()
    tables: list[nn.Parameter] = []
    for module in model.modules():
        if isinstance(module, FeatureEmbedding):
            of_embeddings.update(id(weight) for _, weight in module.embedding_parameters())
            if config.embedding_optimiser != "adam":
                module.table.sparse_gradient = True
                tables.append(module.table.weight)
    parts: list[WeightUpdates] = []
    groups = _groups_of_adam(model, of_embeddings, set(map(id, tables)), config)
    if groups:
        parts.append(Adam(groups))
    if tables:
        make_table_optimiser = OF_TOUCHED_ROWS[config.embedding_optimiser]
        parts.append(make_table_optimiser(tables, _embedding_rate(config), config.embedding_l2))
    return Optimiser(tuple(parts))


def _groups_of_adam(
    model: nn.Module, of_embeddings: set[int], of_tables: set[int], config: TrainConfig
) -> list[dict[str, Any]]:
    """Return dense weights, whose decay is decoupled, and embeddings, whose decay is a penalty."""
    dense: list[nn.Parameter] = []
    embeddings: list[nn.Parameter] = []
    for weight in model.parameters():
        if id(weight) not in of_embeddings:
            dense.append(weight)
        elif id(weight) not in of_tables:
            embeddings.append(weight)
    groups: list[dict[str, Any]] = []
    if dense:
        decay = {"weight_decay": config.weight_decay, "decoupled": True}
        groups.append({"params": dense, "lr": config.learning_rate, **decay})
    if embeddings:
        penalty = {"weight_decay": config.embedding_l2, "decoupled": False}
        groups.append({"params": embeddings, "lr": _embedding_rate(config), **penalty})
    return groups


def _embedding_rate(config: TrainConfig) -> float:
    return config.learning_rate * config.embedding_learning_rate_multiplier


def clip_gradients(parameters: Iterable[nn.Parameter], clip_norm: float) -> Float[Tensor, ""]:
    """Scale all gradients so that their joint norm is at most `clip_norm`; return the norm before.

    With `clip_norm` 0 the gradients are left as they are.
    """
    gradients: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:  # its norm is over the sums
            parameter.grad = merged(parameter.grad)
            gradients.append(parameter.grad.values())
        else:
            gradients.append(parameter.grad)
    norm = get_total_norm(gradients)
    # On a GPU, asking whether to scale would wait for the device; scaling by 1 costs less.
    if clip_norm and (norm.device.type != "cpu" or norm > clip_norm):
        torch._foreach_mul_(gradients, (clip_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm
