"""HMoE: MMoE whose scenarios share their scores (Li et al., CIKM 2020).

Every scenario scores every row, S_j = tower_j(sum_n softmax(V_j x)_n e_n(x)), and the row's own
scenario t weights the scores, W_t = softmax over scenarios of U_t x:

    f_t = W_tt S_t + sum_{j != t} W_tj stopgrad(S_j)

Scores and f_t are logits here. A mixture of probabilities would fit the formula too, but then the
scenario's own score cannot outweigh a confident mistake of another scenario, and the stopped
gradient cannot correct that mistake.
Each task has its own towers, gates and weights; all tasks share the experts. W_t of a task is a
softmax over the scenarios that have it.
Shape legend: M scenarios, T tasks, B rows, D width of x, K experts, H width of an expert.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.diagnostics import Expert, gate_usage, numbered
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import ExpertConfig, Experts, Gate, TowerConfig, Towers, mix
from hinet_search.models.layers.protocol import ProtocolConfig
from hinet_search.results.records import GateUsage, Insight


class Config(ProtocolConfig):
    """Options of HMoE; `dropout` applies to the experts."""

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    num_experts: Count = 3
    expert: ExpertConfig = ExpertConfig()
    tower: TowerConfig = TowerConfig()


class Model(nn.Module):
    """The scenario is an input field; gates, towers and score weights are per (scenario, task)."""

    has_task_MT: Tensor | None

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        num_scenarios = schema.num_scenarios
        num_tasks = schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        width = self.embedding.width
        self.experts = Experts(
            width, config.expert.widths, config.num_experts, dropout=config.dropout
        )
        self.gate = Gate(
            width, config.num_experts, "softmax", num_gates=num_tasks, num_groups=num_scenarios
        )
        self.towers = Towers(
            config.expert.widths[-1], config.tower.widths, num_tasks, num_scenarios=num_scenarios
        )
        self.relation = Gate(
            width, num_scenarios, "softmax", num_gates=num_tasks, num_groups=num_scenarios
        )
        has_task_MT = torch.from_numpy(schema.has_task) if schema.absent_cells else None
        self.register_buffer("has_task_MT", has_task_MT, persistent=False)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        ordered = rows.sort(batch)
        x_BD = self.embedding(ordered)
        y_1KBH = self.experts(x_BD).unsqueeze(0)
        own_BT = self.towers(mix(self.gate(x_BD, rows.sizes), y_1KBH), rows.sizes)
        with torch.no_grad():
            all_scores = self.towers(mix(self.gate(x_BD), y_1KBH))
            every_BMT = all_scores.unflatten(-1, (-1, self.schema.num_tasks))
        numbers_M = torch.arange(self.schema.num_scenarios, device=x_BD.device)
        is_own_BM1 = (ordered.scenario_B.unsqueeze(-1) == numbers_M).unsqueeze(-1)
        # The own score was computed twice; put the one with a gradient in the table.
        score_BMT = torch.where(is_own_BM1, own_BT.unsqueeze(1), every_BMT)
        weight_BMT = self._score_weights(x_BD, ordered, rows.sizes).permute(1, 2, 0)
        return rows.restore((weight_BMT * score_BMT).sum(dim=1))

    def _score_weights(
        self, x_BD: Float[Tensor, "B D"], ordered: Batch, sizes: Sequence[int]
    ) -> Float[Tensor, "T B M"]:
        """Return the weights of all scenarios' scores; a scenario without the task has weight 0.

        That does not hold for a task that the row's own scenario lacks, whose logit is not used.
        """
        has_score_TBM = None
        if self.has_task_MT is not None:
            lacks_own_BT = ~self.has_task_MT.index_select(0, ordered.scenario_B)
            has_score_TBM = (self.has_task_MT | lacks_own_BT.unsqueeze(1)).permute(2, 0, 1)
        weight_TBM: Tensor = self.relation(x_BD, sizes, has_score_TBM)
        return weight_TBM

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Return each (scenario, task)'s mean weights: first over experts, then over scores."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        ordered = rows.sort(batch)
        x_BD = self.embedding(ordered)
        scenarios = self.schema.scenarios
        experts = numbered("expert", self.gate.num_experts)
        gates = gate_usage(self.gate(x_BD, rows.sizes), rows.sizes, self.schema, experts)
        relations: dict[str, GateUsage] = {}
        weight_TBM = self._score_weights(x_BD, ordered, rows.sizes)
        for task, weight_BM in zip(self.schema.tasks, weight_TBM, strict=True):
            having = [cell.scenario_number for cell in self.schema.cells if cell.task == task]
            towers = [Expert(scenarios[number], of_gate=True) for number in having]
            weight_1BK = weight_BM[None, :, having]
            for usage in gate_usage(weight_1BK, rows.sizes, self.schema, towers, (_scores(task),)):
                relations[usage.where] = usage
        names = (f"{cell.scenario}/{_scores(cell.task)}" for cell in self.schema.cells)
        of_cells = tuple(relations[name] for name in names if name in relations)
        return Insight(gates=(*gates, *of_cells))


def _scores(task: str) -> str:
    """Name the gate over the scores of a task."""
    return f"{task} scores"
