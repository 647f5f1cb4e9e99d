"""Optimiser: updates of dense weights and embeddings, gradient clipping, and the embedding penalty.

Shape legend: B rows of a batch, F categorical fields, E embedding width.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.training.adam import Adam, StackedAdam
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

    def step(self) -> None:
        """Update all weights by their gradients."""
        for part in self.parts:
            part.step()

    def forget(self, weights: Sequence[nn.Parameter]) -> None:
        """Drop the states of these weights."""
        for part in self.parts:
            part.forget(weights)

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
        parts.append(make_table_optimiser(table_weights, _embedding_rate(config)))
    return Optimiser(tuple(parts))


def adam(model: nn.Module, weights: Mapping[str, nn.Parameter], config: TrainConfig) -> Adam:
    """Return Adam with decoupled weight decay; embeddings have their own rate and no decay.

    Decay would shrink every embedding row at every step, 96 % of which the batch did not touch.
    `weights` are named as in `model`.
    """
    return Adam([group for group in _groups(model, weights, config) if group["params"]])


def stacked_adam(
    model: nn.Module, weights: Mapping[str, nn.Parameter], configs: Sequence[TrainConfig]
) -> StackedAdam:
    """Return the Adam of a stack of models, each with its own rates and decay.

    `weights` are stacked, and named as in `model`, which is one of the models.
    """
    of_models = zip(*(_groups(model, {}, config) for config in configs), strict=True)
    groups = zip(_groups(model, weights, configs[0]), of_models, strict=True)
    return StackedAdam(
        [
            {"params": group["params"], "models": models}
            for group, models in groups
            if group["params"]
        ]
    )


def _groups(
    model: nn.Module, weights: Mapping[str, nn.Parameter], config: TrainConfig
) -> list[dict[str, Any]]:
    """Return the parameter groups of dense weights and of embeddings; either may be empty."""
    embedding_names: set[str] = set()
    for prefix, module in model.named_modules():
        if isinstance(module, FeatureEmbedding):
            embedding_names |= {f"{prefix}.{name}" for name, _ in module.embedding_parameters()}
    dense = [weight for name, weight in weights.items() if name not in embedding_names]
    embeddings = [weight for name, weight in weights.items() if name in embedding_names]
    rate = config.learning_rate
    return [
        {"params": dense, "weight_decay": config.weight_decay, "lr": rate},
        {"params": embeddings, "weight_decay": 0.0, "lr": _embedding_rate(config)},
    ]


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


class EmbeddingPenalty:
    """`strength` times the squared norm of looked-up embeddings, per row of the batch.

    Forward hooks on the embedding tables collect the norms, so that nothing is looked up twice and
    untouched rows are not penalised.
    """

    def __init__(self, model: nn.Module, strength: float) -> None:
        self.strength = strength
        self._squares: list[Tensor] = []
        self._hooks = [
            module.table.register_forward_hook(self._looked_up) for module in _embeddings(model)
        ]
        assert self._hooks, "a model with embedding_l2 has a FeatureEmbedding"

    def take(self, num_rows: int) -> Float[Tensor, ""]:
        """Return the penalty of the look-ups since the last call."""
        total = torch.stack(self._squares).sum()
        self._squares.clear()
        return total * (self.strength / num_rows)

    def remove(self) -> None:
        """Remove the hooks."""
        for hook in self._hooks:
            hook.remove()

    def _looked_up(
        self, table: nn.Module, _inputs: tuple[Tensor, ...], embedded: Float[Tensor, "*B F E"]
    ) -> None:
        if table.training:
            self._squares.append(embedded.square().sum())


def _embeddings(model: nn.Module) -> list[FeatureEmbedding]:
    return [module for module in model.modules() if isinstance(module, FeatureEmbedding)]
