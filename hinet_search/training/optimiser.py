"""Optimiser: updates of dense weights and embeddings, gradient clipping, and the embedding penalty.

A batch looks up a few per cent of the rows of a large table; a dense optimiser updates all of them
at every step. Rows that are not looked up keep their moments, so optimisers of touched rows are not
equivalent to Adam and have their own names.
Shape legend: B rows of a batch, F categorical fields, V rows of a table, E embedding width, N
looked-up rows with repetitions, U distinct ones.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.training.train_config import TrainConfig

EPSILON = 1e-8  # as torch's Adam


def merged(gradient: Tensor) -> Tensor:
    """Return a sparse gradient (V, E) with repeated rows summed, in no particular order."""
    if gradient.is_cuda:
        # Sums in a fixed order; the host waits, since U decides what is allocated.
        return gradient.coalesce()
    if gradient.is_coalesced():
        return gradient
    # A gradient that is not coalesced has no public accessors.
    rows_N, values_NE = gradient._indices()[0], gradient._values()  # noqa: SLF001
    position_N = torch.arange(len(rows_N))
    # One position of every row represents all its positions, found in one pass without sorting.
    representative_V = torch.empty(gradient.shape[0], dtype=torch.int64)
    representative_V[rows_N] = position_N
    representative_N = representative_V[rows_N]
    represents_N = representative_N == position_N
    number_N = (represents_N.cumsum(0) - 1)[representative_N]
    rows_U = rows_N[represents_N]
    zeros_UE = values_NE.new_zeros(len(rows_U), values_NE.shape[1])
    sums_UE = zeros_UE.index_add_(0, number_N, values_NE)
    return torch.sparse_coo_tensor(
        rows_U.unsqueeze(0), sums_UE, gradient.shape, is_coalesced=True, check_invariants=False
    )


class TouchedRows(torch.optim.Optimizer):
    """The common part of these optimisers. A dense gradient counts as touching every row."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        super().__init__(parameters, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the touched rows of every table; closures are not supported."""
        assert closure is None, "training computes its gradients itself"
        for group in self.param_groups:
            for table_VE in group["params"]:
                if table_VE.grad is not None:
                    self._step_table(table_VE, group["lr"])

    def _step_table(self, table_VE: Tensor, learning_rate: float) -> None:
        assert table_VE.grad is not None, "only called with a gradient"
        rows_U, gradient_UE = _touched(table_VE.grad)
        update_UE = self.update(self.state[table_VE], table_VE, rows_U, gradient_UE)
        # Read, change and write back: index_add_ takes three times as long.
        updated_UE = table_VE.index_select(0, rows_U).sub_(update_UE, alpha=learning_rate)
        table_VE.index_copy_(0, rows_U, updated_UE)

    @abstractmethod
    def update(
        self,
        state: dict[str, Tensor],
        table_VE: Tensor,
        rows_U: Int[Tensor, "U"],
        gradient_UE: Float[Tensor, "U E"],
    ) -> Float[Tensor, "U E"]:
        """Return the amount to subtract from the rows at a learning rate of 1.

        `state` is the table's state, empty at first.
        """


class RowwiseAdagrad(TouchedRows):
    """Adagrad with one accumulated value per row: the sum of its gradients' mean squares."""

    def update(
        self,
        state: dict[str, Tensor],
        table_VE: Tensor,
        rows_U: Int[Tensor, "U"],
        gradient_UE: Float[Tensor, "U E"],
    ) -> Float[Tensor, "U E"]:
        """Return the gradient divided by the root of the sum."""
        if not state:
            state["sum_V"] = table_VE.new_zeros(len(table_VE))
        sum_U = state["sum_V"].index_select(0, rows_U).add_(gradient_UE.square().mean(dim=1))
        state["sum_V"].index_copy_(0, rows_U, sum_U)
        return gradient_UE / sum_U.sqrt().add_(EPSILON).unsqueeze(1)


class LazyAdam(TouchedRows):
    """Adam on touched rows, with one second moment and one step count per row."""

    BETA1, BETA2 = 0.9, 0.999

    def update(
        self,
        state: dict[str, Tensor],
        table_VE: Tensor,
        rows_U: Int[Tensor, "U"],
        gradient_UE: Float[Tensor, "U E"],
    ) -> Float[Tensor, "U E"]:
        """Return the first moment over the root of the second, corrected for the row's steps."""
        if not state:
            state["first_VE"] = torch.zeros_like(table_VE)
            state["second_V"] = table_VE.new_zeros(len(table_VE))
            state["steps_V"] = table_VE.new_zeros(len(table_VE))
        first_UE = state["first_VE"].index_select(0, rows_U).lerp_(gradient_UE, 1 - self.BETA1)
        second_U = (
            state["second_V"]
            .index_select(0, rows_U)
            .lerp_(gradient_UE.square().mean(dim=1), 1 - self.BETA2)
        )
        steps_U = state["steps_V"].index_select(0, rows_U).add_(1)
        for name, moment in (("first_VE", first_UE), ("second_V", second_U), ("steps_V", steps_U)):
            state[name].index_copy_(0, rows_U, moment)
        root_U = (second_U / _correction(self.BETA2, steps_U)).sqrt_().add_(EPSILON)
        return first_UE / root_U.mul_(_correction(self.BETA1, steps_U)).unsqueeze(1)


def _correction(beta: float, steps_U: Float[Tensor, "U"]) -> Float[Tensor, "U"]:
    """Return 1 - beta^steps, the bias correction of a moment that started at 0."""
    return -torch.expm1(steps_U * math.log(beta))


def _touched(gradient: Tensor) -> tuple[Int[Tensor, "U"], Float[Tensor, "U E"]]:
    if not gradient.is_sparse:
        return torch.arange(len(gradient), device=gradient.device), gradient
    gradient = merged(gradient)
    return gradient.indices()[0], gradient.values()


OF_TOUCHED_ROWS: dict[str, Callable[[list[nn.Parameter], float], torch.optim.Optimizer]] = {
    "sparse_adam": torch.optim.SparseAdam,
    "rowwise_adagrad": RowwiseAdagrad,
    "lazy_adam": LazyAdam,
}


@dataclass(frozen=True)
class Optimiser:
    """One optimiser for all weights, or one for dense weights and one for embedding tables."""

    parts: tuple[torch.optim.Optimizer, ...]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all parts."""
        return list(chain.from_iterable(part.param_groups for part in self.parts))

    def zero_grad(self) -> None:
        """Clear all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Update all weights by their gradients."""
        for part in self.parts:
            part.step()


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
    parts: list[torch.optim.Optimizer] = []
    if others:
        parts.append(adam(model, others, config))
    if table_weights:
        make_table_optimiser = OF_TOUCHED_ROWS[config.embedding_optimiser]
        parts.append(make_table_optimiser(table_weights, _embedding_rate(config)))
    return Optimiser(tuple(parts))


def adam(
    model: nn.Module, weights: Mapping[str, nn.Parameter], config: TrainConfig
) -> torch.optim.Optimizer:
    """Return Adam with decoupled weight decay; embeddings have their own rate and no decay.

    Decay would shrink every embedding row at every step, 96 % of which the batch did not touch.
    `weights` are named as in `model` and can be other tensors than the model's.
    """
    embedding_names: set[str] = set()
    for prefix, module in model.named_modules():
        if isinstance(module, FeatureEmbedding):
            embedding_names |= {f"{prefix}.{name}" for name, _ in module.named_parameters()}
    dense = [weight for name, weight in weights.items() if name not in embedding_names]
    embeddings = [weight for name, weight in weights.items() if name in embedding_names]
    groups: list[dict[str, Any]] = []
    if dense:
        groups.append({"params": dense, "weight_decay": config.weight_decay})
    if embeddings:
        rate = _embedding_rate(config)
        groups.append({"params": embeddings, "weight_decay": 0.0, "lr": rate})
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


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
