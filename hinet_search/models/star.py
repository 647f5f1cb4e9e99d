"""STAR: a network per scenario, its weights times shared weights (Sheng et al., CIKM 2021).

    W*_p = W_p (elementwise) W,  b*_p = b_p + b    for every layer of an MLP, on scenario p's rows
    s_main = that MLP on x, or on x normalised per scenario                        (PartitionedNorm)
    s_aux  = a small MLP, shared by all scenarios, on the embedding of the scenario and x
    logits = s_main + s_aux

Every task has its own main and auxiliary networks; all tasks share embeddings and normalisation
(models/layers/partitioned_norm.py).
Shape legend: M scenarios, T tasks, B rows sorted by scenario, D width of x, E embedding width.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import TowerConfig, Towers
from hinet_search.models.layers.hidden_norm import hidden
from hinet_search.models.layers.linear import StarLinear
from hinet_search.models.layers.partitioned_norm import PartitionedNorm
from hinet_search.models.layers.protocol import ProtocolConfig


class Config(ProtocolConfig):
    """Options of STAR; `widths` and `dropout` are of the main network, `auxiliary` of the other."""

    embedding_dim: Count = 4
    widths: Annotated[Layers, Field(min_length=1)] = (256, 128)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    partitioned_norm: bool = False
    auxiliary: TowerConfig = TowerConfig()


class StarNetwork(nn.Module):
    """An MLP of StarLinear layers with one output, with ReLU and dropout after the hidden ones."""

    def __init__(
        self, in_width: int, config: Config, num_tasks: int, *, num_scenarios: int
    ) -> None:
        super().__init__()
        widths = [in_width, *config.widths]
        self.hidden = nn.ModuleList(
            hidden(StarLinear(*step, num_tasks, num_scenarios=num_scenarios))
            for step in pairwise(widths)
        )
        self.output = StarLinear(widths[-1], 1, num_tasks, num_scenarios=num_scenarios)
        self.activation = Activation(config.dropout)

    def forward(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "B T"]:
        """Return s_main of each row's own scenario; rows are sorted by scenario."""
        hidden = x_BD
        for layer in self.hidden:
            hidden = self.activation(layer(hidden, sizes))
        logits_TB1: Tensor = self.output(hidden, sizes)
        return logits_TB1[:, :, 0].T


class Model(nn.Module):
    """The scenario selects the weights of the main network and is an input of the auxiliary one.

    The main network does not get the scenario's embedding: it is constant within a scenario, so
    normalisation would remove it.
    """

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        num_scenarios = schema.num_scenarios
        num_tasks = schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim)
        width = self.embedding.width
        self.norm = PartitionedNorm(width, num_scenarios) if config.partitioned_norm else None
        self.star = StarNetwork(width, config, num_tasks, num_scenarios=num_scenarios)
        self.scenario_embedding = nn.Embedding(num_scenarios, config.embedding_dim)
        auxiliary_width = config.embedding_dim + width
        self.auxiliary = Towers(
            auxiliary_width, config.auxiliary.widths, num_tasks, num_scenarios=1
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        ordered = rows.sort(batch)
        x_BD = self.embedding(ordered)
        scenario_BE = self.scenario_embedding(ordered.scenario_B.long())
        s_aux_BT = self.auxiliary(torch.cat([scenario_BE, x_BD], dim=-1))
        s_main_BT = self.star(
            x_BD if self.norm is None else self.norm(x_BD, rows.sizes), rows.sizes
        )
        return rows.restore(s_main_BT + s_aux_BT)
