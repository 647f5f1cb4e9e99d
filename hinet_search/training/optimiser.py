"""Optimiser: updates of dense weights and of embeddings, and gradient clipping.

Shape legend: V rows of a table, I ids of a vocabulary that have counts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from hinet_search.data.columns import Dataset
from hinet_search.data.schema import Schema
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.training.adam import Adam, WeightUpdates
from hinet_search.training.touched_rows import LazyAdam, merged
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


def times_the_penalty(dataset: Dataset, schema: Schema, config: TrainConfig) -> Float[Tensor, "V"]:
    """Return by how much to multiply the penalty of every id of the schema, on the data's sample.

    `embedding_l2` is said for all rows. The rule is one for every table, field and optimiser: in an
    epoch, the penalty of an id has to count as much beside the labels of its rows as on all rows.
    So the factor is the steps that add it, for each row of the id, on all rows over the sample.
    Dense Adam adds it at every step, lazy Adam at those whose batch has the id. With dense Adam it
    is the steps of an epoch over the sample's for users, whose rows the sample has all, and 1 for
    ids whose rows shrink with the sample, the unknown id among them.
    """
    num_rows = dataset.train.num_rows
    num_of_all = round(num_rows * dataset.record.times_the_rows)
    is_dense = config.embedding_optimiser == "adam"

    def steps_per_row(count_I: NDArray[np.int64], num_rows: int) -> NDArray[np.float64]:
        if is_dense:
            return math.ceil(num_rows / config.batch_size) / count_I
        num_whole, rest = divmod(num_rows, config.batch_size)
        others_I = 1 - np.minimum(count_I / num_rows, 1)  # the share of rows with other ids
        steps_I: NDArray[np.float64] = (
            num_whole * (1 - others_I**config.batch_size) + 1 - others_I**rest
        )
        return steps_I / count_I

    times = []
    for number, size in enumerate(schema.vocabulary_sizes):
        ids = slice(size - 1)
        of_all_I = steps_per_row(dataset.frequencies_of_all[number][ids], num_of_all)
        times_I = of_all_I / steps_per_row(dataset.frequencies[number][ids], num_rows)
        times += [np.ones(1), times_I]
    return torch.from_numpy(np.concatenate(times)).float()


def make_optimiser(
    model: nn.Module, config: TrainConfig, times_V: Float[Tensor, "V"] | None = None
) -> Optimiser:
    """Return Adam for dense weights, with the configured optimiser for embedding tables.

    With `lazy_adam` the tables produce sparse gradients, and only touched rows are updated.
    `times_V` multiplies the penalties of the ids of fields and lists.
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
        parts.append(LazyAdam(tables, _embedding_rate(config), config.embedding_l2))
    for module in model.modules():
        if isinstance(module, FeatureEmbedding) and times_V is not None:
            weight = module.table.weight
            num_others = len(weight) - len(times_V)  # the scenario as a field
            times_V1 = nn.functional.pad(times_V, (0, num_others), value=1.0).unsqueeze(1)
            for part in parts:
                part.times_V1[weight] = times_V1.to(weight)
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
