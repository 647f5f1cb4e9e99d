"""Trees grow from a row of weight k as from k copies of it."""

from dataclasses import replace

import numpy as np
import pytest
from small_trees import rows

from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.models.trees import Config, Model

ONE_SCENARIO = Schema(("home",), ("click", "order"), (), (), ("age", "price"))
ABSENT = Schema(
    ("home", "push"),
    ("click", "order"),
    (),
    (),
    ("age", "price"),
    absent_cells=(("push", "order"),),
)
SCHEMAS = {
    "labels of 0 and 1": ONE_SCENARIO,
    "amounts": replace(ONE_SCENARIO, amount_units=(("order", 2.0),)),
    "absent labels": ABSENT,
}
# Without what depends on the number of rows: LightGBM's fewest rows of a leaf count no weights.
OPTIONS = {
    "max_rounds": 8,
    "min_samples_leaf": 1,
    "l2": 0.0,
    "max_features": 1.0,
    "learning_rate": 0.3,
    "max_leaf_nodes": 6,
    "category_l2": 0.0,
}


def levelled(schema: Schema, num_rows: int = 800) -> Columns:
    """Rows whose numbers have few levels, so that copies do not change how they are binned."""
    columns = rows(num_rows)
    generator = np.random.default_rng(5)
    scenario_R = (columns.numeric_RN[:, 0] > 0.3) & (schema.num_scenarios > 1)
    labels_RT = columns.labels_RT * schema.has_task[scenario_R.astype(int)]
    if schema.amount_units:
        amounts_R = labels_RT[:, 1] * generator.gamma(2.0, 1.0, num_rows)
        labels_RT = np.stack([labels_RT[:, 0], amounts_R], axis=1).astype(np.float32)
    return replace(
        columns,
        ids_RF=np.zeros((num_rows, 0), np.int32),
        numeric_RN=columns.numeric_RN.round().clip(-2, 2),
        scenario_R=scenario_R.astype(np.int16),
        labels_RT=labels_RT,
        weight_R=generator.integers(0, 4, num_rows).astype(np.float32),
    )


def grown(columns: Columns, schema: Schema, **options: float) -> Model:
    model = Model(Config.model_validate({**OPTIONS, **options}), schema)
    for _ in model.stages(columns, seed=0):
        pass
    return model


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_trees_grow_from_a_row_of_weight_k_as_from_k_copies(schema: Schema) -> None:
    heavy = levelled(schema)
    assert heavy.weight_R is not None
    copies_C = np.arange(heavy.num_rows).repeat(heavy.weight_R.astype(np.int64))
    copied = replace(heavy, weight_R=None).where(copies_C)
    alike = grown(replace(heavy, weight_R=None), schema).logits(heavy)
    of_heavy, of_copies = (grown(each, schema).logits(heavy) for each in (heavy, copied))
    np.testing.assert_allclose(of_heavy, of_copies, rtol=1e-4, atol=1e-4)
    assert np.abs(of_heavy - alike).max() > 0.05


def test_the_force_of_l2_does_not_depend_on_the_unit_of_weights() -> None:
    columns = levelled(ONE_SCENARIO)
    assert columns.weight_R is not None
    scores = [
        grown(replace(columns, weight_R=unit * columns.weight_R), ONE_SCENARIO, l2=20.0)
        for unit in (1.0, 1000.0)
    ]
    logits = [model.logits(columns) for model in scores]
    np.testing.assert_allclose(*logits, rtol=1e-4, atol=1e-5)


def test_first_rows_that_all_have_weight_0_grow_trees_alike_for_a_probe() -> None:
    columns = levelled(ONE_SCENARIO)
    without = replace(columns, weight_R=None)
    of_zero = grown(replace(columns, weight_R=np.zeros(800, np.float32)), ONE_SCENARIO)
    assert np.array_equal(of_zero.logits(columns), grown(without, ONE_SCENARIO).logits(columns))
