"""Optimiser: fused AdamW over two groups, dense weights and embeddings, and what keeps gradients and embeddings small.

Shape legend: B rows of a batch, F categorical fields, E embedding width.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.training.config import TrainConfig


def make_optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Adam with decoupled weight decay on dense weights; embeddings have their own learning rate and no decay.

    Decay would shrink every embedding row at every step, 96 % of which no row of the batch touched.
    """
    embeddings = [parameter for module in _embeddings(model) for parameter in module.parameters()]
    identities = {id(parameter) for parameter in embeddings}
    dense = [parameter for parameter in model.parameters() if id(parameter) not in identities]
    embedding_rate = config.learning_rate * config.embedding_learning_rate_multiplier
    groups = [
        {"params": dense, "weight_decay": config.weight_decay},
        {"params": embeddings, "weight_decay": 0.0, "lr": embedding_rate},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate, fused=True)


def clip_gradients(parameters: Iterable[nn.Parameter], clip_norm: float) -> Float[Tensor, ""]:
    """Scales all gradients so that their joint norm is at most `clip_norm` (0 = leave them); returns the norm before."""
    with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
    norm = get_total_norm([parameter.grad for parameter in with_gradient if parameter.grad is not None])
    # On CUDA asking whether to scale would wait for the device, and scaling by 1 costs less.
    if clip_norm and (norm.is_cuda or norm > clip_norm):
        clip_grads_with_norm_(with_gradient, clip_norm, norm)
    return norm


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
