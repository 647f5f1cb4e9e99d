"""Trees that learn the order within groups, and the lines that make logits of their sums."""

from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_trees import SCHEMA, SMALL, rows
from torch import Tensor

from hinet_search.data.columns import Columns
from hinet_search.models import trees
from hinet_search.models.layers.tree_text import text_of_trees
from hinet_search.models.trees import CALIBRATION, Config, Model, group_by_group
from hinet_search.results.families import BERNOULLI

ORDERS = ("lambdarank", "rank_xendcg")
GROUPS, ROWS_OF_A_GROUP = 150, 8


def grouped(seed: int = 0) -> Columns:
    """Rows of groups with very different rates, in any order; a tenth of them is in no group.

    Rows of high rates have low first numbers, but within a group high numbers have the labels of 1.
    """
    draw = np.random.default_rng(seed)
    group_R = draw.permutation(np.repeat(np.arange(GROUPS), ROWS_OF_A_GROUP))
    rate_R = draw.normal(0, 2, GROUPS)[group_R]
    own_R = draw.normal(size=len(group_R))
    chance_R = BERNOULLI.mean(rate_R - 1 + 2 * own_R)
    columns = rows(len(group_R), seed)
    numeric_RN = columns.numeric_RN.copy()
    numeric_RN[:, 0] = own_R - 2 * rate_R
    return replace(
        columns,
        numeric_RN=numeric_RN,
        labels_RT=(draw.random((len(group_R), 2)) < chance_R[:, None]).astype(np.uint8),
        group_R=np.where(draw.random(len(group_R)) < 0.1, -1, group_R * 7).astype(np.int32),
    )


def grown(train: Columns, objective: str, seed: int = 0, **options: Any) -> Model:
    config = Config.model_validate({**SMALL, "l2": 0.1, "objective": objective, **options})
    model = Model(config, options.get("schema", SCHEMA))
    assert list(model.stages(train, seed))[-1] == 1.0
    return model


def same_trees(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left if name != CALIBRATION)


def test_rows_stand_group_by_group_as_they_stood_in_each() -> None:
    group_R = grouped().group_R
    assert group_R is not None
    chosen = [row for row in range(len(group_R)) if row % 3]
    ordered, sizes = group_by_group(group_R, np.isin(np.arange(len(group_R)), chosen))
    by_group = sorted(row for row in chosen if group_R[row] >= 0)
    by_group.sort(key=lambda row: group_R[row])  # keeps the order of equal ones
    of_groups = [len(list(run)) for _, run in groupby(by_group, key=lambda row: group_R[row])]
    alone = [row for row in chosen if group_R[row] < 0]
    assert sorted(ordered) == chosen
    assert ordered[len(alone) :].tolist() == by_group
    assert sizes.tolist() == [1] * len(alone) + of_groups


def test_groups_that_are_too_large_for_lightgbm_are_cut() -> None:
    group_R = np.array([5] * 25_000 + [3] * 10_000 + [4], np.int32)
    ordered, sizes = group_by_group(group_R, np.ones(len(group_R), np.bool_))
    assert sizes.tolist() == [10_000, 1, 10_000, 10_000, 5_000]
    assert np.array_equal(ordered[:10_001], np.arange(25_000, 35_001))


@pytest.mark.parametrize("objective", ORDERS)
def test_the_trees_are_those_of_lightgbm_on_rows_that_stand_group_by_group(objective: str) -> None:
    train = grouped()
    model = grown(train, objective)
    grows = np.flatnonzero(~trees._held_rows(train, seed=0)).tolist()
    assert train.group_R is not None
    grows.sort(key=lambda row: train.group_R[row])
    alone = sum(train.group_R[row] < 0 for row in grows)
    of_groups = [len(list(run)) for _, run in groupby(grows[alone:], train.group_R.__getitem__)]
    inputs_RI, labels_R = model._inputs(train), train.labels_RT[:, 0]
    params = {**trees._options(model.config), "objective": objective}
    all_rows = lightgbm.Dataset(inputs_RI, labels_R, categorical_feature=[0, 1], params=params)
    data = lightgbm.Dataset(
        inputs_RI[grows],
        labels_R[grows],
        group=[1] * alone + of_groups,
        params=params,
        reference=all_rows,
    )
    booster = lightgbm.Booster({**params, "seed": trees._stream_seed(0, 1)}, data)
    for _ in range(12):
        booster.update()
    assert text_of_trees(booster) == text_of_trees(model.boosters[0])


def test_a_tenth_of_the_groups_grows_no_trees_and_draws_the_line() -> None:
    train = replace(grouped().head(240), group_R=np.repeat(np.arange(12), 20).astype(np.int32))
    model = grown(train, "lambdarank", max_rounds=2)
    held_R = trees._held_rows(train, seed=0)
    assert held_R.sum() == 40  # two of twelve groups
    assert np.unique(train.group_R[held_R]).size == 2
    labels_RT = train.labels_RT.copy()
    labels_RT[held_R] = 1
    other = grown(replace(train, labels_RT=labels_RT), "lambdarank", max_rounds=2)
    assert same_trees(other.state_dict(), model.state_dict())
    assert (other.logits(train) > model.logits(train)).all()


@pytest.mark.parametrize("objective", ORDERS)
def test_the_line_keeps_the_order_of_all_rows(objective: str) -> None:
    model, columns = grown(grouped(), objective), grouped(1)
    for booster, logits_R in zip(model.boosters, model.logits(columns).T, strict=True):
        sum_R = booster.predict(model._inputs(columns), raw_score=True)
        assert (np.diff(logits_R[np.argsort(sum_R)]) >= 0).all()
        assert len(np.unique(logits_R)) > 0.99 * len(np.unique(sum_R))  # float32 resolves them


def test_a_held_row_of_weight_k_draws_the_line_as_k_copies_do() -> None:
    model, held = grown(grouped(), "lambdarank"), grouped(1)
    times_R = np.arange(held.num_rows) % 4
    lines = []
    weighted = replace(held, weight_R=times_R.astype(np.float32))
    for columns in (weighted, held.where(np.arange(held.num_rows).repeat(times_R)), held):
        model._calibrate(columns)
        lines.append(model._line_T2.copy())
    np.testing.assert_allclose(lines[0], lines[1], rtol=0.01)
    assert not np.allclose(lines[0], lines[2], rtol=0.01)


@pytest.mark.parametrize("objective", ORDERS)
def test_a_fresh_model_has_the_logits_of_the_one_that_was_saved(
    objective: str, tmp_path: Path
) -> None:
    model, new = grown(grouped(), objective), grouped(1)
    save_file(model.state_dict(), tmp_path / "trees.safetensors")
    fresh = Model(model.config, SCHEMA)
    fresh.load_state_dict(load_file(tmp_path / "trees.safetensors"))
    assert np.array_equal(fresh.logits(new), model.logits(new))


LINES = {
    "infinite": [[1.0, 0.0], [np.inf, 0.0]],
    "no number": [[1.0, np.nan], [1.0, 0.0]],
    "falling": [[1.0, 0.0], [-1.0, 0.0]],
    "level": [[0.0, 0.0], [1.0, 0.0]],
    "of one task": [[1.0, 0.0]],
}


@pytest.mark.parametrize("damage", LINES)
def test_lines_that_do_not_rise_are_refused(damage: str) -> None:
    model = grown(grouped(), "lambdarank", max_rounds=1)
    state = {**model.state_dict(), CALIBRATION: torch.tensor(LINES[damage])}
    with pytest.raises(ValueError, match="calibration must be a finite line that rises"):
        model.load_state_dict(state)


def test_the_steepest_line_gives_finite_logits() -> None:
    model = grown(grouped(), "lambdarank", max_rounds=1)
    steep = torch.full((2, 2), 1e300, dtype=torch.float64)
    model.load_state_dict({**model.state_dict(), CALIBRATION: steep})
    assert np.isfinite(model.logits(grouped(1))).all()


def test_trees_of_another_objective_are_refused() -> None:
    state = grown(grouped(), "lambdarank", max_rounds=1).state_dict()
    with pytest.raises(ValueError, match=r"texts trees.click, trees.order, got calibration, trees"):
        Model(Config.model_validate(SMALL), SCHEMA).load_state_dict(state)
