"""Optimiser: of dense weights and of embeddings, and what keeps gradients and embeddings small.

Shape legend: B rows of a batch, F categorical fields, E embedding width.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.training.config import TrainConfig
from hinet_search.training.touched_rows import LazyAdam, RowwiseAdagrad, merged

OF_TOUCHED_ROWS: dict[str, Callable[[list[nn.Parameter], float], torch.optim.Optimizer]] = {
    "sparse_adam": torch.optim.SparseAdam,
    "rowwise_adagrad": RowwiseAdagrad,
    "lazy_adam": LazyAdam,
}


@dataclass(frozen=True)
class Optimiser:
    """One optimiser for all weights, or one for dense weights and one for the tables of embeddings."""

    parts: tuple[torch.optim.Optimizer, ...]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all parts."""
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Change all weights by their gradients."""
        for part in self.parts:
            part.step()


def make_optimiser(model: nn.Module, config: TrainConfig) -> Optimiser:
    """Adam on dense weights; any `embedding_optimiser` but adam has tables give sparse gradients and changes touched
    rows alone."""
    tables = [module.table for module in _embeddings(model)] if config.embedding_optimiser != "adam" else []
    for table in tables:
        table.sparse_gradient = True
    apart = {id(table.weight) for table in tables}
    named = {name: parameter for name, parameter in model.named_parameters() if id(parameter) not in apart}
    parts: list[torch.optim.Optimizer] = [adam(model, named, config)] if named else []
    if tables:
        weights = [table.weight for table in tables]
        parts.append(OF_TOUCHED_ROWS[config.embedding_optimiser](weights, _embedding_rate(config)))
    return Optimiser(tuple(parts))


def adam(model: nn.Module, weights: Mapping[str, nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay; embeddings have their own learning rate and no decay.

    Decay would shrink every embedding row at every step, 96 % of which no row of the batch touched. `weights` have the
    names that they have in `model`, and need not be the model's own.
    """
    modules = [(name, module) for name, module in model.named_modules() if isinstance(module, FeatureEmbedding)]
    of_embeddings = {f"{prefix}.{name}" for prefix, module in modules for name, _ in module.named_parameters()}
    groups = [
        {
            "params": [parameter for name, parameter in weights.items() if name not in of_embeddings],
            "weight_decay": config.weight_decay,
        },
        {
            "params": [parameter for name, parameter in weights.items() if name in of_embeddings],
            "weight_decay": 0.0,
            "lr": _embedding_rate(config),
        },
    ]
    filled = [group for group in groups if group["params"]]
    return torch.optim.AdamW(filled, lr=config.learning_rate, fused=True)


def _embedding_rate(config: TrainConfig) -> float:
    return config.learning_rate * config.embedding_learning_rate_multiplier


def clip_gradients(parameters: Iterable[nn.Parameter], clip_norm: float) -> Float[Tensor, ""]:
    """Scales all gradients so that their joint norm is at most `clip_norm` (0 = leave them); returns the norm before."""
    gradients = [_values(parameter) for parameter in parameters if parameter.grad is not None]
    norm = get_total_norm(gradients)
    # Elsewhere than on the CPU asking whether to scale would wait for the device, and scaling by 1 costs less.
    if clip_norm and (norm.device.type != "cpu" or norm > clip_norm):
        torch._foreach_mul_(gradients, (clip_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def _values(parameter: nn.Parameter) -> Tensor:
    """The numbers of a gradient; a sparse one is merged in its place, as its norm is that of the sums."""
    assert parameter.grad is not None, "a parameter with a gradient"
    if not parameter.grad.is_sparse:
        return parameter.grad
    parameter.grad = merged(parameter.grad)
    return parameter.grad.values()


class EmbeddingPenalty:
    """`strength` times the squared norm of the embeddings that a batch looked up, per row of the batch.

    It listens to the embedding tables, so that nothing is looked up twice and untouched rows feel nothing.
    """

    def __init__(self, model: nn.Module, strength: float) -> None:
        self.strength = strength
        self._squares: list[Tensor] = []
        self._hooks = [module.table.register_forward_hook(self._looked_up) for module in _embeddings(model)]
        assert self._hooks, "a model that is given embedding_l2 looks its ids up in a FeatureEmbedding"

    def take(self, num_rows: int) -> Float[Tensor, ""]:
        """The penalty of the look-ups since the last call."""
        total = torch.stack(self._squares).sum()
        self._squares.clear()
        return total * (self.strength / num_rows)

    def remove(self) -> None:
        """Stop listening."""
        for hook in self._hooks:
            hook.remove()

    def _looked_up(self, table: nn.Module, _inputs: tuple[Tensor, ...], embedded: Float[Tensor, "*B F E"]) -> None:
        if table.training:
            self._squares.append(embedded.square().sum())


def _embeddings(model: nn.Module) -> list[FeatureEmbedding]:
    return [module for module in model.modules() if isinstance(module, FeatureEmbedding)]
