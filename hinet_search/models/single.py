"""Single: one MLP with its own embeddings per (scenario, task), the reference for gains by transfer.

Nothing is shared, so nothing transfers: a cell learns from its own rows and labels only.
Shape legend: M scenarios, T tasks, B rows.
"""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.frozen import Count, Frozen
from hinet_search.nn.contracts import Part
from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.nn.mlp import mlp
from hinet_search.nn.rows import rows_by_scenario
from hinet_search.schema import Batch, Schema


class Config(Frozen):
    """Options of the MLPs; all cells have the same."""

    embedding_dim: Count = 8
    widths: tuple[Count, ...] = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


class Cell(nn.Module):
    """The network of one (scenario, task)."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.embedding = FeatureEmbedding(schema, config.embedding_dim)
        self.hidden = mlp(self.embedding.width, config.widths, config.dropout)
        self.output = nn.Linear([self.embedding.width, *config.widths][-1], 1)

    def forward(self, batch: Batch) -> Float[Tensor, "B"]:
        """A logit per row."""
        logits_B1: Tensor = self.output(self.hidden(self.embedding(batch)))
        return logits_B1[:, 0]


class Model(nn.Module):
    """M * T networks; each row passes those of its own scenario."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.cells = nn.ModuleList(Cell(config, schema) for _ in range(schema.num_scenarios * schema.num_tasks))

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        logits = [
            torch.stack([cell(run) for cell in cells], dim=-1)
            for cells, run in zip(self.cell_modules(), rows.runs(batch), strict=True)
            if len(run) > 0  # the networks of an absent scenario get no gradient at all
        ]
        return rows.restore(torch.cat(logits))

    def independent_parts(self) -> tuple[Part, ...]:
        """Every network decides one cell."""
        return tuple(Part(cell, (number,)) for number, cell in enumerate(self.cells))

    def cell_modules(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The networks, indexed [scenario][task]."""
        num_tasks = self.schema.num_tasks
        cells = tuple(self.cells)
        return tuple(cells[first : first + num_tasks] for first in range(0, len(cells), num_tasks))
