"""Number encodings: what they make of a number, and which bins they make of training rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import Case
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from reference.number_encoding import encoded
from small_models import SCHEMA, assert_same_with_gradients, batch, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.contracts import NumberAware
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.number_encoding import (
    BEYOND,
    MOST_ROWS,
    NUM_BINS,
    BinEncoding,
    Standardised,
    bins_of,
    make_number_encoding,
)
from hinet_search.study.feature_definition import NumberEncoding
from hinet_search.training.feature_config import FeatureConfig

KINDS = ("bins", "piecewise", "mixed")
MIXED: tuple[NumberEncoding, ...] = ("bins", "standardised", "piecewise")
every_kind = pytest.mark.parametrize("kind", KINDS)
NAMES = ("age", "income", "visits")
TRAINING_ROWS = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)


def schema_of(kind: str) -> Schema:
    """Three numbers with this encoding, or each with another."""
    encodings = MIXED if kind == "mixed" else (kind,) * 3
    return replace(SCHEMA, numeric=NAMES, number_encodings=encodings)


def begin(model: nn.Module, number_RN: NDArray[np.float32] = TRAINING_ROWS) -> nn.Module:
    for part in model.modules():
        if isinstance(part, NumberAware):
            part.begin_with(number_RN)
    return model


@every_kind
@pytest.mark.parametrize("with_scenario", [False, True])
def test_numbers_are_encoded_as_a_loop_over_them_encodes_them(
    kind: str, with_scenario: bool
) -> None:
    embedding = FeatureEmbedding(schema_of(kind), 4, with_scenario=with_scenario)
    randomise(begin(embedding))
    rows = batch(schema_of(kind), rows=20)
    kinds = schema_of(kind).number_encodings
    plain = torch.stack([encoded(embedding.numbers, row, kinds) for row in rows.numeric_BN])
    num_vectors = 3 - kinds.count("standardised")
    assert plain.shape == (20, embedding.numbers.width) == (20, 3 + 4 * num_vectors)
    assert_same_with_gradients(embedding, embedding(rows)[:, -plain.shape[1] :], plain)


@every_kind
def test_weights_hold_the_bins_so_that_a_loaded_model_scores_the_same(
    kind: str,
) -> None:
    model = begin(Case("mmoe").build(schema_of(kind), seed=1)).eval()
    other = Case("mmoe").build(schema_of(kind), seed=2).eval()
    other.load_state_dict(model.state_dict())
    rows = batch(schema_of(kind), rows=9)
    rows = replace(rows, numeric_BN=rows.numeric_BN.float())
    assert torch.equal(model(rows), other(rows))


def test_a_model_that_learns_on_keeps_the_bins_of_its_weights() -> None:
    encoding = BinEncoding(range(3), 2, has_steps=True)
    encoding.begin_with(TRAINING_ROWS)
    before_NK = encoding.low_NK.clone()
    encoding.begin_with(5 * TRAINING_ROWS + 1)
    assert torch.equal(encoding.low_NK, before_NK)


def test_bins_are_steps_and_piecewise_lines_rise_between_them() -> None:
    steps, lines = (make_number_encoding((kind,), 1, 1) for kind in ("bins", "piecewise"))
    number_B1 = torch.tensor([[-0.5], [0.0], [0.25], [0.5], [2.0]])
    with torch.no_grad():
        for encoding in (steps, lines):
            encoding.low_NK[0, :2] = torch.tensor([0.0, 1.0])
            encoding.low_NK[0, 2:] = BEYOND
            encoding.width_NK[:] = 1
            encoding.weight_NKE[0, :2, 0] = torch.tensor([10.0, 100.0])
        assert steps(number_B1)[:, 1].tolist() == [0, 10, 10, 10, 110]
        assert lines(number_B1)[:, 1].tolist() == [0, 0, 2.5, 5, 110]


@every_kind
def test_weights_of_an_encoding_are_no_embeddings_of_ids(kind: str) -> None:
    embedding = FeatureEmbedding(schema_of(kind), 4)
    assert [name for name, _ in embedding.embedding_parameters()] == ["table.weight"]


def test_without_numbers_there_is_nothing_to_encode() -> None:
    assert isinstance(make_number_encoding((), 0, 8), Standardised)
    assert FeatureConfig(number_encoding="bins").reading(
        replace(SCHEMA, numeric=()), {}
    ) == replace(SCHEMA, numeric=())


NUMBERS = arrays(
    np.float32,
    st.integers(1, 300),
    elements=st.one_of(
        st.just(0.0),
        st.integers(0, 5).map(float),
        st.floats(-1e6, 1e6, width=32),
    ),
)


@given(NUMBERS)
def test_bins_are_disjoint_ascending_and_hold_all_training_rows(
    number_R: NDArray[np.float32],
) -> None:
    low_K, width_K = bins_of(number_R)
    used = low_K < BEYOND
    assert (width_K > 0).all()
    assert (np.diff(low_K[used]) > 0).all()
    if len(np.unique(number_R)) == 1:
        assert not used.any()
        return
    assert low_K[0] == number_R.min()
    assert (low_K[used] <= number_R.max()).all()
    count_K = np.diff(np.searchsorted(np.sort(number_R.astype(np.float64)), [*low_K[used], np.inf]))
    assert count_K.sum() == len(number_R)
    assert (count_K > 0).all()
    # More than its share only if one value has so many rows that no edge can part them.
    heaviest = np.unique(number_R, return_counts=True)[1].max()
    assert count_K.max() <= len(number_R) / NUM_BINS + heaviest + 1


def test_a_value_of_most_rows_has_a_bin_of_its_own() -> None:
    positive_R = np.random.default_rng(1).lognormal(size=300)
    number_R = np.concatenate([np.zeros(700), positive_R]).astype(np.float32)
    low_K, _ = bins_of(number_R)
    assert low_K[0] == 0
    assert 0 < low_K[1] < positive_R.min()


def test_few_values_have_a_bin_each_and_heavy_tails_leave_the_bins_full() -> None:
    few_R = np.tile(np.arange(5, dtype=np.float32), 20)
    assert [*bins_of(few_R)[0][:6]] == [0, 0.5, 1.5, 2.5, 3.5, BEYOND]
    even_R = np.arange(20 * NUM_BINS, dtype=np.float32)
    assert [*bins_of(even_R)[0]] == [0, *(20 * number - 0.5 for number in range(1, NUM_BINS))]
    tail_R = np.random.default_rng(2).pareto(0.5, 6400).astype(np.float32)
    low_K, _ = bins_of(tail_R)
    count_K = np.diff(np.searchsorted(np.sort(tail_R), [*low_K, np.inf]))
    assert set(count_K) <= {199, 200, 201}


def test_bins_of_many_rows_are_those_of_evenly_chosen_ones() -> None:
    number_RN = np.arange(3 * MOST_ROWS, dtype=np.float32)[:, np.newaxis]
    encoding = BinEncoding([0], 2, has_steps=True)
    encoding.begin_with(number_RN)
    shares = encoding.low_NK[0] / len(number_RN)
    torch.testing.assert_close(
        shares, torch.arange(NUM_BINS) / NUM_BINS, rtol=0, atol=2 / MOST_ROWS
    )
