"""DCN-V2: explicit crosses of inputs beside or below a deep network (Wang et al., WWW 2021).

A cross layer multiplies the input x_0 with a linear map of the layer below (arXiv 2008.13535; the
low-rank forms replace the matrix by K experts of rank r, weighted by a gate):

    full        x_{l+1} = x_0 (elementwise) (W_l x_l + b_l) + x_l                           (Eq. 1)
    low_rank    E_i = x_0 (elementwise) (U_i V_i' x_l + b_l)                            (Eq. 2, 3)
    nonlinear   E_i = x_0 (elementwise) (U_i tanh(C_i tanh(V_i' x_l)) + b_l)                (Eq. 4)
                x_{l+1} = sum_i G_i(x_l) E_i(x_l) + x_l    for both
    parallel    h = [x_L, deep(x_0)]
    stacked     h = deep(x_L)

Experts share b_l. G is a softmax over the experts, which the paper offers beside a sigmoid; with
one expert it is 1, which is Eq. 2. The paper names no other g than a nonlinear function; public
code takes tanh.

DCN-V2 is a model of one task without scenarios. Here it is one joint model: the scenario is an
input field, and every (scenario, task) has its own head on h, linear as in the paper by default.
The paper writes G_i without a layer. Here every layer has its own gates; public code
(DeepCTR-Torch and its copies) shares one set between all cross layers, and its squeeze drops the
axis of a batch of one row.

Shape legend: M scenarios, T tasks, B rows, D width of x, K experts, R rank, F width of h.
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Depth, Frozen, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import Gate, TowerConfig, Towers, mlp
from hinet_search.models.layers.linear import Linear, StackedLinear
from hinet_search.models.layers.protocol import ProtocolConfig


class CrossConfig(Frozen):
    """Options of the cross layers; `full` uses neither `rank` nor `num_experts`."""

    num_layers: Depth = 2
    kind: Literal["full", "low_rank", "nonlinear"] = "full"
    rank: Count = 32
    num_experts: Count = 4


class Config(ProtocolConfig):
    """Options of DCN-V2; `widths` and `dropout` are of the deep network."""

    embedding_dim: Count = 8
    cross: CrossConfig = CrossConfig()
    structure: Literal["parallel", "stacked"] = "parallel"
    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    tower: TowerConfig = TowerConfig(widths=())


class LowRankExperts(nn.Module):
    """The gated sum of K maps of rank R, plus one bias."""

    def __init__(self, width: int, config: CrossConfig) -> None:
        super().__init__()
        rank = config.rank
        num_experts = config.num_experts
        self.down = StackedLinear(width, rank, num_experts, bias=False)
        is_nonlinear = config.kind == "nonlinear"
        self.core = StackedLinear(rank, rank, num_experts, bias=False) if is_nonlinear else None
        self.up = Linear(num_experts * rank, width)
        self.gate = Gate(width, num_experts, "softmax")

    def forward(self, x_BD: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return sum_i G_i(x) U_i z_i(x) + b of every row.

        The gate weighs z instead of U z, so one product applies all U_i.
        """
        z_KBR: Tensor = self.down(x_BD)
        if self.core is not None:
            z_KBR = torch.tanh(self.core(torch.tanh(z_KBR)))
        gate_1BK: Tensor = self.gate(x_BD)
        weighted_BKR = gate_1BK[0].unsqueeze(-1) * z_KBR.transpose(0, 1)
        y_BD: Tensor = self.up(weighted_BKR.flatten(start_dim=1))
        return y_BD


class CrossNetwork(nn.Module):
    """Cross layers one after another; each raises the degree in x_0 by one, unless nonlinear."""

    def __init__(self, width: int, config: CrossConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Linear(width, width) if config.kind == "full" else LowRankExperts(width, config)
            for _ in range(config.num_layers)
        )

    def forward(self, x0_BD: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return x_L of every row."""
        x_BD = x0_BD
        for layer in self.layers:
            x_BD = x0_BD * layer(x_BD) + x_BD
        return x_BD


class Model(nn.Module):
    """The scenario is an input field; apart from it only the heads depend on the scenario."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.is_parallel = config.structure == "parallel"
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        width = self.embedding.width
        self.cross = CrossNetwork(width, config.cross)
        self.deep = mlp(width, config.widths, config.dropout)
        self.towers = Towers(
            config.widths[-1] + (width if self.is_parallel else 0),
            config.tower.widths,
            schema.num_tasks,
            num_scenarios=schema.num_scenarios,
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x0_BD = self.embedding(rows.sort(batch))
        crossed_BD = self.cross(x0_BD)
        if self.is_parallel:
            h_BF = torch.cat([crossed_BD, self.deep(x0_BD)], dim=-1)
        else:
            h_BF = self.deep(crossed_BD)
        return rows.restore(self.towers(h_BF, rows.sizes))
