"""Training configuration: the fields behind the parameter names `train.*`."""

from typing import Annotated, Literal

from pydantic import Field

from hinet_search.frozen import Frozen

Rate = Annotated[float, Field(strict=True, gt=0, le=10)]
Strength = Annotated[float, Field(strict=True, ge=0, le=1e3)]
Count = Annotated[int, Field(strict=True, ge=1)]
Shuffle = Literal["rows", "blocks"]


class TrainConfig(Frozen):
    """How one model is trained. Defaults were found on KuaiRand and are every study's starting point.

    `weight_decay` is decoupled and acts on dense weights only. `embedding_l2` is added to the loss, for the embedding
    rows a batch touches. `passes` counts readings of the training rows and may be fractional. `patience` counts
    evaluations without improvement, 0 = never stop early. `clip_norm` bounds the gradient norm, 0 = off. Of the
    values of `embedding_optimiser` only `adam` goes over all rows of a table at every step, the others change those that
    the batch looked up (training/touched_rows.py). `precision` is that of the matrix products of a training step; weights,
    loss, optimiser and evaluation are fp32 in either. `shuffle` is the order of rows in a pass (training/row_order.py):
    `blocks` is for data larger than memory.
    """

    learning_rate: Rate = 1e-3
    embedding_learning_rate_multiplier: Annotated[float, Field(strict=True, gt=0, le=100)] = 1.0
    batch_size: Count = 1024
    weight_decay: Strength = 1e-3
    embedding_l2: Strength = 0.0
    passes: Annotated[float, Field(strict=True, gt=0, le=1e4)] = 4.0
    evaluations_per_pass: Annotated[int, Field(strict=True, ge=1, le=1000)] = 4
    patience: Annotated[int, Field(strict=True, ge=0)] = 3
    clip_norm: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 10.0
    optimiser: Literal["adam"] = "adam"
    embedding_optimiser: Literal["adam", "sparse_adam", "rowwise_adagrad", "lazy_adam"] = "adam"
    precision: Literal["fp32", "bf16"] = "fp32"
    shuffle: Shuffle = "rows"
