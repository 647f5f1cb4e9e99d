"""MMoE: shared experts, mixed by one gate per (scenario, task) (Ma et al., KDD 2018).

f_k(x) = sum_n softmax(W_k x)_n e_n(x), then the tower of k.
Shape legend: M scenarios, T tasks, B rows, D width of x, K experts, H width of an expert.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.diagnostics import gate_usage, numbered
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import ExpertConfig, Experts, Gate, TowerConfig, Towers, mix
from hinet_search.models.layers.protocol import ProtocolConfig
from hinet_search.results.records import Insight


class Config(ProtocolConfig):
    """Options of MMoE; `dropout` applies to the experts."""

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    num_experts: Count = 3
    expert: ExpertConfig = ExpertConfig()
    tower: TowerConfig = TowerConfig()


class Model(nn.Module):
    """The scenario is an input field; gates and towers are per (scenario, task)."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        width = self.embedding.width
        self.experts = Experts(
            width, config.expert.widths, config.num_experts, dropout=config.dropout
        )
        self.gate = Gate(
            width,
            config.num_experts,
            "softmax",
            num_gates=schema.num_tasks,
            num_groups=schema.num_scenarios,
        )
        self.towers = Towers(
            config.expert.widths[-1],
            config.tower.widths,
            schema.num_tasks,
            num_scenarios=schema.num_scenarios,
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        gate_TBK = self.gate(x_BD, rows.sizes)
        f_TBH = mix(gate_TBK, self.experts(x_BD).unsqueeze(0))
        return rows.restore(self.towers(f_TBH, rows.sizes))

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Return the mean weights of every (scenario, task) gate on the rows of `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        gate_TBK = self.gate(self.embedding(rows.sort(batch)), rows.sizes)
        experts = numbered("expert", self.gate.num_experts)
        return Insight(gates=gate_usage(gate_TBK, rows.sizes, self.schema, experts))
