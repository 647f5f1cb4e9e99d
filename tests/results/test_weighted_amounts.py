"""Resampled users of tasks of 0 and 1 beside tasks of amounts, against rows that are replicated."""

from dataclasses import replace

import numpy as np
import pytest

from hinet_search.results.objectives import names, objective_named
from hinet_search.results.statistics.resampling import ScoredRows, resampled
from tests.results.amount_cases import mixed_runs
from tests.results.scored_runs import exact_cells, weighted


def mixed_rows() -> ScoredRows:
    """Two seeds, with many tied scores."""
    return mixed_runs([0.4, 0.8], rows=300, users=40, decimals=1)


@pytest.mark.parametrize(
    "headline",
    [*names(), "auc[Push/watch]", "logloss[Home/watch]", "rmse[Push/watch]", "mae[Home/watch]"],
)
def test_a_headline_of_mixed_tasks_is_the_objective_of_cells_weighted_by_replicated_rows(
    headline: str,
) -> None:
    rows = mixed_rows()
    values = resampled(rows, headline=headline, seed=5, resamplings=4).headline
    users, objective = np.unique(rows.user_R), objective_named(headline)
    once = exact_cells(rows, rows.logits_SRT[0])
    for number, value in enumerate(values):
        drawn = users[np.random.default_rng([5, number]).integers(len(users), size=len(users))]
        rows_of_draws = [np.flatnonzero(rows.user_R == user) for user in drawn]
        again = np.concatenate(rows_of_draws)
        user_R = np.repeat(np.arange(len(drawn)), [len(each) for each in rows_of_draws])
        replicated = replace(
            rows,
            labels_RT=rows.labels_RT[again],
            scenario_R=rows.scenario_R[again],
            user_R=user_R.astype(np.int32),  # a user that is drawn twice is two users
        )
        exact = []
        for logits_RT in rows.logits_SRT:
            cells = exact_cells(replicated, logits_RT[again])
            exact.append(objective(weighted(headline, cells, once)))
        assert objective.name == headline
        assert value == pytest.approx(np.mean(exact), abs=1e-9)


def test_a_cell_whose_amounts_are_equal_has_no_resampled_auc() -> None:
    rows = mixed_rows()
    labels_RT = rows.labels_RT.copy()
    labels_RT[rows.scenario_R == 1, 1] = 0.3
    drawn = resampled(replace(rows, labels_RT=labels_RT), headline="macro_auc", seed=0)
    assert [len(cell) for cell in drawn.cells] == [200, 200, 200, 0]
    assert len(drawn.headline) == 200
