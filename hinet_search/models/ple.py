"""PLE: progressive layers of shared and specific experts, a gate per slot (Tang et al., RecSys 2020).

    x -> level 1: shared experts, experts of every slot; a gate per slot over its own and the shared ones,
                  a shared gate over all of them                                    (nn/cgc.py)
      -> ... -> last level: no shared gate, its output would go nowhere
      -> a tower per (scenario, task) -> logits

A slot is what has experts and gates of its own: a (scenario, task), or a task that all scenarios have in common.
Shape legend: M scenarios, T tasks, B rows, D width of x, H width of an expert.
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.frozen import Count
from hinet_search.insight import Insight
from hinet_search.nn.cgc import CGC, CGCConfig
from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.nn.experts import ExpertConfig
from hinet_search.nn.protocol import ProtocolConfig
from hinet_search.nn.rows import rows_by_scenario
from hinet_search.nn.towers import TowerConfig, Towers
from hinet_search.schema import Batch, Schema


class Config(ProtocolConfig):
    """Options of PLE; `dropout` is the experts', `num_specific_experts` counts those of one slot.

    Below its last level a row needs the experts of all slots, so `num_levels: 2` costs more with more scenarios.
    """

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    slots: Literal["scenario_task", "task"] = "scenario_task"
    num_levels: Count = 1
    num_shared_experts: Count = 2
    num_specific_experts: Count = 1
    expert: ExpertConfig = ExpertConfig()
    tower: TowerConfig = TowerConfig()


class Model(nn.Module):
    """The scenario is one more input field; towers are per (scenario, task), whatever the slots are."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.config = config
        self.schema = schema
        num_scenarios, num_tasks = schema.num_scenarios, schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        self.cgc = CGC(self.embedding.width, num_scenarios, num_tasks, _cgc_config(config), gate="softmax")
        self.towers = Towers(self.cgc.width, config.tower.widths, num_tasks, num_scenarios=num_scenarios)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        slots_TBH = self.cgc(self.embedding(rows.sort(batch)), rows.sizes)
        return rows.restore(self.towers(slots_TBH, rows.sizes))

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Mean weights of the last level's gates on the rows of `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        return Insight(gates=self.cgc.usage(x_BD, rows.sizes, self.schema.scenarios, self.schema.tasks))


def _cgc_config(config: Config) -> CGCConfig:
    return CGCConfig(
        layout="global" if config.slots == "scenario_task" else "shared",
        num_levels=config.num_levels,
        num_shared_experts=config.num_shared_experts,
        num_specific_experts=config.num_specific_experts,
        widths=config.expert.widths,
        dropout=config.dropout,
    )
