"""Stacked linear layers: many layers of one shape in one tensor, computed together.

Experts, gates and towers differ only in how many there are and who owns them, so they all stand on this layer.
Shape legend: G groups (scenarios, or 1), S layers of one group, L = G * S all layers group by group, B rows, I inputs,
O outputs.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from hinet_search.nn.product import product

# In bf16 torch builds a kernel for every new shape, which takes ten times as long as to use it (fp32 has one for all).
# Groups of rows have another size in every batch: in steps of so many rows few shapes are left, and few rows wasted.
ROWS_OF_A_KERNEL = 32


class StackedLinear(nn.Module):
    """`num_groups` groups of `num_layers` linear layers. Initialised like as many nn.Linear."""

    bias_LO: nn.Parameter | None

    def __init__(
        self, in_width: int, out_width: int, num_layers: int, *, num_groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.num_groups = num_groups
        self.num_layers = num_layers
        bound = 1 / math.sqrt(in_width)
        shape = (num_groups * num_layers, in_width, out_width)
        self.weight_LIO = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        initial_bias = torch.empty(num_groups * num_layers, out_width).uniform_(-bound, bound)
        self.bias_LO = nn.Parameter(initial_bias) if bias else None

    def forward(
        self, x: Float[Tensor, "*stack B I"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "layers B O"]:
        """All L layers on all rows; with `sizes` each row only through the S layers of its own group.

        x is (B, I), the same input for every layer, or has one input per layer: (L, B, I), with sizes (S, B, I).
        Rows come sorted by group, `sizes[g]` of them for group g, which may be 0. A single group takes all rows.
        """
        if sizes is None or self.num_groups == 1:
            return linear(x, self.weight_LIO, self.bias_LO)
        groups = (self.num_groups, self.num_layers)
        # unbind once: indexing a stacked parameter per group would write a full-size gradient for each group
        weights = torch.unflatten(self.weight_LIO, 0, groups).unbind(0)
        biases: Sequence[Tensor | None] = [None] * self.num_groups
        if self.bias_LO is not None:
            biases = torch.unflatten(self.bias_LO, 0, groups).unbind(0)
        runs = torch.split(x, list(sizes), dim=-2)
        return torch.cat([linear(*run) for run in zip(runs, weights, biases, strict=True)], dim=-2)


def linear(
    x: Float[Tensor, "*stack B I"], weight_SIO: Float[Tensor, "S I O"], bias_SO: Float[Tensor, "S O"] | None
) -> Float[Tensor, "S B O"]:
    """One matrix product for an input that all layers share, one batched product for an input per layer."""
    num_rows = x.shape[-2]
    if torch.is_autocast_enabled("cpu") and num_rows % ROWS_OF_A_KERNEL:
        padded = pad(x, (0, 0, 0, -num_rows % ROWS_OF_A_KERNEL))
        return linear(padded, weight_SIO, bias_SO)[:, :num_rows]
    if x.dim() == 3:
        return torch.bmm(x, weight_SIO) if bias_SO is None else torch.baddbmm(bias_SO.unsqueeze(1), x, weight_SIO)
    weight_IC = weight_SIO.transpose(0, 1).flatten(start_dim=1)  # C columns: the outputs of all layers, layer by layer
    y_BC = product(x, weight_IC, None if bias_SO is None else bias_SO.flatten())
    return torch.unflatten(y_BC, 1, (len(weight_SIO), -1)).transpose(0, 1)
