"""Rows of a task of 0 and 1 beside a task of amounts, and models whose scores are noisy or wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import make_cells
from hinet_search.results.statistics.resampling import ScoredRows

SCENARIOS, TASKS, UNITS = ("Home", "Push"), ("click", "watch"), {"watch": 12.5}
CELLS = make_cells(SCENARIOS, TASKS, units=UNITS)


def drawn_amounts(log_mean_R: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    """Amounts of these means: half of them are 0, the others spread like their mean."""
    draw = np.random.default_rng(seed)
    is_above_0_R = draw.random(len(log_mean_R)) < 0.5
    return (2 * np.exp(log_mean_R) * draw.gamma(2, 0.5, len(log_mean_R)) * is_above_0_R).astype(
        np.float32
    )


def mixed_runs(
    noise_M: Sequence[float], *, seed: int = 0, rows: int = 600, users: int = 60, decimals: int = 9
) -> ScoredRows:
    """Runs whose scores of clicks and of watch time are a signal plus noise of these deviations."""
    draw = np.random.default_rng(seed)
    signal_RT = draw.normal(0, 0.7, size=(rows, 2))
    click_R = draw.random(rows) < 1 / (1 + np.exp(-signal_RT[:, 0]))
    noise_MRT = np.reshape(noise_M, (-1, 1, 1)) * draw.normal(size=(len(noise_M), rows, 2))
    return ScoredRows(
        logits_SRT=(signal_RT + noise_MRT).round(decimals).astype(np.float32),
        labels_RT=np.stack([click_R.astype(np.float32), drawn_amounts(signal_RT[:, 1], seed)], 1),
        scenario_R=(draw.random(rows) < 0.3).astype(np.int16),
        user_R=draw.integers(users, size=rows).astype(np.int32),
        cells=CELLS,
    )
