"""Sequence readers: what they make of the slots, and which slots they read."""

from dataclasses import replace

import pytest
import torch
from reference.sequences import read
from small_models import WITH_SEQUENCES, batch, randomise, with_sequences

from hinet_search.data.schema import Schema
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.measure import count_parameters
from hinet_search.models.layers.pooling import AttentionReader, Reader, make_reader
from hinet_search.study.event_definition import SequenceReader

READERS: tuple[SequenceReader, ...] = ("mean", "din", "bst")
every_reader = pytest.mark.parametrize("kind", READERS)
WIDTH, QUERY, LENGTH = 5, 3, 4


def embedding_of(schema: Schema) -> FeatureEmbedding:
    embedding = randomise(FeatureEmbedding(schema, 3))
    assert isinstance(embedding, FeatureEmbedding)
    return embedding


def reader_of(kind: SequenceReader) -> Reader:
    torch.manual_seed(0)
    return make_reader(kind, QUERY, WIDTH, LENGTH).double()


def drawn(rows: int = 6) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A query, slots, and which of them are there: none in the first row, all in the second."""
    generator = torch.Generator().manual_seed(1)
    query_BQ = torch.randn(rows, QUERY, dtype=torch.float64, generator=generator)
    slots_BLD = torch.randn(rows, LENGTH, WIDTH, dtype=torch.float64, generator=generator)
    is_there_BL = torch.rand(rows, LENGTH, generator=generator) < 0.5
    is_there_BL[0], is_there_BL[1] = False, True
    return query_BQ, slots_BLD, is_there_BL


@every_reader
@pytest.mark.parametrize("with_scenario", [False, True])
def test_a_sequence_is_read_as_a_loop_over_its_slots_reads_it(
    kind: SequenceReader, with_scenario: bool
) -> None:
    schema = with_sequences(kind, kind)
    embedding = FeatureEmbedding(schema, 3, with_scenario=with_scenario)
    randomise(embedding)
    rows = batch(schema, rows=9)
    x_BD = embedding(rows)
    end = embedding.width - len(schema.numeric)
    start = end - 2 * 4 * 3  # two sequences of four parts
    for row in range(9):
        plain = torch.cat(read(embedding, schema, rows, row))
        torch.testing.assert_close(x_BD[row, start:end], plain, rtol=0, atol=1e-10)


@every_reader
def test_what_is_in_a_slot_without_a_row_does_not_matter(kind: SequenceReader) -> None:
    query_BQ, slots_BLD, is_there_BL = drawn()
    reader = reader_of(kind)
    other_BLD = torch.where(is_there_BL.unsqueeze(2), slots_BLD, 7.0)
    assert torch.equal(
        reader(slots_BLD, is_there_BL, query_BQ), reader(other_BLD, is_there_BL, query_BQ)
    )


@every_reader
def test_a_row_without_earlier_rows_gives_finite_numbers_and_gradients(
    kind: SequenceReader,
) -> None:
    query_BQ, slots_BLD, is_there_BL = drawn()
    slots_BLD.requires_grad_()
    vector_BD = reader_of(kind)(slots_BLD, is_there_BL & False, query_BQ)
    vector_BD.sum().backward()
    assert vector_BD.isfinite().all()
    assert torch.equal(slots_BLD.grad, torch.zeros_like(slots_BLD))
    if kind != "bst":  # which reads the query itself
        assert torch.equal(vector_BD, torch.zeros_like(vector_BD))


@every_reader
def test_gradients_agree_with_differences(kind: SequenceReader) -> None:
    query_BQ, slots_BLD, is_there_BL = drawn(rows=3)
    reader = reader_of(kind)
    query_BQ.requires_grad_()
    slots_BLD.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda query, slots: reader(slots, is_there_BL, query), (query_BQ, slots_BLD)
    )


def test_weights_of_attention_are_not_normalised_and_start_near_a_mean() -> None:
    torch.manual_seed(0)
    reader = AttentionReader(QUERY, WIDTH, LENGTH)
    slots_BLD, is_there_BL = torch.full((1, LENGTH, WIDTH), 1e-3), torch.ones(1, LENGTH) > 0
    query_BQ = torch.full((1, QUERY), 1e-3)
    vector_BD = reader(slots_BLD, is_there_BL, query_BQ).detach()
    assert abs(float(vector_BD.mean()) / 1e-3 - 1) < 0.5
    half_BL = is_there_BL.clone()
    half_BL[0, ::2] = False
    half_BD = reader(slots_BLD, half_BL, query_BQ).detach()
    torch.testing.assert_close(half_BD, vector_BD / 2)


@every_reader
def test_an_unknown_item_is_an_earlier_row_all_the_same(kind: SequenceReader) -> None:
    schema = with_sequences(kind)
    embedding, rows = embedding_of(schema), batch(schema, rows=1)
    slots_PL = torch.tensor([[0, 3, 1], [9, 1, 1], [1, 2, 3], [4, 0, 0]])  # a row with no known id
    known = replace(rows, lists_BS=torch.cat([rows.lists_BS[:, :4], slots_PL.view(1, -1)], dim=1))
    no_gap_PL = slots_PL.clone()
    no_gap_PL[3] = 0
    none = replace(rows, lists_BS=torch.cat([rows.lists_BS[:, :4], no_gap_PL.view(1, -1)], dim=1))
    assert not torch.equal(embedding(known), embedding(none))


def test_the_weights_of_readers_are_none_of_embeddings() -> None:
    embedding = FeatureEmbedding(WITH_SEQUENCES, 3)
    own = sum(each.numel() for _, each in embedding.embedding_parameters())
    assert own == sum(WITH_SEQUENCES.vocabulary_sizes) * 3
    total, dense = count_parameters(embedding)
    assert total - dense == own
    assert dense > 0
