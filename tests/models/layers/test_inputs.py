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


def test_the_input_is_the_embedding_of_every_field_and_then_the_numeric_inputs() -> None:
    embedding = FeatureEmbedding(SCHEMA, 2)
    x_BD = embedding(rows([[0, 0], [3, 2]], [0, 1]))
    table = embedding.table.weight
    assert torch.equal(x_BD[1], torch.cat([table[3], table[4 + 2], torch.tensor([1.0])]))
    assert x_BD.shape == (2, embedding.width)


def test_equal_ids_of_two_fields_have_different_vectors() -> None:
    x_D = FeatureEmbedding(SCHEMA, 2)(rows([[1, 1]], [0]))[0]
    assert not torch.equal(x_D[:2], x_D[2:4])


@pytest.mark.parametrize("beyond", [4, 99])
def test_an_id_beyond_the_vocabulary_counts_as_unknown(beyond: int) -> None:
    embedding = FeatureEmbedding(SCHEMA, 2)
    assert torch.equal(embedding(rows([[beyond, 1]], [0])), embedding(rows([[0, 1]], [0])))


def test_the_scenario_can_be_one_more_field() -> None:
    embedding = FeatureEmbedding(SCHEMA, 2, with_scenario=True)
    x_BD = embedding(rows([[1, 1], [1, 1]], [0, 2]))
    assert torch.equal(x_BD[1, 4:6], embedding.table.weight[4 + 3 + 2])
    assert not torch.equal(x_BD[0, 4:6], x_BD[1, 4:6])


def test_without_its_field_the_scenario_changes_nothing() -> None:
    embedding = FeatureEmbedding(SCHEMA, 2)
    assert torch.equal(embedding(rows([[1, 1]], [0])), embedding(rows([[1, 1]], [2])))


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
