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
from hinet_search.training.adam import Adam
from hinet_search.training.touched_rows import OF_TOUCHED_ROWS, merged
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.weight_updates import WeightUpdates


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
    table_weights: list[nn.Parameter] = []
    if config.embedding_optimiser != "adam":
        for module in _embeddings(model):
            module.table.sparse_gradient = True
            table_weights.append(module.table.weight)
    of_tables = {id(weight) for weight in table_weights}
    others = {
        name: weight for name, weight in model.named_parameters() if id(weight) not in of_tables
    }
    parts: list[WeightUpdates] = []
    if others:
        parts.append(adam(model, others, config))
    if table_weights:
        make_table_optimiser = OF_TOUCHED_ROWS[config.embedding_optimiser]
        rate = _embedding_rate(config)
        parts.append(make_table_optimiser(table_weights, rate, config.embedding_l2))
    return Optimiser(tuple(parts))


def adam(model: nn.Module, weights: Mapping[str, nn.Parameter], config: TrainConfig) -> Adam:
    """Return Adam: weight decay of dense weights is decoupled, that of embeddings a penalty.

    `weights` are named as in `model`.
    """
    embedding_names: set[str] = set()
    for prefix, module in model.named_modules():
        if isinstance(module, FeatureEmbedding):
            embedding_names |= {f"{prefix}.{name}" for name, _ in module.embedding_parameters()}
    dense = [weight for name, weight in weights.items() if name not in embedding_names]
    embeddings = [weight for name, weight in weights.items() if name in embedding_names]
    of_dense = {
        "params": dense,
        "weight_decay": config.weight_decay,
        "decoupled": True,
        "lr": config.learning_rate,
    }
    of_embeddings = {
        "params": embeddings,
        "weight_decay": config.embedding_l2,
        "decoupled": False,
        "lr": _embedding_rate(config),
    }
    return Adam([group for group in (of_dense, of_embeddings) if group["params"]])


def _embedding_rate(config: TrainConfig) -> float:
    return config.learning_rate * config.embedding_learning_rate_multiplier


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


def _embeddings(model: nn.Module) -> list[FeatureEmbedding]:
    return [module for module in model.modules() if isinstance(module, FeatureEmbedding)]
