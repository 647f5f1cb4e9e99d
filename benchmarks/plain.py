"""Plain reference: the same models as they are usually written and trained.

A DataLoader that collates rows one by one, an nn.Embedding per field, a module per expert, gate and
tower, the default Adam. The work is the same as ours to the weight: the scenario is one more field,
gates and towers are per (scenario, task), and a row passes through those of its own scenario only.
Shape legend: B rows, F categorical fields, N numeric inputs, D width of x, M scenarios, T tasks, K
experts, H width of an expert.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch

CPU = torch.device("cpu")


def layers(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers, each followed by ReLU."""
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*modules)


def tower(width: int, hidden: Sequence[int]) -> nn.Sequential:
    """Layers and a linear output."""
    return nn.Sequential(layers([width, *hidden]), nn.Linear([width, *hidden][-1], 1))


def per_cell(schema: Schema, build: Callable[[], nn.Module]) -> nn.ModuleList:
    """One module per cell, indexed [scenario][task]."""
    return nn.ModuleList(nn.ModuleList(build() for _ in schema.tasks) for _ in schema.scenarios)


class Embedding(nn.Module):
    """A table per field, the scenario among them unless it is left out."""

    def __init__(self, schema: Schema, embedding_dim: int, *, with_scenario: bool = True) -> None:
        super().__init__()
        sizes = [*schema.vocabulary_sizes, *((schema.num_scenarios,) if with_scenario else ())]
        self.tables = nn.ModuleList(nn.Embedding(size, embedding_dim) for size in sizes)
        self.width = len(sizes) * embedding_dim + len(schema.numeric)

    def forward(self, batch: Batch) -> Float[Tensor, "B D"]:
        fields = [*batch.ids_BF.unbind(dim=1), batch.scenario_B]  # the last one may have no table
        embedded = [table(ids_B) for table, ids_B in zip(self.tables, fields, strict=False)]
        return torch.cat([*embedded, batch.numeric_BN], dim=1)


class SharedBottom(nn.Module):
    """One trunk, then a tower per cell."""

    def __init__(
        self, schema: Schema, embedding_dim: int, trunk: Sequence[int], towers: Sequence[int]
    ) -> None:
        super().__init__()
        self.embedding = Embedding(schema, embedding_dim)
        self.trunk = layers([self.embedding.width, *trunk])
        self.towers = per_cell(schema, lambda: tower(trunk[-1], towers))

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        h_BH = self.trunk(self.embedding(batch))
        logits_BT = h_BH.new_empty(len(batch), len(self.towers[0]))
        for scenario, task_towers in enumerate(self.towers):
            rows = (batch.scenario_B == scenario).nonzero()[:, 0]
            for task, one_tower in enumerate(task_towers):
                logits_BT[rows, task] = one_tower(h_BH[rows])[:, 0]
        return logits_BT


class MMoE(nn.Module):
    """Shared experts, mixed by a gate per cell, then a tower per cell."""

    def __init__(
        self,
        schema: Schema,
        embedding_dim: int,
        num_experts: int,
        expert: Sequence[int],
        towers: Sequence[int],
    ) -> None:
        super().__init__()
        self.embedding = Embedding(schema, embedding_dim)
        width = self.embedding.width
        self.experts = nn.ModuleList(layers([width, *expert]) for _ in range(num_experts))
        self.gates = per_cell(schema, lambda: nn.Linear(width, num_experts, bias=False))
        self.towers = per_cell(schema, lambda: tower(expert[-1], towers))

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        x_BD = self.embedding(batch)
        y_BKH = torch.stack([expert(x_BD) for expert in self.experts], dim=1)
        logits_BT = x_BD.new_empty(len(batch), len(self.towers[0]))
        for scenario, (task_gates, task_towers) in enumerate(
            zip(self.gates, self.towers, strict=True)
        ):
            rows = (batch.scenario_B == scenario).nonzero()[:, 0]
            own_x_BD, own_y_BKH = x_BD[rows], y_BKH[rows]
            for task, (gate, one_tower) in enumerate(zip(task_gates, task_towers, strict=True)):
                weights_BK = gate(own_x_BD).softmax(dim=1)
                f_BH = (weights_BK.unsqueeze(2) * own_y_BKH).sum(dim=1)
                logits_BT[rows, task] = one_tower(f_BH)[:, 0]
        return logits_BT


def training_on_device(
    model: nn.Module,
    columns: Columns,
    batch_size: int,
    learning_rate: float,
    device: torch.device,
) -> Iterator[int]:
    """Train without end on rows that are on the device, drawn there; gives the rows of a step."""
    parts = [part.to(device) for part in _tensors(columns)]
    model.to(device).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    while True:
        order_R = torch.randperm(len(parts[0]), device=device)
        for rows_B in order_R.split(batch_size):
            yield _step(model, optimiser, [part[rows_B] for part in parts])


def plain_training(
    model: nn.Module,
    columns: Columns,
    batch_size: int,
    learning_rate: float,
) -> Iterator[int]:
    """Train without end, epoch after epoch; gives the number of rows of every step done."""
    loader = DataLoader(TensorDataset(*_tensors(columns)), batch_size=batch_size, shuffle=True)
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    while True:
        for batch in loader:
            yield _step(model, optimiser, batch)


def _tensors(columns: Columns) -> list[Tensor]:
    """Ids, numbers, scenarios and labels of all rows."""
    return [
        torch.tensor(columns.ids_RF, dtype=torch.int64),
        torch.tensor(columns.numeric_RN),
        torch.tensor(columns.scenario_R, dtype=torch.int64),
        torch.tensor(columns.labels_RT, dtype=torch.float32),
    ]


def _step(model: nn.Module, optimiser: torch.optim.Optimizer, batch: Sequence[Tensor]) -> int:
    """Take one step; return its rows."""
    ids_BF, numeric_BN, scenario_B, labels_BT = batch
    no_lists_BL = torch.empty(len(ids_BF), 0, device=ids_BF.device)
    optimiser.zero_grad()
    logits_BT = model(Batch(ids_BF, numeric_BN, scenario_B, no_lists_BL))
    loss = functional.binary_cross_entropy_with_logits(logits_BT, labels_BT)
    loss.backward()
    optimiser.step()
    return len(ids_BF)
