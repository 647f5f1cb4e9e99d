"""Protocols: one joint model, or a separate model per scenario or per task, as in the papers.

To the rest of the code the models of a protocol are one model. They share nothing, not even
embeddings, so each can keep its own best weights (models/layers/contracts.py, IndependentParts).
Shape legend: M scenarios, T tasks, B rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.contracts import Explainable, Part
from hinet_search.models.layers.hidden_norm import NetworkConfig
from hinet_search.results.records import GateUsage, Insight

MDMT = "mdmt"
PER_SCENARIO = "per_scenario"
PER_TASK = "per_task"

BuildModel = Callable[[Schema], nn.Module]


class ProtocolConfig(NetworkConfig):
    """Options of a model that can be trained in every protocol: its Config inherits this.

    `protocol`: `mdmt`, one model of all scenarios and tasks; `per_scenario`, M models; `per_task`,
    T models.
    """

    protocol: Literal["mdmt", "per_scenario", "per_task"] = "mdmt"


class PerScenario(nn.Module):
    """A model per scenario; a row goes to the model of its scenario, where that is number 0."""

    def __init__(self, build: BuildModel, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.scenarios = nn.ModuleList(
            build(replace(schema, scenarios=(name,))) for name in schema.scenarios
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        logits = [
            model(_as_first_scenario(run))
            for model, run in zip(self.scenarios, rows.runs(batch), strict=True)
            if run.num_rows > 0  # the model of an absent scenario gets no gradient at all
        ]
        return rows.restore(torch.cat(logits))

    def independent_parts(self) -> tuple[Part, ...]:
        """Return one part per scenario; it decides all tasks of the scenario."""
        cells_of = _numbers_by(cell.scenario_number for cell in self.schema.cells)
        return tuple(Part(model, cells_of[number]) for number, model in enumerate(self.scenarios))

    def insight(self, batch: Batch) -> Insight:
        """Return the gates of every scenario's model on its own rows."""
        runs = rows_by_scenario(batch, self.schema.num_scenarios).runs(batch)
        pairs = zip(self.scenarios, runs, strict=True)
        return _gates_of_all(
            (model, _as_first_scenario(run)) for model, run in pairs if run.num_rows > 0
        )


class PerTask(nn.Module):
    """A model per task; a row goes through all of them."""

    def __init__(self, build: BuildModel, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.tasks = nn.ModuleList(build(replace(schema, tasks=(name,))) for name in schema.tasks)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        return torch.cat([model(batch) for model in self.tasks], dim=-1)

    def independent_parts(self) -> tuple[Part, ...]:
        """Return one part per task; it decides the task in all scenarios."""
        cells_of = _numbers_by(cell.task_number for cell in self.schema.cells)
        return tuple(Part(model, cells_of[number]) for number, model in enumerate(self.tasks))

    def insight(self, batch: Batch) -> Insight:
        """Return the gates of every task's model."""
        return _gates_of_all((model, batch) for model in self.tasks)


def build_in_protocol(protocol: str, build: BuildModel, schema: Schema) -> nn.Module:
    """Build the model, or one per scenario or task; draws weights from torch's global generator."""
    if protocol == PER_SCENARIO:
        return PerScenario(build, schema)
    if protocol == PER_TASK:
        return PerTask(build, schema)
    return build(schema)


def _numbers_by(owners: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Map each owner to the places at which it stands."""
    places: dict[int, tuple[int, ...]] = {}
    for place, owner in enumerate(owners):
        places[owner] = (*places.get(owner, ()), place)
    return places


def _as_first_scenario(run: Batch) -> Batch:
    zeros_B = torch.zeros_like(run.scenario_B)
    return replace(run, scenario_B=zeros_B, order_B=None, sizes=(run.num_rows,))


def _gates_of_all(pairs: Iterable[tuple[nn.Module, Batch]]) -> Insight:
    """Collect the gates of each model on its batch; models without `insight` have none."""
    gates: list[GateUsage] = []
    for model, batch in pairs:
        if isinstance(model, Explainable):
            gates += model.insight(batch).gates
    return Insight(gates=tuple(gates))
