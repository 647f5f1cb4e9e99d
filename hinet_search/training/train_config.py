"""Training configuration: the options `train.*`."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from hinet_search.common.errors import ConfigurationError
from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, Frozen, Large, Text
from hinet_search.common.plugins import names

LOSSES = "hinet_search.training.losses"
LEFT_OUT_IF_ONE = Field(exclude_if=lambda value: value == 1)
Rate = Annotated[float, Field(strict=True, gt=0, le=10)]
Strength = Annotated[float, Field(strict=True, ge=0, le=1e3)]
Shuffle = Literal["rows", "blocks", "users"]
Precision = Literal["fp32", "tf32", "bf16"]
Weight = Annotated[float, Field(strict=True, ge=1e-3, le=1e3)]


def _known_loss(name: str) -> str:
    from hinet_search.training.losses import loss_named  # imports torch

    try:
        loss_named(name)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    return name


class NamedWeights(Frozen):
    """Weights by the name of a task or scenario; one that is not named has weight 1."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Weight]

    def of(self, known: Iterable[str]) -> list[float]:
        """Return the weights by name."""
        return [self.__pydantic_extra__.get(name, 1.0) for name in known]


class TrainConfig(Frozen):
    """How one model is trained. The defaults were tuned on KuaiRand; every study starts from them.

    `weight_decay` is decoupled and applies to dense weights only. `embedding_l2` is a penalty, its
    half times the squared norm of the embeddings: at every step it moves all rows of a table, so
    ids with few rows stay near 0; `lazy_adam` moves the rows of the batch. It is said for all rows,
    also on a sample (training/optimiser.py). `rate_decay` lets all learning rates fall to 0, by
    equal amounts, over `epochs`; patience ends such a training only in the second half.
    `plateau_factor` multiplies all rates after every `plateau_patience` evaluations in a row
    whose objective is no better than the best before; 1 = they stay. `epochs` may be
    fractional. `patience` is the number of evaluations
    without improvement after which training stops, 0 = never. `clip_norm` bounds the gradient norm,
    0 = off.
    `embedding_optimiser`: `adam` updates all rows of a table at every step, `lazy_adam` only the
    rows that the batch looked up (training/touched_rows.py). `precision` applies to the matrix
    products of a training step; loss, optimiser, evaluation and all that is kept of a training are
    fp32. `tf32` is for GPUs: their tensor cores round what they multiply to 10 bits; on a CPU it is
    fp32. `cuda_graphs` lets a GPU repeat the steps of a training as
    one graph where it can (training/replayed_steps.py): no GPU has run it yet, and on a CPU it has
    no effect. `shuffle` is the order of rows in an epoch (training/row_order.py); `blocks` is for
    data larger than memory, `users` puts rows of a user side by side, for
    `loss: pairs_within_users`.
    `teacher_weight` and `teacher_temperature` apply to students (training/teaching.py). `loss` is
    that of the labels, a file of training/losses/; `ranking_weight` is what its pairs of rows count
    (training/losses/pairs_within_users.py). `task_weights.TASK` and `scenario_weights.SCENARIO`
    multiply the losses of labels in a weighted mean, default 1 each; so does the `weight` of a row
    in the data.
    """

    learning_rate: Rate = 1e-3
    embedding_learning_rate_multiplier: Annotated[float, Field(strict=True, gt=0, le=100)] = 1.0
    batch_size: Annotated[Large, Field(strict=True)] = 1024
    weight_decay: Strength = 1e-3
    embedding_l2: Strength = 0.0
    rate_decay: Annotated[bool, Field(strict=True), LEFT_OUT_IF_EMPTY] = False
    plateau_factor: Annotated[float, Field(strict=True, gt=0, le=1), LEFT_OUT_IF_ONE] = 1.0
    plateau_patience: Annotated[int, Field(strict=True, ge=1, le=1000), LEFT_OUT_IF_ONE] = 1
    epochs: Annotated[float, Field(strict=True, gt=0, le=1e4)] = 4.0
    evaluations_per_epoch: Annotated[int, Field(strict=True, ge=1, le=1000)] = 4
    patience: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 3
    clip_norm: Annotated[float, Field(strict=True, ge=0, le=1_000_000_000)] = 10.0
    optimiser: Literal["adam"] = "adam"
    embedding_optimiser: Literal["adam", "lazy_adam"] = "adam"
    precision: Precision = "fp32"
    cuda_graphs: Annotated[bool, Field(strict=True), LEFT_OUT_IF_EMPTY] = False
    shuffle: Shuffle = "rows"
    teacher_weight: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0
    teacher_temperature: Annotated[float, Field(strict=True, ge=1, le=100)] = 1.0
    loss: Annotated[
        Text, AfterValidator(_known_loss), WithJsonSchema({"enum": list(names(LOSSES))})
    ] = "cross_entropy"
    ranking_weight: Strength = 0.5
    task_weights: NamedWeights = NamedWeights()
    scenario_weights: NamedWeights = NamedWeights()
