"""Shared Bottom: one trunk for all scenarios and tasks, then a tower per (scenario, task) (Caruana, 1997).

Shape legend: M scenarios, T tasks, B rows, D width of x, H width of the trunk.
"""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.frozen import Count, Frozen
from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.nn.mlp import mlp
from hinet_search.nn.protocol import ProtocolConfig
from hinet_search.nn.rows import rows_by_scenario
from hinet_search.nn.towers import TowerConfig, Towers
from hinet_search.schema import Batch, Schema


class TrunkConfig(Frozen):
    """Hidden widths of the trunk."""

    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (128, 64)


class Config(ProtocolConfig):
    """Options of Shared Bottom; `dropout` is the trunk's."""

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    trunk: TrunkConfig = TrunkConfig()
    tower: TowerConfig = TowerConfig()


class Model(nn.Module):
    """The scenario is one more input field; towers are all that knows scenarios apart."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        self.trunk = mlp(self.embedding.width, config.trunk.widths, config.dropout)
        self.towers = Towers(
            config.trunk.widths[-1], config.tower.widths, schema.num_tasks, num_scenarios=schema.num_scenarios
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        h_BH = self.trunk(self.embedding(rows.sort(batch)))
        return rows.restore(self.towers(h_BH, rows.sizes))
