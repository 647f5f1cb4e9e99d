"""Experts: many MLPs of one shape computed together, and mixtures of them.

Shape legend: G groups (scenarios, or 1), K experts of one group, B rows, D inputs, H width of an expert's output,
S mixtures made of the same rows.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.frozen import Frozen
from hinet_search.nn.activation import Activation
from hinet_search.nn.gates import Gate
from hinet_search.nn.mixing import mix
from hinet_search.nn.stacked import StackedLinear


class ExpertConfig(Frozen):
    """Hidden widths of an expert; where there are levels, those of all are alike."""

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (128, 64)


class Experts(nn.Module):
    """`num_groups` groups of `num_experts` MLPs; ReLU and dropout follow every layer."""

    def __init__(
        self, in_width: int, widths: Sequence[int], num_experts: int, *, dropout: float = 0.0, num_groups: int = 1
    ) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.num_groups = num_groups
        steps = pairwise([in_width, *widths])
        self.layers = nn.ModuleList(StackedLinear(*step, num_experts, num_groups=num_groups) for step in steps)
        self.activation = Activation(dropout)

    def forward(
        self, x: Float[Tensor, "*stack B D"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "*experts B H"]:
        """Every expert of every group on every row, (G * K, B, H); with `sizes` only the row's own group, (K, B, H).

        See StackedLinear for the forms of x and for `sizes`. Without `widths` it is x itself.
        """
        for layer in self.layers:
            x = self.activation(layer(x, sizes))
        return x


class Mixture(nn.Module):
    """A mixture of experts per group: HiNet's sub-expert integration (arXiv 2303.06095, section III-B).

    `gate` has one gate per group and as many groups as `experts`.
    """

    def __init__(self, experts: Experts, gate: Gate) -> None:
        super().__init__()
        self.experts = experts
        self.gate = gate

    def forward(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int] | None = None) -> Float[Tensor, "G B H"]:
        """Every group's mixture of every row; with `sizes` only the row's own group (G = 1). See StackedLinear."""
        gate_GBK = self.gate(x_BD, sizes)
        y_GKBH = self.experts(x_BD, sizes).unflatten(0, (-1, self.gate.num_experts))
        return mix(gate_GBK, y_GKBH)
