"""Lists: which entries count, what they become, and what they learn."""

from dataclasses import replace

import pytest
import torch

from hinet_search.data.schema import ListField, Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.pooling import AttentionPooling, make_pooling

SCHEMA = Schema(("a", "b"), ("click",), ("user", "item"), (4, 6), ("age",))
KINDS = ("mean", "attention")
every_kind = pytest.mark.parametrize("kind", KINDS)


def embedding_of(
    *lists: ListField, width: int = 3, with_scenario: bool = False
) -> FeatureEmbedding:
    torch.manual_seed(0)
    embedding = FeatureEmbedding(
        replace(SCHEMA, lists=lists), width, with_scenario=with_scenario
    ).double()
    with torch.no_grad():
        embedding.table.weight.normal_()
    return embedding


def rows(slots: list[list[int]], items: list[int] | None = None) -> Batch:
    ids_BF = torch.tensor([[1, item] for item in items or [2] * len(slots)])
    numeric_BN = torch.full((len(slots), 1), 7.0, dtype=torch.float64)
    return Batch(
        ids_BF, numeric_BN, torch.zeros(len(slots), dtype=torch.int64), torch.tensor(slots)
    )


def watched(kind: str, length: int = 4) -> ListField:
    return ListField("watched", 1, length, kind)


def pooled(embedding: FeatureEmbedding, batch: Batch) -> torch.Tensor:
    return embedding(batch)[:, 6:9]


def test_attention_starts_as_the_plain_match_of_vectors() -> None:
    assert torch.equal(AttentionPooling(3).weight_EE, torch.eye(3))


@every_kind
@pytest.mark.parametrize("beyond", [6, 99])
def test_entries_beyond_the_vocabulary_count_no_more_than_empty_slots(
    kind: str, beyond: int
) -> None:
    embedding = embedding_of(watched(kind))
    assert torch.equal(embedding(rows([[3, beyond, 5, 0]])), embedding(rows([[3, 0, 5, 0]])))


@every_kind
def test_a_row_without_a_known_entry_gets_zeros_beside_other_rows(kind: str) -> None:
    vectors = pooled(embedding_of(watched(kind)), rows([[0, 0, 0, 0], [9, 0, 6, 0], [3, 0, 0, 0]]))
    assert torch.equal(vectors[:2], torch.zeros(2, 3, dtype=torch.float64))
    assert (vectors[2] != 0).all()


@every_kind
@pytest.mark.parametrize("num_rows", [1, 5])
def test_a_batch_without_any_known_entry_gives_finite_gradients_and_none_to_entries(
    kind: str, num_rows: int
) -> None:
    embedding = embedding_of(watched(kind))
    x_BD = embedding(rows([[0, 0, 0, 9]] * num_rows))
    x_BD[:, 6:9].sum().backward()
    assert x_BD.shape == (num_rows, embedding.width)
    assert torch.equal(x_BD[:, 6:9], torch.zeros(num_rows, 3, dtype=torch.float64))
    assert torch.equal(embedding.table.weight.grad, torch.zeros(10, 3, dtype=torch.float64))


@every_kind
def test_gradients_agree_with_differences(kind: str) -> None:
    pooling = make_pooling(kind, 3).double()
    generator = torch.Generator().manual_seed(3)
    entries_BLE = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    item_BE = torch.randn(2, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    known_BL = torch.tensor([[True, False, True, True], [False] * 4])
    assert torch.autograd.gradcheck(
        lambda entries, item: pooling(entries, known_BL, item), (entries_BLE, item_BE)
    )


def test_ids_of_32_bits_are_looked_up_like_those_of_64() -> None:
    embedding = embedding_of(watched("mean"), watched("attention"))
    batch = rows([[3, 0, 5, 1, 4, 4, 0, 1]])
    narrow = replace(batch, ids_BF=batch.ids_BF.int(), lists_BS=batch.lists_BS.int())
    assert torch.equal(embedding(narrow), embedding(batch))
