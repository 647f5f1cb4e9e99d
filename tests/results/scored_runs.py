"""Pools of simulated runs: a common signal, and noise of every run's own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.results.cells import make_cells
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.ensemble_selection import ScoredRuns
from hinet_search.training.metrics import cell_values

SCENARIOS, TASKS = ("Home", "Push"), ("click", "order")


def draw_runs(
    noise_M: Sequence[float], *, seed: int = 0, rows: int = 600, users: int = 60
) -> ScoredRuns:
    """Runs whose logits are a signal plus noise of these deviations; users share a part of both."""
    draw = np.random.default_rng(seed)
    user_R = draw.integers(users, size=rows).astype(np.int32)
    signal_RT = draw.normal(size=(rows, 2)) + 0.5 * draw.normal(size=(users, 2))[user_R]
    labels_RT = (draw.random((rows, 2)) < 1 / (1 + np.exp(1 - signal_RT))).astype(np.uint8)
    noise_MRT = draw.normal(size=(len(noise_M), rows, 2))
    noise_MRT += 0.5 * draw.normal(size=(len(noise_M), users, 2))[:, user_R]
    logits_MRT = 0.8 * signal_RT - 1 + np.reshape(noise_M, (-1, 1, 1)) * noise_MRT
    return ScoredRuns(
        logits_MRT=logits_MRT.astype(np.float32),
        labels_RT=labels_RT,
        scenario_R=(draw.random(rows) < 0.3).astype(np.int16),
        user_R=user_R,
        cells=make_cells(SCENARIOS, TASKS),
    )


def exact_value(runs: ScoredRuns, logits_RT: NDArray[np.float32], objective: str) -> float:
    """The objective by the metrics of an evaluation."""
    return objective_named(objective)(exact_cells(runs, logits_RT))


def weighted(cell: CellValue, once: CellValue, share: float) -> CellValue:
    """A cell of replicated rows, weighted by the share of rows drawn; it counts with its rows once."""
    values = {
        metric: None if value is None else value * (share**0.5 if metric == "rmse" else share)
        for metric in ("auc", "gauc", "logloss", "ece", "rmse", "mae")
        for value in [getattr(cell, metric)]
    }
    return replace(cell, rows=once.rows, **values)


def exact_cells(runs: ScoredRuns, logits_RT: NDArray[np.float32]) -> tuple[CellValue, ...]:
    """The cells by the metrics of an evaluation."""
    columns = Columns(
        ids_RF=np.zeros((len(runs.user_R), 0), np.int32),
        numeric_RN=np.zeros((len(runs.user_R), 0), np.float32),
        scenario_R=runs.scenario_R,
        labels_RT=runs.labels_RT,
        user_R=runs.user_R,
        lists_RS=np.zeros((len(runs.user_R), 0), np.int32),
    )
    return tuple(cell_values(logits_RT, columns, runs.cells))
