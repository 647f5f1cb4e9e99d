"""Trees: their inputs, equality with LightGBM's, and saving and restoring of stages."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from lightgbm import Booster
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from small_trees import LARGE_FIELD, SCHEMA, SMALL, SMALL_FIELD, grown, rows
from torch import Tensor

from hinet_search.common.heartbeat import receive_heartbeats
from hinet_search.data.columns import Columns
from hinet_search.data.schema import ListField, Schema
from hinet_search.models.trees import STAGES, Config, Model, stage_ends
from hinet_search.results.families import BERNOULLI, POISSON


def with_ids(columns: Columns, field: int, ids_R: NDArray[np.int64] | int) -> Columns:
    ids_RF = columns.ids_RF.copy()
    ids_RF[:, field] = ids_R
    return replace(columns, ids_RF=ids_RF)


def trees_of(text: Tensor) -> list[str]:
    """Return the trees of a tensor of a state."""
    return text.numpy().tobytes().decode().split("\n\n")[:-1]


def with_boosters(*, amounts: bool = False, **options: float) -> tuple[Model, list[Booster]]:
    """Return small trees that were read, and LightGBM's boosters of them.

    With `amounts` the second task has amounts.
    """
    train, schema = rows(), SCHEMA
    if amounts:
        schema = replace(SCHEMA, amount_units=(("order", 1.0),))
        labels_RT = train.labels_RT.astype(np.float32)
        labels_RT[:, 1] *= np.abs(train.numeric_RN[:, 1])
        train = replace(train, labels_RT=labels_RT)
    model = Model(Config.model_validate({**SMALL, **options}), schema)
    assert list(model.stages(train, seed=0))[-1] == 1.0
    boosters = list(model.boosters)
    model.load_state_dict(model.state_dict())
    return model, boosters


@pytest.mark.parametrize("amounts", [False, True])
def test_the_logits_are_those_of_lightgbm(amounts: bool) -> None:
    model, boosters = with_boosters(amounts=amounts, max_ids=1000)
    new = rows(seed=1)
    expected_RT = [booster.predict(model._inputs(new), raw_score=True) for booster in boosters]
    np.testing.assert_allclose(model.logits(new).T, expected_RT, rtol=0, atol=1e-6)
    for booster, scores_R, family in zip(
        boosters,
        model.logits(new).T,
        (BERNOULLI, (BERNOULLI, POISSON)[amounts]),
        strict=True,
    ):
        expected_R = booster.predict(model._inputs(new))
        np.testing.assert_allclose(family.mean(scores_R.astype(float)), expected_R, rtol=1e-5)


def test_what_follows_from_ids_alone_is_learned_by_splits_on_ids() -> None:
    hours = rows(seed=1).ids_RF[:, 1]
    scores_RT = grown(max_features=1.0).logits(rows(seed=1))
    likely = np.isin(hours, [0, 4, 6])
    assert scores_RT[likely, 0].mean() > scores_RT[~likely, 0].mean() + 1


def test_a_field_is_an_input_up_to_the_limit_of_ids() -> None:
    inputs = [
        Model(Config(max_ids=max_ids), SCHEMA).describe().splitlines()[1]
        for max_ids in (SMALL_FIELD - 1, SMALL_FIELD, LARGE_FIELD)
    ]
    assert inputs == [
        "split by id: the scenario",
        "split by id: hour, the scenario",
        "split by id: user, hour, the scenario",
    ]


def test_where_the_limit_would_leave_no_input_all_fields_are_inputs() -> None:
    schema = replace(SCHEMA, numeric=())
    split_by_id = Model(Config(max_ids=1), schema).describe().splitlines()[1]
    assert split_by_id == "split by id: user, hour, the scenario"


def test_a_row_sees_its_own_scenario() -> None:
    model, columns = grown(), rows(seed=1)
    moved = replace(columns, scenario_R=(columns.scenario_R + 1) % 3)
    assert (model.logits(moved) != model.logits(columns)).mean() > 0.5


def test_an_id_that_has_no_room_in_the_schema_counts_as_unknown() -> None:
    model, columns = grown(), rows(seed=1)
    assert np.array_equal(
        model.logits(with_ids(columns, 1, SMALL_FIELD)), model.logits(with_ids(columns, 1, 0))
    )


def test_an_id_that_training_did_not_have_goes_where_the_other_ids_go() -> None:
    """LightGBM sends the ids that a split names to the left, and all others to the right."""
    named, common, unseen = 2, 5, 3
    train = with_ids(rows(), 1, np.where(np.arange(600) % 10 == 0, named, common))
    is_named_R1 = train.ids_RF[:, 1:] == named
    train = replace(train, labels_RT=np.repeat(is_named_R1, 2, axis=1).astype(np.uint8))
    model, new = grown(train, max_rounds=1, max_features=1.0), rows(seed=1)
    by_id = [model.logits(with_ids(new, 1, number)) for number in (named, common, unseen)]
    assert sorted(np.array_equal(by_id[2], known) for known in by_id[:2]) == [False, True]


def test_stages_yield_the_finished_share_and_end_at_exactly_one() -> None:
    shares = list(
        Model(Config.model_validate({**SMALL, "max_rounds": 100}), SCHEMA).stages(rows(), 0)
    )
    assert shares == [tenth**2 / 100 for tenth in range(1, 11)]


@pytest.mark.parametrize("most", [*range(1, 60), 150, 1000, 9_999])
def test_stages_end_at_more_and_more_rounds_of_which_the_last_are_all(most: int) -> None:
    ends = stage_ends(most)
    assert ends[0] >= 1
    assert ends[-1] == most
    assert len(ends) <= STAGES
    assert all(first < second for first, second in pairwise(ends))


def test_a_later_stage_keeps_the_trees_of_an_earlier_one() -> None:
    early, late = grown(stages=3).state_dict(), grown().state_dict()
    for name, text in early.items():
        assert trees_of(text) == trees_of(late[name])[:3]  # a quarter of twelve


def test_rows_that_are_scored_after_every_stage_have_the_scores_of_all_trees() -> None:
    model, columns = Model(Config.model_validate(SMALL), SCHEMA), rows(seed=1)
    for _ in model.stages(rows(), 0):
        followed = model.logits(columns)
    assert np.array_equal(followed, grown().logits(columns))


def test_every_tree_is_a_heartbeat() -> None:
    heard = []
    with receive_heartbeats(lambda: heard.append(1)):
        grown()
    assert len(heard) == 12 * 2


def test_a_state_put_back_gives_the_logits_that_it_gave() -> None:
    model, columns = Model(Config.model_validate(SMALL), SCHEMA), rows(seed=1)
    stages = model.stages(rows(), 0)
    next(stages)
    state, logits_RT = model.state_dict(), model.logits(columns)
    next(stages)
    assert not np.array_equal(model.logits(columns), logits_RT)
    model.load_state_dict(state)
    assert np.array_equal(model.logits(columns), logits_RT)


def test_a_fresh_model_scores_with_what_a_file_holds(tmp_path: Path) -> None:
    model, columns = grown(), rows(seed=1)
    save_file(model.state_dict(), tmp_path / "trees.safetensors")
    fresh = Model(Config.model_validate(SMALL), SCHEMA)
    fresh.load_state_dict(load_file(tmp_path / "trees.safetensors"))
    assert np.array_equal(fresh.logits(columns), model.logits(columns))


def test_the_same_seed_gives_the_same_trees_and_another_one_others() -> None:
    columns = rows(seed=1)
    assert np.array_equal(grown(seed=3).logits(columns), grown(seed=3).logits(columns))
    assert not np.array_equal(grown(seed=3).logits(columns), grown(seed=4).logits(columns))


@pytest.mark.parametrize("linear", [False, True])
def test_trees_do_not_depend_on_the_number_of_threads(linear: bool) -> None:
    states, before = [], torch.get_num_threads()
    for num_threads in (1, 2):
        torch.set_num_threads(num_threads)
        states.append(grown(rows(20_000), linear_leaves=linear).state_dict())
        torch.set_num_threads(before)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_linear_leaves_learn_a_line_from_fewer_leaves() -> None:
    columns = rows(4000)
    labels_R = columns.numeric_RN[:, 0] > np.random.default_rng(8).logistic(size=4000) / 4
    train = replace(columns, labels_RT=np.stack([labels_R] * 2, axis=1).astype(np.uint8))
    few = {"max_leaf_nodes": 2, "max_features": 1.0}
    losses = []
    for linear in (False, True):
        logits_RT = grown(train, linear_leaves=linear, **few).logits(train).astype(float)
        losses.append(BERNOULLI.loss(logits_RT, train.labels_RT.astype(float)).mean())
    assert losses[1] < losses[0] - 0.01


def test_parameters_are_nodes_and_no_more_than_were_announced() -> None:
    announced = Model(Config.model_validate(SMALL), SCHEMA).num_parameters
    assert announced == 2 * 12 * (2 * 8 - 1)
    model = grown()
    texts = [tree for text in model.state_dict().values() for tree in trees_of(text)]
    num_leaves = sum(int(text.partition("\n")[0].removeprefix("num_leaves=")) for text in texts)
    assert model.num_parameters == 2 * num_leaves - len(texts) <= announced


@pytest.mark.parametrize(
    "schema",
    [
        Schema(("a", "b", "c"), ("click", "order"), ("user", "hour"), (1000, 7), ("age", "price")),
        Schema(
            ("a", "b", "c"), ("click", "order"), ("user", "hour"), (1000, 700), ("age", "price")
        ),
        Schema(("a", "b", "c"), ("click", "order"), ("user", "hour"), (1000, 7), ()),
        Schema(("a", "b", "c"), ("click", "order"), (), (), ("age", "price")),
    ],
    ids=["all", "no small field", "no numeric inputs", "no categorical fields"],
)
def test_trees_grow_on_whatever_inputs_there_are(schema: Schema) -> None:
    full = rows()
    columns = replace(
        full,
        ids_RF=full.ids_RF[:, : len(schema.categorical)],
        numeric_RN=full.numeric_RN[:, : len(schema.numeric)],
    )
    model = Model(Config.model_validate(SMALL), schema)
    assert list(model.stages(columns, 0))[-1] == 1.0
    assert np.isfinite(model.logits(columns)).all()


def test_labels_of_one_class_give_finite_logits_of_that_class() -> None:
    columns = replace(rows(), labels_RT=np.zeros((600, 2), np.uint8))
    assert (np.abs(grown(columns).logits(columns) + 34.5) < 1).all()


def test_a_task_without_a_useful_split_has_one_tree_and_the_others_grow() -> None:
    columns = rows()
    labels_RT = columns.labels_RT.copy()
    labels_RT[:, 1] = 1
    model = grown(replace(columns, labels_RT=labels_RT))
    assert [len(trees_of(text)) for text in model.state_dict().values()] == [12, 1]


def test_a_description_names_inputs_by_kind_and_what_is_left_out() -> None:
    lists = (ListField("watched", 0, 3, "mean"), ListField("genres", 2, 3, "mean"))
    sizes = (*SCHEMA.vocabulary_sizes, 9)  # of the genres, which are a vocabulary and no field
    schema = replace(SCHEMA, vocabulary_sizes=sizes, lists=lists)
    assert Model(Config(max_ids=255), schema).describe().splitlines()[1:] == [
        "split by id: hour, the scenario",
        "split by threshold: 2 inputs",
        "left out: user, watched, genres",
    ]


def test_any_number_of_scenarios_is_split_by_id() -> None:
    columns = rows(2000)
    schema = replace(SCHEMA, scenarios=tuple(f"scenario {number}" for number in range(400)))
    scenario_R = (np.arange(columns.num_rows) % 400).astype(np.int16)
    is_odd_R = scenario_R % 2 == 1
    columns = replace(
        columns,
        scenario_R=scenario_R,
        labels_RT=np.stack([is_odd_R] * 2, axis=1).astype(np.uint8),
    )
    model = Model(Config.model_validate({**SMALL, "max_features": 1.0}), schema)
    assert list(model.stages(columns, 0))[-1] == 1.0
    assert model.logits(columns)[is_odd_R].mean() > model.logits(columns)[~is_odd_R].mean() + 0.5


def test_trees_grow_from_the_rows_that_have_the_task() -> None:
    schema = replace(SCHEMA, absent_cells=(("search", "click"), ("push", "order")))
    first, drawn = rows(), np.random.default_rng(3)
    is_known_RT = schema.has_task[first.scenario_R]
    other_RT = np.where(is_known_RT, first.labels_RT, drawn.integers(0, 2, is_known_RT.shape))
    second = replace(first, labels_RT=other_RT.astype(np.uint8))
    few, logits = Config.model_validate({**SMALL, "max_rounds": 2}), []
    for train in (first, second):
        model = Model(few, schema)
        assert list(model.stages(train, seed=0))[-1] == 1
        logits.append(model.logits(first))
    assert np.array_equal(*logits)
    unmasked = Model(few, SCHEMA)
    list(unmasked.stages(first, seed=0))
    assert not np.array_equal(logits[0], unmasked.logits(first))
