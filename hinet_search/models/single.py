"""Single: one MLP with its own embeddings per (scenario, task), the baseline without transfer.

Nothing is shared: a cell learns from its own rows and labels only.
Shape legend: M scenarios, T tasks, B rows.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.contracts import Part
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import mlp
from hinet_search.models.layers.hidden_norm import NetworkConfig


class Config(NetworkConfig):
    """Options of the MLPs, the same for all cells."""

    embedding_dim: Count = 8
    widths: Layers = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


class CellNetwork(nn.Module):
    """The network of one (scenario, task)."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.embedding = FeatureEmbedding(schema, config.embedding_dim)
        self.hidden = mlp(self.embedding.width, config.widths, config.dropout)
        self.output = nn.Linear([self.embedding.width, *config.widths][-1], 1)

    def forward(self, batch: Batch) -> Float[Tensor, "B"]:
        """Return a logit per row."""
        logits_B1: Tensor = self.output(self.hidden(self.embedding(batch)))
        return logits_B1[:, 0]


class Model(nn.Module):
    """A network for every cell; a row passes through the networks of its own scenario.

    The logit of a task that the scenario lacks is 0.
    """

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.cells = nn.ModuleList(CellNetwork(config, schema) for _ in schema.cells)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        logits = []
        of_scenarios = zip(self.cell_modules(), rows.runs(batch), rows.sizes, strict=True)
        for networks, run, size in of_scenarios:
            if size > 0:  # networks of an absent scenario get no gradient at all
                of_tasks = []
                for network in networks:
                    if network is not None:
                        of_tasks.append(network(run))
                    else:  # the scenario lacks the task
                        dtype = torch.get_default_dtype()
                        of_tasks.append(torch.zeros_like(run.scenario_B, dtype=dtype))
                logits.append(torch.stack(of_tasks, dim=-1))
        return rows.restore(torch.cat(logits))

    def independent_parts(self) -> tuple[Part, ...]:
        """Return one part per network; each decides one cell."""
        return tuple(Part(cell, (number,)) for number, cell in enumerate(self.cells))

    def cell_modules(self) -> list[list[nn.Module | None]]:
        """Return the networks, indexed [scenario][task]; None where a scenario lacks a task."""
        schema = self.schema
        networks: list[list[nn.Module | None]] = [
            [None] * schema.num_tasks for _ in schema.scenarios
        ]
        for cell, network in zip(schema.cells, self.cells, strict=True):
            networks[cell.scenario_number][cell.task_number] = network
        return networks
