"""Flat MoE: one layer of experts, a gate and a tower per (scenario, task); no hierarchy, as many weights as asked for.

It answers whether HiNet gains by its structure or by its size: with `dense_parameters` its experts are made so wide
that it has as many parameters, embeddings not counted, as the model that it is compared with.
Shape legend: M scenarios, T tasks, B rows, D width of x, K experts, H width of an expert.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from hinet_search.frozen import Count
from hinet_search.insight import Insight
from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.nn.experts import Experts
from hinet_search.nn.gates import Gate
from hinet_search.nn.measure import count_parameters
from hinet_search.nn.mixing import mix
from hinet_search.nn.protocol import MDMT, ProtocolConfig
from hinet_search.nn.rows import rows_by_scenario
from hinet_search.nn.towers import TowerConfig, Towers
from hinet_search.nn.usage import gate_usage, numbered
from hinet_search.schema import Batch, Schema


class Config(ProtocolConfig):
    """Options of the flat MoE; `width` is the experts' one hidden width, `dropout` is theirs too.

    With `dense_parameters` the width is that whose number of parameters without embeddings comes nearest, and `width`
    is ignored.
    """

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    num_experts: Count = 4
    width: Count = 128
    tower: TowerConfig = TowerConfig()
    dense_parameters: Count | None = None

    @model_validator(mode="after")
    def _size_of_one_model(self) -> "Config":
        if self.dense_parameters is not None and self.protocol != MDMT:
            raise ValueError(
                f"dense_parameters is the size of one joint model and needs protocol: {MDMT}, got {self.protocol}; "
                "leave one of them out"
            )
        return self


class Model(nn.Module):
    """The scenario is one more input field; gates and towers are per (scenario, task). `width` is the experts'."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.width = _matching_width(config, schema) if config.dense_parameters is not None else config.width
        num_scenarios, num_tasks = schema.num_scenarios, schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        width = self.embedding.width
        self.experts = Experts(width, (self.width,), config.num_experts, dropout=config.dropout)
        self.gate = Gate(width, config.num_experts, "softmax", num_gates=num_tasks, num_groups=num_scenarios)
        self.towers = Towers(self.width, config.tower.widths, num_tasks, num_scenarios=num_scenarios)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        mixed_TBH = mix(self.gate(x_BD, rows.sizes), self.experts(x_BD).unsqueeze(0))
        return rows.restore(self.towers(mixed_TBH, rows.sizes))

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Mean weights of every (scenario, task) gate on the rows of `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        gate_TBK = self.gate(self.embedding(rows.sort(batch)), rows.sizes)
        experts = numbered("expert", self.gate.num_experts)
        return Insight(gates=gate_usage(gate_TBK, rows.sizes, self.schema.scenarios, self.schema.tasks, experts))


def _matching_width(config: Config, schema: Schema) -> int:
    """The expert width whose number of dense parameters is nearest to the one asked for, at least 1."""
    assert config.dense_parameters is not None, "a size is asked for"
    narrowest, next_wider = (_dense_parameters(config, schema, width) for width in (1, 2))
    # every weight matrix has the width on at most one side, so the number grows by the same step for each unit
    steps = (config.dense_parameters - narrowest) / (next_wider - narrowest)
    return 1 + max(0, round(steps))


def _dense_parameters(config: Config, schema: Schema, width: int) -> int:
    with torch.device("meta"):  # counted without memory and without a draw from the generator
        return count_parameters(Model(config.model_copy(update={"width": width, "dense_parameters": None}), schema))[1]
