"""How often a selection replaces the plain mean, and covers its true gain, over simulated pools."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.ensemble import combined
from hinet_search.results.statistics.ensemble_selection import (
    Settings,
    choices_of_folds,
    runs_of_cells,
    select,
)
from hinet_search.results.statistics.resampling import ScoredRows, units_of_rows
from tests.results.scored_runs import draw_runs, exact_value

OBJECTIVE = "macro_auc"
ALIKE = [1.0] * 8
MIXED = [0.6] * 6 + [1.0, 1.3]  # a selection gains little, and is wrong as often as right


def settings(seed: int) -> Settings:
    return Settings(objective_named(OBJECTIVE), seed, most=8, bags=3)


def num_replaced(noise_M: Sequence[float], *, pools: int, rows: int) -> int:
    """Number of pools whose plain mean is replaced."""
    methods = [
        select(draw_runs(noise_M, seed=seed, rows=rows, users=rows // 10), settings(seed)).method
        for seed in range(pools)
    ]
    return methods.count("selected")


def true_gain(noise_M: Sequence[float], runs: ScoredRows, seed: int) -> float:
    """Mean gain on many new users of what the folds of these runs choose."""
    new = draw_runs(noise_M, seed=10_000 + seed, rows=8000, users=800)

    def value(weight_M: np.ndarray, scale: str) -> float:
        return exact_value(new, combined(new.logits_SRT, weight_M, scale), OBJECTIVE)  # type: ignore[arg-type]

    unit_R, num_units = units_of_rows(runs.user_R)
    chosen = settings(seed)
    cells = runs_of_cells(runs, unit_R, chosen.objective)
    values = [
        value(choice.weight_M, choice.scale)
        for *_, choice in choices_of_folds(cells, num_units, chosen)
    ]
    return float(np.mean(values)) - value(np.ones(len(noise_M)), "probabilities")


def test_the_mean_of_runs_of_equal_quality_is_hardly_ever_replaced() -> None:
    replaced = num_replaced(ALIKE, pools=30, rows=500)
    assert binomtest(replaced, 30, 0.05, alternative="greater").pvalue > 0.05


def test_the_interval_of_a_gain_covers_the_true_gain_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(20):
        runs = draw_runs(MIXED, seed=seed, rows=600, users=60)
        gain = select(runs, settings(seed)).gain
        covered += gain.low <= true_gain(MIXED, runs, seed) <= gain.high
    assert binomtest(covered, 20, 0.95, alternative="less").pvalue > 0.05
