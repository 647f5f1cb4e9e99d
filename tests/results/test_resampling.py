"""Resamplings of users, against rows replicated one by one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from hinet_search.data.columns import Columns
from hinet_search.results.cells import make_cells
from hinet_search.results.objectives import names, objective_named
from hinet_search.results.statistics import resampling
from hinet_search.results.statistics.resampling import ScoredRows, resampled
from hinet_search.training.metrics import cell_values
from tests.results.amount_cases import mixed_runs
from tests.results.scored_runs import FURTHER, weighted

SCENARIOS, TASKS = ("Home", "Push"), ("click", "order")
CELLS_OF_ONE = make_cells(("Home",), ("click",))
SEED, RESAMPLINGS = 11, 5


def scored(num_rows: int = 400, num_users: int = 60) -> ScoredRows:
    """Two seeds on rows with many tied scores; user codes have gaps."""
    draw = np.random.default_rng(3)
    labels_RT = (draw.random((num_rows, 2)) < (0.4, 0.2)).astype(np.uint8)
    return ScoredRows(
        logits_SRT=(draw.normal(size=(2, num_rows, 2)) + labels_RT).round(1).astype(np.float32),
        labels_RT=labels_RT,
        scenario_R=(draw.random(num_rows) < 0.3).astype(np.int16),
        user_R=(7 * draw.integers(num_users, size=num_rows)).astype(np.int32),
        cells=make_cells(SCENARIOS, TASKS),
    )


def replicated(split: ScoredRows, number: int) -> NDArray[np.int64]:
    """Rows of resampling `number`, each as often as its user is drawn."""
    users = np.unique(split.user_R)
    drawn = users[np.random.default_rng([SEED, number]).integers(len(users), size=len(users))]
    return np.concatenate([np.flatnonzero(split.user_R == user) for user in drawn])


def replicated_users(split: ScoredRows, number: int) -> tuple[NDArray[np.int64], Columns]:
    """The rows of a resampling, in which a user that is drawn twice is two users."""
    users = np.unique(split.user_R)
    drawn = users[np.random.default_rng([SEED, number]).integers(len(users), size=len(users))]
    rows_of_draws = [np.flatnonzero(split.user_R == user) for user in drawn]
    user_R = np.repeat(np.arange(len(drawn)), [len(rows) for rows in rows_of_draws])
    rows = np.concatenate(rows_of_draws)
    return rows, replace(columns(split, rows), user_R=user_R.astype(np.int32))


def columns(split: ScoredRows, rows: NDArray[np.int64]) -> Columns:
    return Columns(
        ids_RF=np.zeros((len(rows), 0), np.int32),
        numeric_RN=np.zeros((len(rows), 0), np.float32),
        scenario_R=split.scenario_R[rows],
        labels_RT=split.labels_RT[rows],
        user_R=split.user_R[rows],
        lists_RS=np.zeros((len(rows), 0), np.int32),
    )


def test_the_auc_of_a_cell_is_that_of_rows_replicated_one_by_one_times_their_share() -> None:
    split = scored()
    cells = resampled(split, headline="macro_auc", seed=SEED, resamplings=RESAMPLINGS).cells
    in_split = (split.scenario_R == 1).sum()
    for number in range(RESAMPLINGS):
        rows = replicated(split, number)
        rows = rows[split.scenario_R[rows] == 1]
        expected = [
            roc_auc_score(split.labels_RT[rows, 1], logits_RT[rows, 1])
            for logits_RT in split.logits_SRT
        ]
        share = len(rows) / in_split
        assert cells[3][number] == pytest.approx(share * np.mean(expected), abs=1e-12)


def mixed() -> ScoredRows:
    """Two seeds of clicks and amounts, with many tied scores."""
    return mixed_runs([0.4, 0.8], rows=300, users=40, decimals=1)


OF_CLASSES = (*names(), "auc[Push/order]", "logloss[Home/click]")
OF_AMOUNTS = (*names(), "auc[Push/watch]", "logloss[Home/watch]", "rmse[Push/watch]")
HEADLINES = [*((scored, name) for name in OF_CLASSES), *((mixed, name) for name in OF_AMOUNTS)]


@pytest.mark.parametrize(("rows_of", "headline"), [*HEADLINES, (mixed, "mae[Home/watch]")])
def test_a_headline_is_the_mean_over_seeds_of_the_objective_of_cells_weighted_by_their_rows(
    rows_of: Callable[[], ScoredRows], headline: str
) -> None:
    split = rows_of()
    values = resampled(split, headline=headline, seed=SEED, resamplings=RESAMPLINGS).headline
    everything = np.arange(len(split.user_R))
    once = cell_values(split.logits_SRT[0], columns(split, everything), split.cells)
    for number in range(RESAMPLINGS):
        rows, drawn = replicated_users(split, number)
        expected = []
        for logits_RT in split.logits_SRT:
            cells = cell_values(logits_RT[rows], drawn, split.cells, further=FURTHER)
            expected.append(objective_named(headline)(weighted(headline, cells, once)))
        assert values[number] == pytest.approx(np.mean(expected), abs=1e-9)


def test_the_square_of_an_rmse_is_weighted_by_the_rows_drawn() -> None:
    split = scored()
    amounts_RT = np.random.default_rng(4).lognormal(size=(400, 2)).astype(np.float32)
    cells = tuple(replace(cell, unit=1.0) for cell in split.cells)
    split = replace(split, labels_RT=amounts_RT, cells=cells)
    drawn = resampled(split, headline="rmse[Push/click]", seed=SEED, resamplings=1)
    in_split = (split.scenario_R == 1).sum()
    rows = replicated(split, 0)
    rows = rows[split.scenario_R[rows] == 1]
    errors_SC = np.exp(split.logits_SRT[:, rows, 0].astype(float)) - amounts_RT[rows, 0]
    expected = np.sqrt((errors_SC**2).sum(axis=1) / in_split).mean()
    assert drawn.headline[0] == pytest.approx(expected)


def test_a_user_with_most_rows_moves_what_the_resamplings_say_of_a_difference() -> None:
    """One user of 21 has 98 % of the rows; only with weights does a difference vary as it is drawn."""
    user_R = np.concatenate([np.zeros(2000, np.int32), np.arange(1, 41, dtype=np.int32) // 2 + 1])
    draw = np.random.default_rng(5)
    labels_RT = (draw.random((len(user_R), 1)) < 0.5).astype(np.uint8)
    better_RT = (labels_RT + draw.normal(size=labels_RT.shape)).astype(np.float32)
    worse_RT = (labels_RT + draw.normal(size=labels_RT.shape) * 1.2).astype(np.float32)
    sides = [
        ScoredRows(
            logits_RT[None], labels_RT, np.zeros(len(user_R), np.int16), user_R, CELLS_OF_ONE
        )
        for logits_RT in (better_RT, worse_RT)
    ]
    better, worse = (resampled(side, headline="macro_auc", seed=SEED).headline for side in sides)
    gain_D = np.subtract(better, worse)
    assert gain_D.mean() > 0.02
    assert gain_D.std() > gain_D.mean() / 2


def test_every_arm_meets_the_same_users() -> None:
    split = scored()
    shifted = replace(
        split, logits_SRT=(split.logits_SRT * 4).astype(np.float32)
    )  # the order of rows is the same
    left, right = (resampled(rows, headline="macro_auc", seed=SEED) for rows in (split, shifted))
    assert left == right


def test_another_seed_draws_other_users() -> None:
    left, right = (
        resampled(scored(), headline="macro_auc", seed=seed, resamplings=3) for seed in (1, 2)
    )
    assert not set(left.headline) & set(right.headline)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled(scored(), headline="mean_auc", seed=SEED, resamplings=7)
    monkeypatch.setattr(resampling, "BLOCK_NUMBERS", 1200)  # three resamplings of 400 rows
    assert resampled(scored(), headline="mean_auc", seed=SEED, resamplings=7) == whole


def test_units_are_the_users_of_the_split() -> None:
    split = scored()
    drawn = resampled(split, headline="macro_auc", seed=SEED, resamplings=2)
    assert (drawn.unit, drawn.num_units) == ("users", len(set(split.user_R.tolist())))


def test_without_users_rows_are_drawn() -> None:
    split = scored()
    drawn = resampled(
        replace(split, user_R=np.full(400, -1, np.int32)), headline="macro_auc", seed=SEED
    )
    assert (drawn.unit, drawn.num_units, len(drawn.headline)) == ("rows", 400, 200)


def test_rows_without_a_user_are_drawn_one_by_one_and_not_as_one_user() -> None:
    split = scored()
    named_R = np.arange(400) < 100
    drawn = resampled(
        replace(split, user_R=np.where(named_R, split.user_R, -1)), headline="macro_auc", seed=SEED
    )
    assert (drawn.unit, drawn.num_units) == (
        "users",
        len(set(split.user_R[named_R].tolist())) + 300,
    )


def test_without_users_there_is_no_grouped_auc() -> None:
    drawn = resampled(
        replace(scored(), user_R=np.full(400, -1, np.int32)), headline="gauc", seed=SEED
    )
    assert (drawn.headline, drawn.cells) == ((), ((), (), (), ()))


def with_one_positive_in_the_last_cell() -> ScoredRows:
    split = scored()
    labels_RT = split.labels_RT.copy()
    labels_RT[split.scenario_R == 1, 1] = 0
    labels_RT[np.flatnonzero(split.scenario_R == 1)[0], 1] = 1
    return replace(split, labels_RT=labels_RT)


def test_a_cell_that_loses_a_class_in_some_resampling_has_no_values() -> None:
    drawn = resampled(with_one_positive_in_the_last_cell(), headline="macro_auc", seed=SEED)
    assert [len(cell) for cell in drawn.cells] == [200, 200, 200, 0]
    assert len(drawn.headline) == 200


def test_resamplings_in_which_the_headline_has_no_value_are_left_out() -> None:
    split = with_one_positive_in_the_last_cell()
    drawn = resampled(split, headline="auc[Push/order]", seed=SEED)
    user = split.user_R[(split.scenario_R == 1) & (split.labels_RT[:, 1] == 1)][0]
    having = sum(user in split.user_R[replicated(split, number)] for number in range(200))
    assert 0 < len(drawn.headline) == having < 200


def test_a_scenario_without_rows_has_no_values() -> None:
    split = replace(scored(), scenario_R=np.zeros(400, np.int16))
    assert resampled(split, headline="macro_auc", seed=SEED).cells[2:] == ((), ())


def test_a_cell_whose_amounts_are_equal_has_no_resampled_auc() -> None:
    rows = mixed()
    labels_RT = rows.labels_RT.copy()
    labels_RT[rows.scenario_R == 1, 1] = 0.3
    drawn = resampled(replace(rows, labels_RT=labels_RT), headline="macro_auc", seed=0)
    assert [len(cell) for cell in drawn.cells] == [200, 200, 200, 0]
    assert len(drawn.headline) == 200


def ranked() -> ScoredRows:
    """Groups of a few rows of one user, named by their first row; some rows are in none."""
    split = scored()
    key_R = split.user_R * 4 + np.arange(len(split.user_R)) % 4
    _, first_G, group_R = np.unique(key_R, return_index=True, return_inverse=True)
    group_R = np.where(np.arange(len(key_R)) % 9 == 0, -1, first_G[group_R])
    return replace(split, group_R=group_R.astype(np.int32))


def test_the_auc_within_groups_is_that_of_rows_replicated_one_by_one_weighted_and_alone() -> None:
    split = ranked()
    assert split.group_R is not None
    drawn = resampled(split, headline="macro_auc", seed=SEED, resamplings=RESAMPLINGS)
    once = cell_values(split.logits_SRT[0], columns(split, np.arange(400)), split.cells)
    for number in range(RESAMPLINGS):
        rows, of_draws = replicated_users(split, number)
        group_R = np.where(
            split.group_R[rows] < 0, -1, 1000 * of_draws.user_R + split.group_R[rows]
        ).astype(np.int32)
        alone = []
        shared = []
        for logits_RT in split.logits_SRT:
            of_groups = replace(of_draws, group_R=group_R)
            cells = cell_values(logits_RT[rows], of_groups, split.cells, further=FURTHER)
            alone.append(objective_named("rank_auc")(cells))
            shared.append(objective_named("rank_auc")(weighted("rank_auc", cells, once)))
        assert drawn.within_alone[number] == pytest.approx(np.mean(alone), abs=1e-9)
        assert drawn.within[number] == pytest.approx(np.mean(shared), abs=1e-9)


def test_without_groups_nothing_is_held_beside_the_headline() -> None:
    drawn = resampled(scored(), headline="macro_auc", seed=SEED, resamplings=RESAMPLINGS)
    assert (drawn.within, drawn.within_alone, drawn.headline_alone) == ((), (), ())
