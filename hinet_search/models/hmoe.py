"""HMoE: MMoE whose scenarios lend one another their scores (Li et al., CIKM 2020).

Every scenario scores every row, S_j = tower_j(sum_n softmax(V_j x)_n e_n(x)), and the row's own scenario t weighs the
scores, W_t = softmax over scenarios of U_t x:

    f_t = W_tt S_t + sum_{j != t} W_tj stopgrad(S_j)

A score is a logit here, what a ranking score is before the sigmoid, and so is f_t. A mixture of probabilities would fit
the formula too, but there an own score cannot outvote another scenario's sure mistake, and the stopped gradient cannot
correct it.
Each task has towers, gates and weights of its own over experts that all tasks share.
Shape legend: M scenarios, T tasks, B rows, D width of x, K experts, H width of an expert.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.frozen import Count
from hinet_search.insight import Insight
from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.nn.experts import ExpertConfig, Experts
from hinet_search.nn.gates import Gate
from hinet_search.nn.mixing import mix
from hinet_search.nn.protocol import ProtocolConfig
from hinet_search.nn.rows import rows_by_scenario
from hinet_search.nn.towers import TowerConfig, Towers
from hinet_search.nn.usage import Expert, gate_usage, numbered
from hinet_search.schema import Batch, Schema


class Config(ProtocolConfig):
    """Options of HMoE; `dropout` is the experts'."""

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    num_experts: Count = 3
    expert: ExpertConfig = ExpertConfig()
    tower: TowerConfig = TowerConfig()


class Model(nn.Module):
    """The scenario is one more input field; gates, towers and weights of scores are per (scenario, task)."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        num_scenarios, num_tasks = schema.num_scenarios, schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        width = self.embedding.width
        self.experts = Experts(width, config.expert.widths, config.num_experts, dropout=config.dropout)
        self.gate = Gate(width, config.num_experts, "softmax", num_gates=num_tasks, num_groups=num_scenarios)
        self.towers = Towers(config.expert.widths[-1], config.tower.widths, num_tasks, num_scenarios=num_scenarios)
        self.relation = Gate(width, num_scenarios, "softmax", num_gates=num_tasks, num_groups=num_scenarios)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        ordered = rows.sort(batch)
        x_BD = self.embedding(ordered)
        y_1KBH = self.experts(x_BD).unsqueeze(0)
        own_BT = self.towers(mix(self.gate(x_BD, rows.sizes), y_1KBH), rows.sizes)
        with torch.no_grad():
            every_BMT = self.towers(mix(self.gate(x_BD), y_1KBH)).unflatten(-1, (-1, self.schema.num_tasks))
        numbers_M = torch.arange(self.schema.num_scenarios, device=x_BD.device)
        is_own_BM1 = (ordered.scenario_B.unsqueeze(-1) == numbers_M).unsqueeze(-1)
        # the own score was computed twice: that with a gradient takes its place among the others
        score_BMT = torch.where(is_own_BM1, own_BT.unsqueeze(1), every_BMT)
        weight_TBM = self.relation(x_BD, rows.sizes)
        return rows.restore((weight_TBM.permute(1, 2, 0) * score_BMT).sum(dim=1))

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Mean weights of every (scenario, task), over experts and then over the scenarios' scores."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        scenarios, tasks = self.schema.scenarios, self.schema.tasks
        experts = numbered("expert", self.gate.num_experts)
        gates = gate_usage(self.gate(x_BD, rows.sizes), rows.sizes, scenarios, tasks, experts)
        relations = tuple(f"{task} scores" for task in tasks)
        towers = tuple(Expert(scenario, of_gate=True) for scenario in scenarios)
        weight_TBM = self.relation(x_BD, rows.sizes)
        return Insight(gates=(*gates, *gate_usage(weight_TBM, rows.sizes, scenarios, relations, towers)))
