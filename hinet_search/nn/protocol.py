"""Protocols: one joint model, or a model of its own per scenario or per task, as papers train their baselines.

The models of a protocol are one model to everybody else. They share nothing, embeddings included, so each may keep its
own best weights (nn/contracts.py, IndependentParts).
Shape legend: M scenarios, T tasks, B rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hinet_search.frozen import Frozen
from hinet_search.insight import Insight
from hinet_search.nn.contracts import Explains, Part
from hinet_search.nn.rows import rows_by_scenario
from hinet_search.schema import Batch, Schema

MDMT, PER_SCENARIO, PER_TASK = "mdmt", "per_scenario", "per_task"

BuildModel = Callable[[Schema], nn.Module]


class ProtocolConfig(Frozen):
    """`protocol`: `mdmt`, one model of all scenarios and tasks; `per_scenario`, M models; `per_task`, T models.

    A model whose Config inherits this can be trained in each of them.
    """

    protocol: Literal["mdmt", "per_scenario", "per_task"] = "mdmt"


class PerScenario(nn.Module):
    """A model for every scenario; a row passes that of its own, where its scenario has number 0."""

    def __init__(self, build: BuildModel, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.scenarios = nn.ModuleList(build(replace(schema, scenarios=(name,))) for name in schema.scenarios)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        runs = zip(self.scenarios, rows.runs(batch), strict=True)
        # the model of an absent scenario gets no gradient at all
        return rows.restore(torch.cat([model(_of_first_scenario(run)) for model, run in runs if len(run) > 0]))

    def independent_parts(self) -> tuple[Part, ...]:
        """A part decides all tasks of its scenario."""
        num_tasks = self.schema.num_tasks
        return tuple(
            Part(model, tuple(range(number * num_tasks, (number + 1) * num_tasks)))
            for number, model in enumerate(self.scenarios)
        )

    def insight(self, batch: Batch) -> Insight:
        """Gates of every scenario's model on its own rows; none of a model that does not explain itself."""
        runs = rows_by_scenario(batch, self.schema.num_scenarios).runs(batch)
        pairs = zip(self.scenarios, runs, strict=True)
        return _together((model, _of_first_scenario(run)) for model, run in pairs if len(run) > 0)


class PerTask(nn.Module):
    """A model for every task; a row passes all of them."""

    def __init__(self, build: BuildModel, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.tasks = nn.ModuleList(build(replace(schema, tasks=(name,))) for name in schema.tasks)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Logits of each row's own scenario."""
        return torch.cat([model(batch) for model in self.tasks], dim=-1)

    def independent_parts(self) -> tuple[Part, ...]:
        """A part decides its task in all scenarios."""
        num_cells = self.schema.num_scenarios * self.schema.num_tasks
        return tuple(
            Part(model, tuple(range(number, num_cells, self.schema.num_tasks)))
            for number, model in enumerate(self.tasks)
        )

    def insight(self, batch: Batch) -> Insight:
        """Gates of every task's model; none of a model that does not explain itself."""
        return _together((model, batch) for model in self.tasks)


def build_in_protocol(protocol: str, build: BuildModel, schema: Schema) -> nn.Module:
    """The model that `build` makes, or as many of them as the protocol wants; draws from torch's global generator."""
    if protocol == PER_SCENARIO:
        return PerScenario(build, schema)
    return PerTask(build, schema) if protocol == PER_TASK else build(schema)


def _of_first_scenario(run: Batch) -> Batch:
    return replace(run, scenario_B=torch.zeros_like(run.scenario_B), sizes=(len(run),))


def _together(pairs: Iterable[tuple[nn.Module, Batch]]) -> Insight:
    found = [model.insight(batch) for model, batch in pairs if isinstance(model, Explains)]
    return Insight(gates=tuple(gate for insight in found for gate in insight.gates))
