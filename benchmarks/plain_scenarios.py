"""Plain reference, continued: PLE, STAR and HiNet as loops over modules and scenarios.

Every scenario's part is computed for every row where the published codes do so, and a row's own one
is picked afterwards.
Shape legend: B rows, D width of x, M scenarios, T tasks, K experts, H width of an expert.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from plain import Embedding, layers, per_cell, tower


def weighted(
    weights_BK: Float[Tensor, "B K"], outputs: Sequence[Float[Tensor, "B H"]]
) -> Float[Tensor, "B H"]:
    """The sum of the outputs by the weights."""
    return (weights_BK.unsqueeze(2) * torch.stack(list(outputs), dim=1)).sum(dim=1)


class PLE(nn.Module):
    """One level: shared experts, and experts, gate and tower of every (scenario, task)."""

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int,
        num_shared: int,
        expert: Sequence[int],
        towers: Sequence[int],
    ) -> None:
        super().__init__()
        self.embedding = Embedding(schema, embedding_dim)
        width = self.embedding.width
        self.shared = nn.ModuleList(layers([width, *expert]) for _ in range(num_shared))
        self.specific = per_cell(schema, lambda: layers([width, *expert]))
        self.gates = per_cell(schema, lambda: nn.Linear(width, num_shared + 1, bias=False))
        self.towers = per_cell(schema, lambda: tower(expert[-1], towers))

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        x_BD = self.embedding(batch)
        shared = [expert(x_BD) for expert in self.shared]
        logits_BT = x_BD.new_empty(len(batch), len(self.towers[0]))
        for scenario, task_towers in enumerate(self.towers):
            rows = (batch.scenario_B == scenario).nonzero()[:, 0]
            own_x_BD = x_BD[rows]
            for task, one_tower in enumerate(task_towers):
                outputs = [
                    *(y_BH[rows] for y_BH in shared),
                    self.specific[scenario][task](own_x_BD),
                ]
                weights_BK = self.gates[scenario][task](own_x_BD).softmax(dim=1)
                logits_BT[rows, task] = one_tower(weighted(weights_BK, outputs))[:, 0]
        return logits_BT


class StarLayer(nn.Module):
    """Shared weights of a task, and every scenario's factors and summands of them."""

    def __init__(self, in_width: int, out_width: int, num_scenarios: int) -> None:
        super().__init__()
        self.shared = nn.Linear(in_width, out_width)
        self.factors = nn.ParameterList(
            torch.ones(out_width, in_width) for _ in range(num_scenarios)
        )
        self.summands = nn.ParameterList(torch.zeros(out_width) for _ in range(num_scenarios))

    def forward(self, x_BD: Float[Tensor, "B D"], scenario: int) -> Float[Tensor, "B H"]:
        weight = self.shared.weight * self.factors[scenario]
        return nn.functional.linear(x_BD, weight, self.shared.bias + self.summands[scenario])


class STAR(nn.Module):
    """Every scenario's network on every row, masked to its own, and an auxiliary network."""

    def __init__(
        self, schema: Schema, embedding_dim: int, widths: Sequence[int], auxiliary: Sequence[int]
    ) -> None:
        super().__init__()
        self.embedding = Embedding(schema, embedding_dim, with_scenario=False)
        num_scenarios, width = schema.num_scenarios, self.embedding.width
        self.networks = nn.ModuleList(
            nn.ModuleList(StarLayer(*step, num_scenarios) for step in pairwise([width, *widths, 1]))
            for _ in schema.tasks
        )
        self.scenario_embedding = nn.Embedding(num_scenarios, embedding_dim)
        self.auxiliary = nn.ModuleList(
            tower(embedding_dim + width, auxiliary) for _ in schema.tasks
        )
        self.num_scenarios = num_scenarios

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        x_BD = self.embedding(batch)
        with_scenario_BD = torch.cat([self.scenario_embedding(batch.scenario_B), x_BD], dim=1)
        logits = []
        for network, auxiliary in zip(self.networks, self.auxiliary, strict=True):
            own_B = x_BD.new_zeros(len(batch))
            for scenario in range(self.num_scenarios):
                own_B = torch.where(
                    batch.scenario_B == scenario, self._main(network, x_BD, scenario), own_B
                )
            logits.append(own_B + auxiliary(with_scenario_BD)[:, 0])
        return torch.stack(logits, dim=1)

    def _main(
        self, network: nn.ModuleList, x_BD: Float[Tensor, "B D"], scenario: int
    ) -> Float[Tensor, "B"]:
        for layer in network[:-1]:
            x_BD = torch.relu(layer(x_BD, scenario))
        logit_B1: Tensor = network[-1](x_BD, scenario)
        return logit_B1[:, 0]


@dataclass(frozen=True)
class HiNetSizes:
    """Widths and numbers of HiNet's parts."""

    embedding_dim: int
    num_sub_experts: int
    sub_expert: tuple[int, ...]
    san_embedding: int
    num_shared_experts: int
    expert: tuple[int, ...]
    tower: tuple[int, ...]


class Mixture(nn.Module):
    """Sub-experts and their gate."""

    def __init__(self, width: int, num_experts: int, expert: Sequence[int]) -> None:
        super().__init__()
        self.experts = nn.ModuleList(layers([width, *expert]) for _ in range(num_experts))
        self.gate = nn.Linear(width, num_experts, bias=False)

    def forward(self, x_BD: Float[Tensor, "B D"]) -> Float[Tensor, "B H"]:
        return weighted(self.gate(x_BD).softmax(dim=1), [expert(x_BD) for expert in self.experts])


class TaskLayer(nn.Module):
    """The CGC of one scenario: shared experts, one expert and one gate per task."""

    def __init__(self, width: int, num_tasks: int, sizes: HiNetSizes) -> None:
        super().__init__()
        self.shared = nn.ModuleList(
            layers([width, *sizes.expert]) for _ in range(sizes.num_shared_experts)
        )
        self.specific = nn.ModuleList(layers([width, *sizes.expert]) for _ in range(num_tasks))
        self.gates = nn.ModuleList(
            nn.Linear(width, sizes.num_shared_experts + 1, bias=False) for _ in range(num_tasks)
        )

    def forward(self, c_BD: Float[Tensor, "B D"]) -> list[Float[Tensor, "B H"]]:
        shared = [expert(c_BD) for expert in self.shared]
        return [
            weighted(gate(c_BD).softmax(dim=1), [*shared, specific(c_BD)])
            for specific, gate in zip(self.specific, self.gates, strict=True)
        ]


class HiNet(nn.Module):
    """Every S_j for every row; attention, task layer and towers scenario by scenario."""

    def __init__(self, schema: Schema, sizes: HiNetSizes) -> None:
        super().__init__()
        self.embedding = Embedding(schema, sizes.embedding_dim, with_scenario=False)
        width, num_scenarios = self.embedding.width, schema.num_scenarios
        self.shared = Mixture(width, sizes.num_sub_experts, sizes.sub_expert)
        self.specific = nn.ModuleList(
            Mixture(width, sizes.num_sub_experts, sizes.sub_expert) for _ in schema.scenarios
        )
        self.scenario_embedding = nn.Embedding(num_scenarios, sizes.san_embedding)
        self.attention = nn.ModuleList(
            nn.Linear(sizes.san_embedding, num_scenarios - 1, bias=False) for _ in schema.scenarios
        )
        c_width = 3 * sizes.sub_expert[-1]
        self.task_layers = nn.ModuleList(
            TaskLayer(c_width, schema.num_tasks, sizes) for _ in schema.scenarios
        )
        self.towers = per_cell(schema, lambda: tower(sizes.expert[-1], sizes.tower))

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        x_BD = self.embedding(batch)
        g_BH, s = self.shared(x_BD), [mixture(x_BD) for mixture in self.specific]
        logits_BT = x_BD.new_empty(len(batch), len(self.towers[0]))
        for scenario, task_towers in enumerate(self.towers):
            rows = (batch.scenario_B == scenario).nonzero()[:, 0]
            weights = self.attention[scenario](self.scenario_embedding.weight[scenario]).softmax(
                dim=0
            )
            others = [s_BH[rows] for other, s_BH in enumerate(s) if other != scenario]
            a_BH = torch.stack(
                [weight * s_BH for weight, s_BH in zip(weights, others, strict=True)]
            ).sum(dim=0)
            c_BD = torch.cat([g_BH[rows], s[scenario][rows], a_BH], dim=1)
            for task, (t_BH, one_tower) in enumerate(
                zip(self.task_layers[scenario](c_BD), task_towers, strict=True)
            ):
                logits_BT[rows, task] = one_tower(t_BH)[:, 0]
        return logits_BT
