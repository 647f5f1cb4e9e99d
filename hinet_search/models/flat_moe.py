"""Flat MoE: one layer of experts, a gate and a tower per (scenario, task), without hierarchy.

A baseline that separates the effect of HiNet's structure from its size: `dense_parameters`
widens the experts until the model has as many parameters, embeddings excluded, as the model that it
is compared with.
Shape legend: M scenarios, T tasks, B rows, D width of x, K experts, H width of an expert.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Large
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.diagnostics import gate_usage, numbered
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import Experts, Gate, TowerConfig, Towers, mix
from hinet_search.models.layers.measure import count_parameters, without_weights
from hinet_search.models.layers.protocol import MDMT, ProtocolConfig
from hinet_search.results.records import Insight


class Config(ProtocolConfig):
    """Options of the flat MoE; `width` is the hidden width of the experts, `dropout` their dropout.

    With `dense_parameters`, `width` is ignored: the experts get the width whose number of
    parameters, embeddings excluded, is nearest to it.
    """

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    num_experts: Count = 4
    width: Count = 128
    tower: TowerConfig = TowerConfig()
    dense_parameters: Large | None = None

    @model_validator(mode="after")
    def _target_size_needs_joint_model(self) -> "Config":
        if self.dense_parameters is not None and self.protocol != MDMT:
            raise ValueError(
                f"dense_parameters is the size of one joint model and needs protocol: {MDMT}, "
                f"got {self.protocol}; leave one of them out"
            )
        return self


class Model(nn.Module):
    """The scenario is an input field; gates and towers are per (scenario, task).

    `width` is the width of the experts, also when `dense_parameters` decides it.
    """

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.width = config.width
        if config.dense_parameters is not None:
            self.width = _matching_width(config, schema)
        num_scenarios = schema.num_scenarios
        num_tasks = schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        width = self.embedding.width
        self.experts = Experts(width, (self.width,), config.num_experts, dropout=config.dropout)
        self.gate = Gate(
            width, config.num_experts, "softmax", num_gates=num_tasks, num_groups=num_scenarios
        )
        self.towers = Towers(
            self.width, config.tower.widths, num_tasks, num_scenarios=num_scenarios
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        mixed_TBH = mix(self.gate(x_BD, rows.sizes), self.experts(x_BD).unsqueeze(0))
        return rows.restore(self.towers(mixed_TBH, rows.sizes))

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Return the mean weights of every (scenario, task) gate on the rows of `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        gate_TBK = self.gate(self.embedding(rows.sort(batch)), rows.sizes)
        experts = numbered("expert", self.gate.num_experts)
        return Insight(gates=gate_usage(gate_TBK, rows.sizes, self.schema, experts))


def _matching_width(config: Config, schema: Schema) -> int:
    """Return the expert width that comes nearest to `config.dense_parameters`, at least 1."""
    assert config.dense_parameters is not None, "only called with a target size"
    parameters_at_1 = _count_dense_parameters(config, schema, width=1)
    parameters_at_2 = _count_dense_parameters(config, schema, width=2)
    # The width is on at most one side of every weight matrix, so the count grows linearly with it.
    parameters_per_unit = parameters_at_2 - parameters_at_1
    extra_units = round((config.dense_parameters - parameters_at_1) / parameters_per_unit)
    return 1 + max(0, extra_units)


def _count_dense_parameters(config: Config, schema: Schema, width: int) -> int:
    with without_weights():
        sized_config = config.model_copy(update={"width": width, "dense_parameters": None})
        _, num_dense = count_parameters(Model(sized_config, schema))
    return num_dense
