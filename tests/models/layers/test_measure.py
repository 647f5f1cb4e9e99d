"""Parameters, FLOPs and the outline of a model, on a model small enough to count by hand."""

import re

import torch
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.measure import (
    OutlineRow,
    count_parameters,
    draw,
    flops_per_row,
    milliseconds,
    outline,
    synthetic_batch,
)

SCHEMA = Schema(("a", "b"), ("click",), ("user",), (5,), ("age", "price"))


class Pair(nn.Module):
    """Two equal linear layers over an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = FeatureEmbedding(SCHEMA, 3)
        self.parts = nn.ModuleList([nn.Linear(5, 1), nn.Linear(5, 1)])
        self.dropout = nn.Dropout(0.5)

    def forward(self, batch: Batch) -> torch.Tensor:
        x = self.dropout(self.embedding(batch))
        return self.parts[0](x) + self.parts[1](x)


def test_parameters_are_counted_with_and_without_feature_embeddings() -> None:
    assert count_parameters(Pair()) == (5 * 3 + 2 * 6, 2 * 6)


def test_a_multiply_add_counts_two_flops() -> None:
    assert flops_per_row(Pair(), SCHEMA) == 2 * (2 * 5)


def test_measuring_draws_no_random_numbers_and_keeps_the_mode() -> None:
    model = Pair().train()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    flops_per_row(model, SCHEMA)
    outline(model, SCHEMA)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_model_in_double_precision_can_be_measured() -> None:
    assert flops_per_row(Pair().double(), SCHEMA) == 20


def test_a_synthetic_batch_has_all_scenarios_and_ids_within_the_vocabulary() -> None:
    batch = synthetic_batch(SCHEMA, 50, seed=0)
    assert torch.bincount(batch.scenario_B).tolist() == [25, 25]
    assert set(batch.ids_BF[:, 0].tolist()) == {0, 1, 2, 3, 4}
    assert torch.equal(batch.numeric_BN, synthetic_batch(SCHEMA, 50, seed=0).numeric_BN)


def test_the_outline_lists_parts_with_parameters_and_counts_parts_that_are_alike() -> None:
    rows = outline(Pair(), SCHEMA)
    assert rows[1:] == (
        OutlineRow("embedding", 1, "FeatureEmbedding", ("B", 5), 15, 0),
        OutlineRow("table", 2, "EmbeddingTable", ("B", 1, 3), 15, 0),
        OutlineRow("parts", 1, "Linear", ("B", 1), 6, 10, num_alike=2),
    )
    assert (rows[0].shape, rows[0].parameters, rows[0].flops_per_row) == (("B", 1), 27, 20)


def test_a_drawn_outline_is_a_tree() -> None:
    lines = draw(outline(Pair(), SCHEMA)).splitlines()
    labels = [re.split(r" {2,}\(", line)[0] for line in lines[3:6]]
    assert labels == [
        "├─ embedding  FeatureEmbedding",
        "│  └─ table  EmbeddingTable",
        "└─ parts × 2  Linear",
    ]
    assert lines[5].split()[-4:] == ["(B,", "1)", "6", "10"]


def test_a_call_is_timed_many_times_after_one_that_is_not_counted() -> None:
    calls: list[None] = []
    assert milliseconds(lambda: calls.append(None), repeats=7) >= 0
    assert len(calls) == 8
