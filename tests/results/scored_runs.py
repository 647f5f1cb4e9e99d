"""Pools of simulated runs: a common signal, and noise of every run's own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.results.cells import make_cells
from hinet_search.results.metrics import every_metric
from hinet_search.results.objectives import further_metrics, objective_named
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.resampling import ScoredRows
from hinet_search.training.metrics import cell_values

SCENARIOS, TASKS = ("Home", "Push"), ("click", "order")

FURTHER = (*further_metrics(tuple(every_metric())), "hit@1")


def draw_runs(
    noise_M: Sequence[float], *, seed: int = 0, rows: int = 600, users: int = 60
) -> ScoredRows:
    """Runs whose logits are a signal plus noise of these deviations; users share a part of both."""
    draw = np.random.default_rng(seed)
    user_R = draw.integers(users, size=rows).astype(np.int32)
    signal_RT = draw.normal(size=(rows, 2)) + 0.5 * draw.normal(size=(users, 2))[user_R]
    labels_RT = (draw.random((rows, 2)) < 1 / (1 + np.exp(1 - signal_RT))).astype(np.uint8)
    noise_MRT = draw.normal(size=(len(noise_M), rows, 2))
    noise_MRT += 0.5 * draw.normal(size=(len(noise_M), users, 2))[:, user_R]
    logits_MRT = 0.8 * signal_RT - 1 + np.reshape(noise_M, (-1, 1, 1)) * noise_MRT
    return ScoredRows(
        logits_SRT=logits_MRT.astype(np.float32),
        labels_RT=labels_RT,
        scenario_R=(draw.random(rows) < 0.3).astype(np.int16),
        user_R=user_R,
        cells=make_cells(SCENARIOS, TASKS),
    )


def exact_value(runs: ScoredRows, logits_RT: NDArray[np.float32], objective: str) -> float:
    """The objective by the metrics of an evaluation."""
    return objective_named(objective)(exact_cells(runs, logits_RT))


def weighted(
    objective: str, cells: Sequence[CellValue], once: Sequence[CellValue]
) -> list[CellValue]:
    """Cells of replicated rows with values weighted by the shares of rows drawn; their rows once."""
    metric = objective_named(objective).metric
    weighted_cells = []
    for cell, whole in zip(cells, once, strict=True):
        pairs = [(cell, whole)]
        if objective == "worst_auc":  # of which cell it is may differ between arms
            pairs = list(zip(cells, once, strict=True))
        elif metric.over_scenarios:
            pairs = [pair for pair in zip(cells, once, strict=True) if pair[1].task == cell.task]
        share = sum(drawn.rows for drawn, _ in pairs) / sum(every.rows for _, every in pairs)
        values = {name: _times(cell.value(name), share, name) for name in every_metric()}
        further = {name: value for name, value in values.items() if not hasattr(cell, name)}
        fields = {name: value for name, value in values.items() if hasattr(cell, name)}
        weighted_cells.append(replace(cell, rows=whole.rows, further=further, **fields))
    return weighted_cells


def _times(value: float | None, share: float, metric: str) -> float | None:
    return None if value is None else value * (share**0.5 if metric == "rmse" else share)


def exact_cells(runs: ScoredRows, logits_RT: NDArray[np.float32]) -> tuple[CellValue, ...]:
    """The cells by all metrics."""
    columns = Columns(
        ids_RF=np.zeros((len(runs.user_R), 0), np.int32),
        numeric_RN=np.zeros((len(runs.user_R), 0), np.float32),
        scenario_R=runs.scenario_R,
        labels_RT=runs.labels_RT,
        user_R=runs.user_R,
        lists_RS=np.zeros((len(runs.user_R), 0), np.int32),
    )
    return tuple(cell_values(logits_RT, columns, runs.cells, further=FURTHER))
