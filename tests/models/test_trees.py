"""Trees: what they see, that they are scikit-learn's, that a stage can be kept, put back and read from a file."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from sklearn.ensemble import HistGradientBoostingClassifier

from hinet_search.data.columns import Columns
from hinet_search.models.trees import Config, Model
from hinet_search.schema import ListField, Schema

SMALL = {"max_rounds": 12, "min_samples_leaf": 5, "max_leaf_nodes": 8, "learning_rate": 0.2}
LARGE_FIELD, SMALL_FIELD = 1000, 7
SCHEMA = Schema(
    ("home", "search", "push"), ("click", "order"), ("user", "hour"), (LARGE_FIELD, SMALL_FIELD), ("age", "price")
)


def rows(num_rows: int = 600, seed: int = 0) -> Columns:
    """Labels follow from the hour's id (no threshold orders them), the first number and the scenario."""
    generator = np.random.default_rng(seed)
    hour_R, number_RN = generator.integers(0, SMALL_FIELD, num_rows), generator.normal(size=(num_rows, 2))
    scenario_R = generator.integers(0, 3, num_rows)
    logit_R = 2.0 * np.isin(hour_R, [0, 4, 6]) - 1 + number_RN[:, 0] * (scenario_R == 1)
    noise_RT = generator.logistic(size=(num_rows, 2))
    return Columns(
        ids_RF=np.stack([generator.integers(0, LARGE_FIELD, num_rows), hour_R], axis=1).astype(np.int32),
        numeric_RN=number_RN.astype(np.float32),
        scenario_R=scenario_R.astype(np.int16),
        labels_RT=(logit_R[:, None] + noise_RT > [0.0, 0.7]).astype(np.uint8),
        user_R=np.zeros(num_rows, np.int32),
        lists_RS=np.zeros((num_rows, 0), np.int32),
    )


def grown(columns: Columns | None = None, seed: int = 0, stages: int = 99, **options: float) -> Model:
    """Small trees after so many stages."""
    model = Model(Config.model_validate({**SMALL, **options}), SCHEMA)
    for number, _ in enumerate(model.stages(columns or rows(), seed), start=1):
        if number == stages:
            break
    return model


def with_ids(columns: Columns, field: int, ids_R: NDArray[np.int64] | int) -> Columns:
    ids_RF = columns.ids_RF.copy()
    ids_RF[:, field] = ids_R
    return replace(columns, ids_RF=ids_RF)


@pytest.mark.parametrize("task", [0, 1])
def test_the_logits_are_those_of_scikit_learns_histogram_boosting(task: int) -> None:
    train, new = rows(), rows(seed=1)

    def inputs(columns: Columns) -> NDArray[np.float64]:
        return np.column_stack([columns.ids_RF[:, 1], columns.scenario_R, columns.numeric_RN])

    reference = HistGradientBoostingClassifier(
        max_iter=12, min_samples_leaf=5, max_leaf_nodes=8, learning_rate=0.2, l2_regularization=1.0,
        categorical_features=[0, 1], early_stopping=False,
    ).fit(inputs(train), train.labels_RT[:, task])  # fmt: skip
    found_RT = grown(train, max_features=1.0).logits(new)
    assert np.abs(found_RT[:, task] - reference.decision_function(inputs(new))).max() < 1e-6


def test_what_follows_from_ids_alone_is_learned_by_splits_on_ids() -> None:
    hours, scores_RT = rows(seed=1).ids_RF[:, 1], grown().logits(rows(seed=1))
    likely = np.isin(hours, [0, 4, 6])
    assert scores_RT[likely, 0].mean() > scores_RT[~likely, 0].mean() + 1


def test_a_field_with_more_ids_than_a_split_tells_apart_is_not_seen() -> None:
    model, columns = grown(), rows(seed=1)
    assert np.array_equal(model.logits(with_ids(columns, 0, 1)), model.logits(columns))


def test_a_row_sees_its_own_scenario() -> None:
    model, columns = grown(), rows(seed=1)
    moved = replace(columns, scenario_R=(columns.scenario_R + 1) % 3)
    assert (model.logits(moved) != model.logits(columns)).mean() > 0.5


def test_an_id_that_has_no_room_in_the_schema_counts_as_unknown() -> None:
    model, columns = grown(), rows(seed=1)
    assert np.array_equal(model.logits(with_ids(columns, 1, SMALL_FIELD)), model.logits(with_ids(columns, 1, 0)))


@pytest.mark.parametrize("rare_label", [0, 1], ids=["to the left", "to the right"])
def test_an_id_that_training_did_not_have_goes_where_most_rows_of_training_went(rare_label: int) -> None:
    rare, common, unseen = 2, 5, 3
    train = with_ids(rows(), 1, np.where(np.arange(600) % 10 == 0, rare, common))
    is_rare_R1 = train.ids_RF[:, 1:] == rare
    labels_RT = np.repeat(is_rare_R1 == rare_label, 2, axis=1).astype(np.uint8)
    model, new = grown(replace(train, labels_RT=labels_RT), max_rounds=1), rows(seed=1)
    assert np.array_equal(model.logits(with_ids(new, 1, unseen)), model.logits(with_ids(new, 1, common)))
    assert not np.array_equal(model.logits(with_ids(new, 1, unseen)), model.logits(with_ids(new, 1, rare)))


def test_a_row_is_scored_alike_in_whatever_block_of_rows_it_is() -> None:
    model, columns = grown(), rows(17_000, seed=1)
    reversed_columns = Columns(**{one.name: getattr(columns, one.name)[::-1] for one in fields(columns)})
    assert np.array_equal(model.logits(reversed_columns)[::-1], model.logits(columns))


def test_stages_tell_the_share_that_is_done_and_end_at_exactly_one() -> None:
    shares = list(Model(Config.model_validate({**SMALL, "max_rounds": 50}), SCHEMA).stages(rows(), 0))
    assert shares == [tenth / 10 for tenth in range(1, 11)]


def test_fewer_rounds_than_stages_make_a_stage_each() -> None:
    assert list(Model(Config.model_validate({**SMALL, "max_rounds": 2}), SCHEMA).stages(rows(), 0)) == [0.5, 1.0]


def test_a_later_stage_keeps_the_trees_of_an_earlier_one() -> None:
    early, late = grown(stages=3).forest, grown().forest
    assert early is not None
    assert late is not None
    rounds = 3  # a quarter of twelve
    assert early.root_TQ.shape == (2, rounds)
    assert np.array_equal(early.value_N[: early.root_TQ[1, 0]], late.value_N[: late.root_TQ[0, rounds]])


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


def test_parameters_are_nodes_and_no_more_than_were_announced() -> None:
    announced = Model(Config.model_validate(SMALL), SCHEMA).num_parameters
    assert announced == 2 * 12 * (2 * 8 - 1)
    model = grown()
    assert model.forest is not None
    assert model.num_parameters == len(model.forest.value_N) <= announced


@pytest.mark.parametrize(
    "schema",
    [
        Schema(("a", "b", "c"), ("click", "order"), ("user", "hour"), (1000, 7), ("age", "price")),
        Schema(("a", "b", "c"), ("click", "order"), ("user", "hour"), (1000, 700), ("age", "price")),
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
    assert (np.abs(grown(columns).logits(columns) + 33.4) < 1).all()


def test_a_description_tells_inputs_apart_and_what_is_left_out() -> None:
    schema = replace(SCHEMA, lists=(ListField("watched", 0, 3, "mean"),))
    assert Model(Config(), schema).describe().splitlines()[1:] == [
        "split by id: hour, the scenario",
        "split by threshold: 2 inputs",
        "left out: user, watched",
    ]


def test_more_scenarios_than_a_split_tells_apart_are_split_by_their_number() -> None:
    columns, schema = rows(), replace(SCHEMA, scenarios=tuple(f"scenario {number}" for number in range(400)))
    scenario_R = (np.arange(columns.num_rows) % 400).astype(np.int16)
    columns = replace(
        columns, scenario_R=scenario_R, labels_RT=np.stack([scenario_R > 300] * 2, axis=1).astype(np.uint8)
    )
    model = Model(Config.model_validate(SMALL), schema)
    assert list(model.stages(columns, 0))[-1] == 1.0
    assert model.logits(columns)[scenario_R > 300].min() > model.logits(columns)[scenario_R <= 300].max()
