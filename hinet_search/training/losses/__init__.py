"""Losses: what the scores of a batch cost against its labels, one file each, found by its name.

A file has LOSS. A loss is the mean over the labels of a batch and can add what pairs of rows cost;
it must be finite for any finite score. What a student learns from its teacher is a cross entropy
whatever the loss of its labels (training/teaching.py).
Shape legend: B rows of a batch, H heads as in training/loss.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from hinet_search.common import plugins
from hinet_search.common.errors import ConfigurationError
from hinet_search.data.columns import Columns
from hinet_search.training.train_config import LOSSES


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a batch as a loss reads them, beside their scores.

    `weight_BH` is what every label counts in a mean, 0 where a row has none; without it all count
    alike. `row_weight_B` multiplies what a row costs, and not what a mean is divided by; without it
    every row counts 1. `is_amount_H` says which labels are amounts; without it none is. These
    tensors are on the device of the model. On the host are `rows_B`, the numbers of the rows in
    their split, and that `split`.
    """

    labels_BH: Float[Tensor, "B H"]
    weight_BH: Float[Tensor, "B H"] | None
    is_amount_H: Bool[Tensor, "H"] | None
    rows_B: Int[Tensor, "B"]
    split: Columns | None
    row_weight_B: Float[Tensor, "B"] | None = None

    @property
    def columns(self) -> Columns:
        """The columns of the split, as a loss of pairs needs them."""
        assert self.split is not None, "a training gives the rows that it trains on"
        return self.split


@dataclass(frozen=True)
class Loss:
    """`of_batch` returns the loss of scores (B, H), given their rows and `train.ranking_weight`.

    `of_pairs` says whether it compares rows of one user with each other, by that weight.
    """

    of_batch: Callable[[Float[Tensor, "B H"], LabelledRows, float], Float[Tensor, ""]]
    of_pairs: bool = False


def loss_named(name: str) -> Loss:
    """Return a loss; ConfigurationError if there is none of that name."""
    module = plugins.load(LOSSES, name)
    loss = getattr(module, "LOSS", None)
    if not isinstance(loss, Loss):
        raise ConfigurationError(f"loss {name} must have LOSS, a Loss, {module.__file__} has none")
    return loss
