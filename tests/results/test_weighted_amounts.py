"""Metrics of amounts under multiplicities, against loops over pairs of repeated rows."""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.results.families import POISSON
from hinet_search.results.objectives import NAMES, objective_named
from hinet_search.results.statistics.resampling import ScoredRows, resampled
from hinet_search.results.statistics.weighted_metrics import METRICS, CellScores
from tests.results.amount_cases import mixed_runs
from tests.results.scored_runs import exact_cells, weighted

NUM_UNITS = 4
UNIT = 2.5  # what a label of 1 stands for
SCORES = st.sampled_from([-1.5, -0.25, 0.0, 0.5, 2.0])
AMOUNTS = st.sampled_from([0.0, 0.0, 0.125, 1.0, 1.5, 40.0])
ROWS = st.lists(st.tuples(SCORES, AMOUNTS, st.integers(0, NUM_UNITS - 1)), min_size=1, max_size=25)
DRAWS = st.lists(st.integers(0, 3), min_size=NUM_UNITS, max_size=NUM_UNITS)


@dataclass(frozen=True)
class PlainRow:
    score: float
    amount: float
    unit: int


def plain_auc(rows: list[PlainRow]) -> float:
    """The share of pairs in the right order, each counted by its difference."""
    right = total = 0.0
    for higher, lower in permutations(rows, 2):
        difference = higher.amount - lower.amount
        if difference > 0:
            total += difference
            right += difference * (
                (higher.score > lower.score) + 0.5 * (higher.score == lower.score)
            )
    return right / total if total else float("nan")


def plain_gauc(rows: list[PlainRow], draws: list[int]) -> float:
    """The mean over units, each as often as it is drawn, by rows."""
    total = weight = 0.0
    for unit, times in enumerate(draws):
        of_unit = [row for row in rows if row.unit == unit]
        auc = plain_auc(of_unit)
        if not np.isnan(auc):
            total += times * len(of_unit) * auc
            weight += times * len(of_unit)
    return total / weight if weight else float("nan")


def plain_logloss(rows: list[PlainRow]) -> float:
    losses = []
    for row in rows:
        mean, y = np.exp(row.score), row.amount
        losses.append(mean - y + (y * np.log(y / mean) if y else 0.0))
    return float(np.mean(losses)) if losses else float("nan")


def plain_ece(rows: list[PlainRow]) -> float:
    """Each row is ten tenths of a row, so bins hold equally many; a tie's labels are its mean."""
    tenths = []
    for row in sorted(rows, key=lambda row: row.score):
        label = np.mean([other.amount for other in rows if other.score == row.score])
        tenths += 10 * [np.exp(row.score) - label]
    num_rows = len(rows)
    bins = [tenths[start : start + num_rows] for start in range(0, 10 * num_rows, num_rows or 1)]
    return sum(abs(sum(part)) for part in bins) / 10 / num_rows if rows else float("nan")


def plain_error(rows: list[PlainRow], power: int) -> float:
    """The root of the mean power of errors in the unit of the column."""
    errors = [UNIT * abs(np.exp(row.score) - row.amount) for row in rows]
    mean = np.mean([error**power for error in errors]) if rows else float("nan")
    return float(mean ** (1 / power))


def cell_of(rows: list[PlainRow]) -> CellScores:
    return CellScores(
        np.array([row.score for row in rows]),
        np.array([row.amount for row in rows], np.float32),
        np.array([row.unit for row in rows]),
        NUM_UNITS,
        POISSON,
        UNIT,
    )


def value_of(metric: str, cell: CellScores, draws: list[int]) -> float:
    return METRICS[metric](cell)(np.array([draws], float).T).item()


@given(values=ROWS, draws=DRAWS)
def test_metrics_are_those_of_loops_over_rows_that_are_repeated(
    values: list[tuple[float, float, int]], draws: list[int]
) -> None:
    rows = [PlainRow(*value) for value in values]
    repeated = [row for row in rows for _ in range(draws[row.unit])]
    expected = {
        "auc": plain_auc(repeated),
        "gauc": plain_gauc(rows, draws),
        "logloss": plain_logloss(repeated),
        "ece": plain_ece(repeated),
        "rmse": plain_error(repeated, 2),
        "mae": plain_error(repeated, 1),
    }
    for metric, value in expected.items():
        got = value_of(metric, cell_of(rows), draws)
        assert got == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), metric


@given(values=ROWS, draws=DRAWS)
@pytest.mark.parametrize("metric", ["auc", "gauc"])
def test_amounts_of_0_and_1_have_the_auc_of_classes(
    metric: str, values: list[tuple[float, float, int]], draws: list[int]
) -> None:
    rows = [PlainRow(score, float(amount > 0), unit) for score, amount, unit in values]
    amounts = cell_of(rows)
    classes = CellScores(
        amounts.logit_C, amounts.label_C.astype(np.uint8), amounts.unit_C, NUM_UNITS
    )
    expected = value_of(metric, classes, draws)
    assert value_of(metric, amounts, draws) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def mixed_rows() -> ScoredRows:
    """Two seeds, with many tied scores."""
    runs = mixed_runs([0.4, 0.8], rows=300, users=40, decimals=1)
    return runs.scored_by(runs.logits_MRT, np.ones(300, bool))


@pytest.mark.parametrize(
    "headline",
    [*NAMES, "auc[Push/watch]", "logloss[Home/watch]", "rmse[Push/watch]", "mae[Home/watch]"],
)
def test_a_headline_of_mixed_tasks_is_the_objective_of_cells_weighted_by_replicated_rows(
    headline: str,
) -> None:
    rows, runs = mixed_rows(), mixed_runs([0.4, 0.8], rows=300, users=40, decimals=1)
    values = resampled(rows, headline=headline, seed=5, resamplings=4).headline
    users, objective = np.unique(rows.user_R), objective_named(headline)
    once = exact_cells(runs, rows.logits_SRT[0])
    for number, value in enumerate(values):
        drawn = users[np.random.default_rng([5, number]).integers(len(users), size=len(users))]
        again = np.concatenate([np.flatnonzero(rows.user_R == user) for user in drawn])
        replicated = replace(
            runs,
            labels_RT=runs.labels_RT[again],
            scenario_R=runs.scenario_R[again],
            user_R=runs.user_R[again],
        )
        exact = []
        for logits_RT in rows.logits_SRT:
            cells = exact_cells(replicated, logits_RT[again])
            shares = [cell.rows / whole.rows for cell, whole in zip(cells, once, strict=True)]
            if headline == "worst_auc":  # of which cell it is may differ between arms
                shares = [sum(cell.rows for cell in cells) / sum(cell.rows for cell in once)] * len(
                    cells
                )
            exact.append(objective(list(map(weighted, cells, once, shares))))
        assert objective.name == headline
        assert value == pytest.approx(np.mean(exact), abs=1e-9)


def test_a_cell_whose_amounts_are_equal_has_no_resampled_auc() -> None:
    rows = mixed_rows()
    labels_RT = rows.labels_RT.copy()
    labels_RT[rows.scenario_R == 1, 1] = 0.3
    drawn = resampled(replace(rows, labels_RT=labels_RT), headline="macro_auc", seed=0)
    assert [len(cell) for cell in drawn.cells] == [200, 200, 200, 0]
    assert len(drawn.headline) == 200
