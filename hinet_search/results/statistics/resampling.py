"""Resampling: compute a finalist's test metrics under resamplings of the test users.

This is a cluster bootstrap: users are drawn with replacement together with all their rows, because
rows of one user are alike. Without users, rows are drawn; a row whose user is missing is drawn
alone. Resampling r depends only on (seed, r) and the users of the split. Every arm of a study thus
gets the same users, and the difference of two arms over resamplings has the right spread.

A value counts by the rows drawn: that of a cell is multiplied by the cell's rows in the resampling
over its rows in the split (the square of an RMSE is). A mean over rows is a sum over users divided
by a number of rows. If a few users have most rows, drawing them changes both alike, so the quotient
hardly moves and hides how much depends on these users; the sum shows it. Differences of arms hardly
change by it if users are many or alike. docs/results/claims.md has the rates of few unlike users.
Shape legend: S seeds, R rows, T tasks, C cells, D resamplings, U units (users or rows),
B resamplings of a block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.common import heartbeat
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.cells import Cell, CellName, Labels
from hinet_search.results.objectives import Objective, objective_named
from hinet_search.results.records import CellValue, Resampled
from hinet_search.results.statistics.weighted_metrics import (
    METRICS,
    CellScores,
    Floats,
    Weighted,
    metric_of,
    no_value,
)

RESAMPLINGS = 200
BLOCK_NUMBERS = 2_000_000  # numbers in one array of a block (16 MB), for any size of the split


@dataclass(frozen=True)
class ScoredRows:
    """Rows of a split with the logits of all seeds of one finalist; user_R is -1 for no user."""

    logits_SRT: NDArray[np.float32]
    labels_RT: Labels
    scenario_R: NDArray[np.int16]
    user_R: NDArray[np.int32]
    cells: Sequence[Cell]


def resampled(
    scored: ScoredRows, *, headline: str, seed: int, resamplings: int = RESAMPLINGS
) -> Resampled:
    """Compute `headline` and its metric in every cell under each resampling, as means over seeds.

    `headline` is the name of an objective. The cells hold the metric that it reads: AUC (ties
    count half), grouped AUC, log loss, calibration error, RMSE or MAE. The headline is computed per
    seed from the resampled cells. All are weighted by the rows drawn. A resampling without a value
    (a cell lacks a class, or amounts that differ) is left out, for every arm alike.
    """
    unit_R, num_units = units_of_rows(scored.user_R)
    rows_of_cell, metrics_SC = prepared_metrics(scored, unit_R, num_units, metric_of(headline))
    rows_UC = np.stack(
        [np.bincount(unit_R[rows], minlength=num_units) for rows in rows_of_cell], axis=1
    ).astype(float)
    value_blocks, row_blocks = [], []
    for multiplicity_UB in multiplicity_blocks(num_units, len(unit_R), seed, resamplings):
        values_of_seeds = [metric_values(metrics_C, multiplicity_UB) for metrics_C in metrics_SC]
        value_blocks.append(np.stack(values_of_seeds))
        row_blocks.append(rows_UC.T @ multiplicity_UB)
        heartbeat.send_heartbeat()
    names = [cell.name for cell in scored.cells]
    value_SCD, rows_CD = np.concatenate(value_blocks, axis=2), np.concatenate(row_blocks, axis=1)
    rows_C, objective = rows_UC.sum(axis=0), objective_named(headline)
    by_cell_SCD = _by_rows(value_SCD, rows_CD / np.maximum(rows_C, 1.0)[:, np.newaxis], objective)
    if objective.is_of_one_of_all:  # arms may differ in the cell, so all cells count alike
        headline_SCD = _by_rows(value_SCD, rows_CD.sum(axis=0) / rows_C.sum(), objective)
    else:
        headline_SCD = by_cell_SCD
    return Resampled(
        unit="users" if _has_users(scored.user_R) else "rows",
        num_units=num_units,
        headline=tuple(_headlines(objective, names, headline_SCD, rows_C)),
        cells=tuple(
            () if np.isnan(row_D).any() else tuple(row_D.tolist())
            for row_D in by_cell_SCD.mean(axis=0)
        ),
        by_rows=True,
    )


def _by_rows(value_SCD: Floats, share_CD: Floats, objective: Objective) -> Floats:
    """Weight values by shares of rows; of a root, what is under it is weighted."""
    return value_SCD * (np.sqrt(share_CD) if objective.is_root else share_CD)


def metric_values(metrics_C: Sequence[Weighted], multiplicity_UB: Floats) -> Floats:
    """(C, B): the value of every cell under every resampling of a block."""
    return np.stack([metric(multiplicity_UB) for metric in metrics_C])


def _has_users(user_R: NDArray[np.int32]) -> bool:
    return bool((user_R >= 0).any())


def units_of_rows(user_R: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """Return the unit of every row, numbered from 0 in order of user code, and the number of units.

    A row without a user is its own unit, after the users, because such rows need not belong
    together.
    """
    alone_R = user_R < 0
    code_R = np.where(alone_R, user_R.max(initial=-1) + np.cumsum(alone_R), user_R)
    code_U, unit_R = np.unique(code_R, return_inverse=True)
    return unit_R.astype(np.int64), len(code_U)


def prepared_metrics(
    scored: ScoredRows, unit_R: NDArray[np.int64], num_units: int, metric: str
) -> tuple[list[NDArray[np.int64]], list[list[Weighted]]]:
    """Return the rows of every cell, and per seed and cell the metric as a function.

    The function maps the multiplicities of units to the metric.
    """
    numbers = {cell.scenario_number for cell in scored.cells}
    by_scenario = {number: np.flatnonzero(scored.scenario_R == number) for number in numbers}
    places = [(by_scenario[cell.scenario_number], cell) for cell in scored.cells]
    grouped_without_users = metric == "gauc" and not _has_users(scored.user_R)

    def prepared(logits_RT: NDArray[np.float32], rows: NDArray[np.int64], cell: Cell) -> Weighted:
        if not len(rows) or grouped_without_users:
            return no_value
        logit_C = logits_RT[rows, cell.task_number].astype(np.float64)
        label_C = cell.labels(scored.labels_RT, rows)
        amount = cell.unit or 1.0
        scores = CellScores(logit_C, label_C, unit_R[rows], num_units, cell.family, amount)
        return METRICS[metric](scores)

    metrics_SC = [
        [prepared(logits_RT, *place) for place in places] for logits_RT in scored.logits_SRT
    ]
    return [rows for rows, _ in places], metrics_SC


def multiplicity_blocks(
    num_units: int, num_rows: int, seed: int, resamplings: int
) -> Iterator[Floats]:
    """Multiplicities (U, B): how often each unit is drawn in the resamplings of a block."""
    size = max(1, min(resamplings, BLOCK_NUMBERS // max(num_rows, 1)))
    for start in range(0, resamplings, size):
        numbers = range(start, min(start + size, resamplings))
        yield np.stack([_draw(num_units, seed, number) for number in numbers], axis=1)


def _draw(num_units: int, seed: int, number: int) -> Floats:
    generator = np.random.default_rng([seed, number])
    return np.bincount(generator.integers(num_units, size=num_units), minlength=num_units).astype(
        np.float64
    )


def _headlines(
    objective: Objective, names: Sequence[CellName], value_SCD: Floats, rows_C: Floats
) -> Iterator[float]:
    for resampling in range(value_SCD.shape[2]):
        try:
            yield float(
                np.mean(
                    [
                        objective(metric_cells(names, rows_C, value_C))
                        for value_C in value_SCD[:, :, resampling]
                    ]
                )
            )
        except ConfigurationError:  # no cell of the headline has a value here
            continue


def metric_cells(names: Sequence[CellName], rows_C: Floats, value_C: Floats) -> list[CellValue]:
    """Return cells for an objective, which reads one metric: every field holds the value."""
    return [
        _cell(*name, int(rows), None if np.isnan(value) else float(value))
        for name, rows, value in zip(names, rows_C, value_C, strict=True)
    ]


def _cell(scenario: str, task: str, rows: int, value: float | None) -> CellValue:
    """Return a cell with `value` in every metric."""
    every = dict.fromkeys(("auc", "logloss", "gauc", "ece", "rmse", "mae"), value)
    return CellValue(scenario, task, rows, 0, **every)
