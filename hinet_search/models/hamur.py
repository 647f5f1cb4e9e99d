"""HAMUR: adapter cells in an MLP, with weights generated for each row (Li et al., CIKM 2023).

A hyper-network, shared by all scenarios, turns the input x of a row, which includes its scenario,
into a k x k matrix I. A cell after a hidden layer h of the backbone reads and writes h through a
bottleneck whose weights are low-rank products around I:

    I     = hyper(x)                                          the same for all cells of a row
    down  = U_1 I V_1,   up = U_2 I V_2                       U and V belong to the cell
    a     = sigmoid(h down + b) up
    h'    = h + DN_m(a)                                       h' replaces h

DN_m, the domain norm of scenario m, is partitioned normalisation as in STAR: statistics, gain and
bias are those of the scenario (models/layers/partitioned_norm.py). `down` and `up` are never
formed: h is multiplied by U_1, I and V_1 in turn.

The equations follow the released code (Applied-Machine-Learning-Lab/HAMUR), since we could not read
the paper's own. It has one task and a backbone per scenario, with a cell after the last hidden
layer (after the last two of its seven-layer form). Here all scenarios and tasks share a backbone,
followed by a tower per (scenario, task); `backbone` and `adapter.after` choose other forms. Four
points of the code are not repeated:
- Its domain norm has one gain and bias, and takes mean and variance over the rows of all scenarios,
  also in evaluation. There a score depends on the rows beside it, and a row alone scores NaN.
- U and V start as ones. Then all units of a bottleneck are equal and stay so: it acts as one unit.
- Its hyper-network ends with batch normalisation and ReLU, so I has no negative entry. Here its
  last layer is linear; it and the backbone are normalised only if `normalisation` says so.
- `up` has a bias, which the normalisation after it subtracts again. Here it has none.

Shape legend: M scenarios, T tasks, B rows sorted by scenario, D width of x, H width of a hidden
layer, K rank k of I, N width of the bottleneck, I inputs and O outputs of a generated layer.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Frozen, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import TowerConfig, Towers, mlp
from hinet_search.models.layers.hidden_norm import hidden
from hinet_search.models.layers.linear import Linear, StackedLinear
from hinet_search.models.layers.partitioned_norm import PartitionedNorm
from hinet_search.models.layers.protocol import ProtocolConfig


class HyperConfig(Frozen):
    """Options of the hyper-network: its hidden widths, and the rank k of the matrix it returns."""

    widths: Layers = (64,)
    rank: Annotated[int, Field(ge=1, le=1000)] = 16


class AdapterConfig(Frozen):
    """Options of the adapter cells: the width of the bottleneck, and the layers with a cell."""

    width: Count = 32
    after: Literal["last", "all"] = "last"


class Config(ProtocolConfig):
    """Options of HAMUR; `widths` and `dropout` are of the backbone."""

    embedding_dim: Count = 8
    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    backbone: Literal["shared", "per_scenario"] = "shared"
    adapter: AdapterConfig = AdapterConfig()
    hyper: HyperConfig = HyperConfig()
    tower: TowerConfig = TowerConfig(widths=())


class Model(nn.Module):
    """The scenario is an input field, has its own domain norms, and its own tower per task."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        num_scenarios = schema.num_scenarios
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        self.hyper = InstanceHyperNetwork(self.embedding.width, config.hyper)
        num_backbones = num_scenarios if config.backbone == "per_scenario" else 1
        widths = [self.embedding.width, *config.widths]
        self.layers = nn.ModuleList(
            hidden(StackedLinear(*step, 1, num_groups=num_backbones)) for step in pairwise(widths)
        )
        self.activation = Activation(config.dropout)
        adapted_widths = config.widths if config.adapter.after == "all" else config.widths[-1:]
        self.adapters = nn.ModuleList(
            AdapterCell(width, config.adapter.width, config.hyper.rank, num_scenarios)
            for width in adapted_widths
        )
        self.towers = Towers(
            widths[-1], config.tower.widths, schema.num_tasks, num_scenarios=num_scenarios
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        h_BH = self.embedding(rows.sort(batch))
        matrix_BKK = self.hyper(h_BH)
        first_adapted = len(self.layers) - len(self.adapters)
        for number, layer in enumerate(self.layers):
            h_BH = self.activation(layer(h_BH, rows.sizes))[0]
            if number >= first_adapted:
                h_BH = self.adapters[number - first_adapted](h_BH, matrix_BKK, rows.sizes)
        return rows.restore(self.towers(h_BH, rows.sizes))


class InstanceHyperNetwork(nn.Module):
    """An MLP with a linear last layer that returns the matrix I of a row."""

    def __init__(self, in_width: int, config: HyperConfig) -> None:
        super().__init__()
        self.rank = config.rank
        self.hidden = mlp(in_width, config.widths)
        self.output = Linear([in_width, *config.widths][-1], config.rank**2)

    def forward(self, x_BD: Float[Tensor, "B D"]) -> Float[Tensor, "B K K"]:
        """Return I of every row."""
        return torch.unflatten(self.output(self.hidden(x_BD)), 1, (self.rank, self.rank))


class AdapterCell(nn.Module):
    """An adapter cell: h + DN_m(sigmoid(h U_1 I V_1 + b) U_2 I V_2)."""

    def __init__(self, width: int, bottleneck: int, rank: int, num_scenarios: int) -> None:
        super().__init__()
        self.down = GeneratedLinear(width, bottleneck, rank)
        self.up = GeneratedLinear(bottleneck, width, rank, bias=False)
        self.norm = PartitionedNorm(width, num_scenarios)

    def forward(
        self, h_BH: Float[Tensor, "B H"], matrix_BKK: Float[Tensor, "B K K"], sizes: Sequence[int]
    ) -> Float[Tensor, "B H"]:
        """Adapt rows sorted by scenario, `sizes[m]` of them for scenario m."""
        bottleneck_BN = torch.sigmoid(self.down(h_BH, matrix_BKK))
        change_BH: Tensor = self.norm(self.up(bottleneck_BN, matrix_BKK), sizes)
        return h_BH + change_BH


class GeneratedLinear(nn.Module):
    """A linear layer with weights U I V of each row's own; U, V and b start as in nn.Linear."""

    def __init__(self, in_width: int, out_width: int, rank: int, *, bias: bool = True) -> None:
        super().__init__()
        self.u = Linear(in_width, rank, bias=False)
        self.v = Linear(rank, out_width, bias=bias)

    def forward(
        self, x_BI: Float[Tensor, "B I"], matrix_BKK: Float[Tensor, "B K K"]
    ) -> Float[Tensor, "B O"]:
        """Return x U I V + b of every row."""
        read_B1K = self.u(x_BI).unsqueeze(1)
        y_BO: Tensor = self.v(torch.bmm(read_B1K, matrix_BKK)[:, 0])
        return y_BO
