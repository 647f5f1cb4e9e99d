"""From rows to input vectors: embeddings, sorting by scenario."""

import pytest
import torch

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.embedding import FeatureEmbedding

SCHEMA = Schema(("a", "b", "c"), ("click",), ("user", "item"), (4, 3), ("age",))


def rows(ids: list[list[int]], scenario: list[int]) -> Batch:
    numeric_BN = torch.arange(len(ids), dtype=torch.float32).unsqueeze(-1)
    return Batch(
        torch.tensor(ids),
        numeric_BN,
        torch.tensor(scenario),
        torch.empty(len(ids), 0, dtype=torch.int64),
    )


def test_embeddings_start_small() -> None:
    torch.manual_seed(0)
    large = Schema(("a",), ("click",), ("user",), (5000,), ())
    assert float(FeatureEmbedding(large, 8).table.weight.detach().std()) == pytest.approx(
        0.01, rel=0.05
    )


def test_sorted_rows_lie_scenario_by_scenario_and_keep_their_order_within() -> None:
    batch = rows([[0, 0], [1, 0], [2, 0], [3, 0]], [2, 0, 2, 0])
    grouped = rows_by_scenario(batch, 4)
    assert grouped.sizes == (2, 0, 2, 0)
    assert grouped.sort(batch).ids_BF[:, 0].tolist() == [1, 3, 0, 2]
    assert [len(run) for run in grouped.runs(batch)] == [2, 0, 2, 0]


def test_restoring_undoes_sorting() -> None:
    batch = rows([[0, 0], [1, 0], [2, 0], [3, 0]], [1, 2, 0, 1])
    grouped = rows_by_scenario(batch, 3)
    assert torch.equal(grouped.restore(grouped.sort(batch).numeric_BN), batch.numeric_BN)
