"""Hidden norm: normalise the outputs of hidden layers, before their activation.

`batch` normalises an output over the rows that its layer gets (partitioned_norm.py), `layer` the
outputs of a row over one another. Every layer has gains and biases of its own.
Shape legend: G groups (scenarios, or 1), S layers of one group, N layers of a stack (S or G * S),
B rows sorted by group, R rows of all groups, I inputs, O outputs, C = S * O.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from hinet_search.common.frozen_model import Frozen
from hinet_search.models.layers.linear import Linear, StackedLinear, StarLinear
from hinet_search.models.layers.partitioned_norm import PartitionedNorm

Layer = TypeVar("Layer", Linear, StackedLinear, StarLinear)
Kind = Literal["none", "batch", "layer"]


class NetworkConfig(Frozen):
    """Options of every network: its Config inherits this.

    `normalisation` is of hidden layers (models/layers/hidden_norm.py); layers of M3oE and
    AdaSparse that have their own keep it.
    """

    normalisation: Annotated[Kind, Field(exclude_if=lambda kind: kind == "none")] = "none"


def hidden(layer: Layer) -> Layer:
    """Return a layer of rows before an activation, for `normalise_hidden` to find."""
    layer.is_hidden = True
    return layer


def normalise_hidden(model: nn.Module, kind: Kind) -> None:
    """Normalise all hidden layers of a model that has just been built, but those that are."""
    if kind == "none":
        return
    for parent in tuple(model.modules()):
        for name, layer in tuple(parent.named_children()):
            if isinstance(layer, Linear | StackedLinear | StarLinear) and layer.is_hidden:
                layer.is_hidden = False
                setattr(parent, name, NormalisedLayer(layer, kind))


class NormalisedLayer(nn.Module):
    """A hidden layer whose outputs are normalised; it is called as the layer itself."""

    def __init__(self, layer: Linear | StackedLinear | StarLinear, kind: Kind) -> None:
        super().__init__()
        self.layer = layer
        self.num_groups, self.num_layers, width = _shape_of(layer)
        stacked_norm = {"batch": StackedBatchNorm, "layer": StackedLayerNorm}[kind]
        self.norm: nn.Module = stacked_norm(width, self.num_layers, self.num_groups)

    def forward(
        self, x: Float[Tensor, "*stack B I"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "*layers B O"]:
        """Return the layer's outputs, normalised."""
        if isinstance(self.layer, Linear):
            y_1BO = self.layer(x).unsqueeze(0)
            return self._normalised(y_1BO, [x.shape[0]])[0]
        y_NBO: Tensor = self.layer(x, sizes)
        num_rows = y_NBO.shape[1]
        if self.num_groups == 1:
            return self._normalised(y_NBO, [num_rows])
        if sizes is not None:
            return self._normalised(y_NBO, sizes)
        # The layers of every group have all rows: one run of them after another.
        groups = (self.num_groups, -1)
        y_SRO = torch.unflatten(y_NBO, 0, groups).transpose(0, 1).flatten(1, 2)
        normalised_SRO = self._normalised(y_SRO, [num_rows] * self.num_groups)
        return torch.unflatten(normalised_SRO, 1, groups).transpose(0, 1).flatten(0, 1)

    def _normalised(
        self, y_SRO: Float[Tensor, "S R O"], sizes: Sequence[int]
    ) -> Float[Tensor, "S R O"]:
        """Normalise rows sorted by group, in fp32 at least."""
        precise_SRO = y_SRO.to(torch.promote_types(y_SRO.dtype, torch.float32))
        normalised_SRO: Tensor = self.norm(precise_SRO, sizes)
        return normalised_SRO


def _shape_of(layer: Linear | StackedLinear | StarLinear) -> tuple[int, int, int]:
    """Return the numbers of groups, of layers of a group, and of outputs."""
    if isinstance(layer, Linear):
        return 1, 1, layer.out_features
    if isinstance(layer, StackedLinear):
        return layer.num_groups, layer.num_layers, layer.weight_LIO.shape[2]
    num_groups, num_layers, width = layer.bias_change_MTO.shape
    return num_groups, num_layers, width


class StackedBatchNorm(nn.Module):
    """Normalise each output of a group's layers over its rows."""

    def __init__(self, width: int, num_layers: int, num_groups: int) -> None:
        super().__init__()
        self.columns = PartitionedNorm(
            num_layers * width, num_groups, has_own_gains=num_groups > 1, is_fused=True
        )

    def forward(
        self, y_SRO: Float[Tensor, "S R O"], sizes: Sequence[int]
    ) -> Float[Tensor, "S R O"]:
        """Normalise rows sorted by group; see PartitionedNorm for one row, and for evaluation."""
        normalised_RC: Tensor = self.columns(y_SRO.transpose(0, 1).flatten(1), sizes)
        return torch.unflatten(normalised_RC, 1, (len(y_SRO), -1)).transpose(0, 1)


class StackedLayerNorm(nn.Module):
    """Normalise each row's outputs of each layer, with a gain and a bias per layer and output."""

    def __init__(self, width: int, num_layers: int, num_groups: int = 1) -> None:
        super().__init__()
        self.num_groups = num_groups
        # Stored as gain - 1, so that weight decay pulls it to 1 and not to 0.
        shape = (num_groups * num_layers, 1, width)
        self.gain_change_N1O = nn.Parameter(torch.zeros(shape))
        self.bias_N1O = nn.Parameter(torch.zeros(shape))

    def forward(
        self, x_SRO: Float[Tensor, "S R O"], sizes: Sequence[int] = ()
    ) -> Float[Tensor, "S R O"]:
        """Return (x - mean) / sqrt(variance + 1e-5) * gain + bias; mean and variance are over O.

        Rows are sorted by group, `sizes[g]` of them for group g; a single group has all.
        """
        normalised_SRO = layer_norm(x_SRO, x_SRO.shape[-1:])
        gain_N1O = 1 + self.gain_change_N1O
        if self.num_groups == 1:
            return normalised_SRO * gain_N1O + self.bias_N1O
        runs = torch.split(normalised_SRO, list(sizes), dim=1)
        gains, biases = (
            torch.unflatten(each_N1O, 0, (self.num_groups, -1)).unbind(0)
            for each_N1O in (gain_N1O, self.bias_N1O)
        )
        outputs = [
            run_SRO * gain_S1O + bias_S1O
            for run_SRO, gain_S1O, bias_S1O in zip(runs, gains, biases, strict=True)
        ]
        return torch.cat(outputs, dim=1)
