"""Experts: MLPs of one shape computed together, their mixtures and towers, and a plain MLP.

Shape legend: G groups (scenarios, or 1), K experts of one group, M scenarios, T tasks, B rows,
D inputs, H width of an expert's output and inputs of a tower.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Frozen, Layers
from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.gates import Gate, mix
from hinet_search.models.layers.linear import Linear, StackedLinear


class ExpertConfig(Frozen):
    """Hidden widths of an expert, the same at all levels."""

    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)


class Experts(nn.Module):
    """`num_groups` groups of `num_experts` MLPs; ReLU and dropout follow every layer."""

    def __init__(
        self,
        in_width: int,
        widths: Sequence[int],
        num_experts: int,
        *,
        dropout: float = 0.0,
        num_groups: int = 1,
    ) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.num_groups = num_groups
        steps = pairwise([in_width, *widths])
        self.layers = nn.ModuleList(
            StackedLinear(*step, num_experts, num_groups=num_groups) for step in steps
        )
        self.activation = Activation(dropout)

    def forward(
        self, x: Float[Tensor, "*stack B D"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "*experts B H"]:
        """Apply every expert of every group to every row, (G * K, B, H).

        With `sizes` only the experts of the row's own group, (K, B, H). See StackedLinear for the
        forms of x and for `sizes`. Without `widths` the output is x itself.
        """
        for layer in self.layers:
            x = self.activation(layer(x, sizes))
        return x


class Mixture(nn.Module):
    """A mixture of experts per group: HiNet's sub-expert integration (arXiv 2303.06095, III-B).

    `gate` has one gate per group and as many groups as `experts`.
    """

    def __init__(self, experts: Experts, gate: Gate) -> None:
        super().__init__()
        self.experts = experts
        self.gate = gate

    def forward(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "G B H"]:
        """Return every group's mixture of every row; with `sizes` only the row's group (G = 1).

        See StackedLinear for `sizes`.
        """
        gate_GBK = self.gate(x_BD, sizes)
        y_GKBH = self.experts(x_BD, sizes).unflatten(0, (-1, self.gate.num_experts))
        return mix(gate_GBK, y_GKBH)


def mlp(in_width: int, widths: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Return an MLP (B, in_width) -> (B, widths[-1]) with ReLU and dropout after every layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([in_width, *widths]):
        layers += [Linear(inputs, outputs), Activation(dropout)]
    return nn.Sequential(*layers)


class TowerConfig(Frozen):
    """Hidden widths of a tower; without any it is linear."""

    widths: Layers = (16,)


class Towers(nn.Module):
    """An MLP with a linear output per (scenario, task); without `widths` only the output."""

    def __init__(
        self, in_width: int, widths: Sequence[int], num_tasks: int, *, num_scenarios: int
    ) -> None:
        super().__init__()
        self.hidden = Experts(in_width, widths, num_tasks, num_groups=num_scenarios)
        self.output = StackedLinear([in_width, *widths][-1], 1, num_tasks, num_groups=num_scenarios)

    def forward(
        self, x: Float[Tensor, "*stack B H"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "B towers"]:
        """Return logits of each row's own scenario, (B, T); x is (B, H) or (T, B, H).

        Rows are sorted by scenario, see StackedLinear. Without `sizes` the logits are those of all
        scenarios, (B, M * T), scenario by scenario, and x is (B, H) or (M * T, B, H).
        """
        logits: Tensor = self.output(self.hidden(x, sizes), sizes)
        return logits[:, :, 0].T
