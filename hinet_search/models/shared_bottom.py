"""Shared Bottom: one trunk for all, then a tower per (scenario, task) (Caruana, 1997).

Shape legend: M scenarios, T tasks, B rows, D width of x, H width of the trunk.
"""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Frozen, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import TowerConfig, Towers, mlp
from hinet_search.models.layers.protocol import ProtocolConfig


class TrunkConfig(Frozen):
    """Hidden widths of the trunk."""

    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)


class Config(ProtocolConfig):
    """Options of Shared Bottom; `dropout` applies to the trunk."""

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    trunk: TrunkConfig = TrunkConfig()
    tower: TowerConfig = TowerConfig()


class Model(nn.Module):
    """The scenario is an input field; apart from it only the towers depend on the scenario."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        self.trunk = mlp(self.embedding.width, config.trunk.widths, config.dropout)
        self.towers = Towers(
            config.trunk.widths[-1],
            config.tower.widths,
            schema.num_tasks,
            num_scenarios=schema.num_scenarios,
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        h_BH = self.trunk(self.embedding(rows.sort(batch)))
        return rows.restore(self.towers(h_BH, rows.sizes))
