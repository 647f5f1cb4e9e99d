"""PLE: levels of shared and specific experts, a gate per slot (Tang et al., RecSys 2020).

    x -> level 1: shared experts, and specific experts of every slot;
                  a gate per slot over its specific and the shared experts,
                  a shared gate over all experts                            (models/layers/cgc.py)
      -> ... -> last level: no shared gate, since nothing would read its output
      -> a tower per (scenario, task) -> logits

A slot owns experts and gates. It is a (scenario, task), or a task common to all scenarios.
Shape legend: M scenarios, T tasks, B rows, D width of x, H width of an expert.
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Depth
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.cgc import CGC, CGCConfig
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import ExpertConfig, TowerConfig, Towers
from hinet_search.models.layers.protocol import ProtocolConfig
from hinet_search.results.records import Insight


class Config(ProtocolConfig):
    """Options of PLE; `dropout` applies to the experts, `num_specific_experts` is per slot.

    Below the last level a row needs the experts of all slots, so with `num_levels` above 1 the cost
    of a row grows with the number of scenarios.
    """

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    slots: Literal["scenario_task", "task"] = "scenario_task"
    num_levels: Depth = 1
    num_shared_experts: Count = 2
    num_specific_experts: Count = 1
    expert: ExpertConfig = ExpertConfig()
    tower: TowerConfig = TowerConfig()


class Model(nn.Module):
    """The scenario is an input field; towers are per (scenario, task), whatever the slots are."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.config = config
        self.schema = schema
        num_scenarios = schema.num_scenarios
        num_tasks = schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        layers = CGCConfig(
            layout="global" if config.slots == "scenario_task" else "shared",
            num_levels=config.num_levels,
            num_shared_experts=config.num_shared_experts,
            num_specific_experts=config.num_specific_experts,
            widths=config.expert.widths,
            dropout=config.dropout,
        )
        self.cgc = CGC(self.embedding.width, num_scenarios, num_tasks, layers, gate="softmax")
        self.towers = Towers(
            self.cgc.width, config.tower.widths, num_tasks, num_scenarios=num_scenarios
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        slots_TBH = self.cgc(self.embedding(rows.sort(batch)), rows.sizes)
        return rows.restore(self.towers(slots_TBH, rows.sizes))

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Return the mean weights of the last level's gates on the rows of `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        return Insight(gates=self.cgc.usage(x_BD, rows.sizes, self.schema))
