"""Grown models: with larger vocabularies every model gives the logits that it gave before."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import Case, every_case
from small_models import WITH_LISTS, batch, randomise
from test_trees import SCHEMA as TREES_SCHEMA
from test_trees import SMALL, grown, rows

from hinet_search.common.errors import DataError
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.protocol import MDMT
from hinet_search.serving.model_file import ModelOfFile, WeightedSeed
from hinet_search.serving.newer.fit import fitting_config, grown_network, grown_trees
from hinet_search.training.trainable import Network, StagedModel
from hinet_search.training.trial_config import TrialConfig, build_config

CPU = torch.device("cpu")
# The ids before of every id now: sorted anew, with new ones (0), and one too rare before (7).
USERS = np.array([0, 3, 1, 0, 2, 7, 4, 5, 6, 0], dtype=np.int32)
ITEMS = np.array([0, 2, 1, 3, 4], dtype=np.int32)
GENRES = np.array([0, 5, 4, 3, 2, 1], dtype=np.int32)
PREVIOUS = (USERS, ITEMS, GENRES)
GROWN = replace(WITH_LISTS, vocabulary_sizes=tuple(len(ids) for ids in PREVIOUS))


def as_before(now: Batch) -> Batch:
    """The same rows as the shipped model encodes them."""
    users, items, genres = (torch.from_numpy(ids) for ids in PREVIOUS)
    ids_BF = torch.stack([users[now.ids_BF[:, 0]], items[now.ids_BF[:, 1]]], dim=1)
    watched, own, liked = torch.split(now.lists_BS, [4, 3, 3], dim=1)
    lists_BS = torch.cat([items[watched], genres[own], items[liked]], dim=1)
    return Batch(ids_BF, now.numeric_BN, now.scenario_B, lists_BS)


@every_case
def test_rows_score_as_before_new_ids_as_unknown_ones(case: Case) -> None:
    shipped = randomise(case.build(WITH_LISTS)).float()
    values = {} if case.protocol == MDMT else {"model.protocol": case.protocol}
    config = build_config(case.name, values)
    grown = grown_network(Network(shipped, WITH_LISTS, CPU), config, GROWN, PREVIOUS, seed=3)
    drawn = batch(GROWN, rows=40)
    sizes = torch.tensor(GROWN.vocabulary_sizes)
    ids_BF = torch.minimum(drawn.ids_BF, sizes[:2] - 1)
    limits = torch.tensor([4] * 4 + [5] * 3 + [4] * 3)
    lists_BS = torch.minimum(drawn.lists_BS, limits)
    rows = Batch(ids_BF, drawn.numeric_BN.float(), drawn.scenario_B, lists_BS)
    assert set(ids_BF[:, 0].tolist()) >= {3, 5, 9}
    with torch.no_grad():
        expected_BT, actual_BT = shipped.eval()(as_before(rows)), grown.model.eval()(rows)
    torch.testing.assert_close(actual_BT, expected_BT, rtol=0, atol=0)


def mmoe_of_file(**train: object) -> ModelOfFile:
    settings = build_config("mmoe", {f"train.{name}": train[name] for name in train}).sections
    seeds = (WeightedSeed(seed=1, weight=1.0),)
    return ModelOfFile(arm="mmoe", trial=0, model="mmoe", settings=settings, seeds=seeds)


@pytest.mark.parametrize(
    ("rows", "passes", "batch_size"),
    [(10**6, 1.0, 1024), (16_384, 2.0, 1024), (1600, 2.0, 100), (1600, 0.5, 32), (800, 12.0, 300)],
)
def test_a_fit_on_few_rows_has_at_least_32_steps(rows: int, passes: float, batch_size: int) -> None:
    model = mmoe_of_file(batch_size=1024, passes=passes)
    assert fitting_config(model, None, rows).train.batch_size == batch_size


def test_a_fit_on_newer_rows_has_no_larger_batches_than_its_study() -> None:
    assert fitting_config(mmoe_of_file(batch_size=16), None, 10**6).train.batch_size == 16


def test_a_fit_on_newer_rows_keeps_what_embeddings_have_learned() -> None:
    model = mmoe_of_file(reset_embeddings=True, embedding_l2=0.1, rate_decay=True)
    train = fitting_config(model, 0.5, 10**6).train
    assert (train.reset_embeddings, train.embedding_l2) == (False, 0.0)
    assert (train.rate_decay, train.learning_rate) == (False, 0.5)


def test_a_model_that_learns_on_scales_its_inputs_as_before() -> None:
    scaled = replace(WITH_LISTS, has_unit_scale=True)
    grown_schema = replace(GROWN, has_unit_scale=True)
    shipped = randomise(Case("mmoe").build(scaled)).float()
    shipped.embedding.scale.mean_square.fill_(4.0)
    config = build_config("mmoe", {})
    grown = grown_network(Network(shipped, scaled, CPU), config, grown_schema, PREVIOUS, seed=3)
    drawn = batch(grown_schema, rows=40)
    rows = replace(drawn, numeric_BN=drawn.numeric_BN.float())
    embedding = grown.model.embedding
    torch.testing.assert_close(embedding.train()(rows), embedding.eval()(rows))
    assert embedding.scale.mean_square.item() == 4.0


def shop_ids(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The ids before of larger vocabularies of users and hours, sorted anew, with new ids."""
    generator = np.random.default_rng(seed)

    def drawn(size: int) -> np.ndarray:
        others = generator.permutation(np.r_[np.arange(1, size), np.zeros(5, dtype=int)])
        return np.r_[0, others].astype(np.int32)

    return drawn(TREES_SCHEMA.vocabulary_sizes[0]), drawn(TREES_SCHEMA.vocabulary_sizes[1])


def grown_config(max_ids: int) -> TrialConfig:
    return build_config(
        "trees", {f"model.{name}": value for name, value in {**SMALL, "max_ids": max_ids}.items()}
    )


def test_trees_send_rows_where_they_sent_them_new_ids_as_unknown_ones() -> None:
    users, hours = shop_ids()
    trees = grown(max_ids=2000)
    schema = replace(TREES_SCHEMA, vocabulary_sizes=(len(users), len(hours)))
    shipped = StagedModel(trees, TREES_SCHEMA)
    after = grown_trees(shipped, grown_config(2000), schema, (users, hours))
    generator = np.random.default_rng(1)
    ids_RF = np.stack([generator.integers(0, len(ids), 600) for ids in (users, hours)], axis=1)
    now = replace(rows(seed=2), ids_RF=ids_RF.astype(np.int32))
    before = replace(now, ids_RF=np.stack([users[ids_RF[:, 0]], hours[ids_RF[:, 1]]], axis=1))
    is_by_id_N = trees.forest.num_ids_N > 0
    assert set(trees.forest.feature_N[is_by_id_N]) == {1, 2}  # hours and scenarios
    assert np.isin(0, trees.forest.left_id_C)
    np.testing.assert_array_equal(after.scores(now), shipped.scores(before))


def test_trees_whose_column_has_outgrown_them_are_refused() -> None:
    users, hours = shop_ids()
    schema = replace(TREES_SCHEMA, vocabulary_sizes=(len(users), len(hours)))
    shipped = StagedModel(grown(max_ids=1000), TREES_SCHEMA)
    with pytest.raises(
        DataError, match=r"at most 1,000 ids of a column, and the .* of user has crossed"
    ):
        grown_trees(shipped, grown_config(1000), schema, (users, hours))


def test_so_are_trees_that_a_column_without_its_forgotten_ids_would_fit_again() -> None:
    users, hours = shop_ids()
    shipped = StagedModel(grown(max_ids=TREES_SCHEMA.vocabulary_sizes[0] - 1), TREES_SCHEMA)
    schema = replace(TREES_SCHEMA, vocabulary_sizes=(2, len(hours)))
    config = grown_config(shipped.model.config.max_ids)
    with pytest.raises(DataError, match="number of ids of user has crossed"):
        grown_trees(shipped, config, schema, (users[:2], hours))
