"""Resampling: test scores of all seeds of a finalist in, its metrics under resamplings of the test's users out.

A cluster bootstrap: users are drawn with replacement and bring all their rows, as rows of one user are alike. Where the
data have no users, rows are drawn; a row whose user is missing is drawn alone. Resampling r depends on (seed, r) and the users of the split alone, so every arm of a
study meets the same users, and the spread of a difference of two arms over resamplings is that of the difference.
Shape legend: S seeds, R rows, T tasks, C cells, D resamplings, U units (users or rows), B resamplings of a block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit

from hinet_search import life
from hinet_search.compare.weighted import METRICS, CellScores, Floats, Weighted, metric_of
from hinet_search.errors import ConfigurationError
from hinet_search.objective import Objective, objective_named
from hinet_search.records import CellValue, Resampled

RESAMPLINGS = 200
BLOCK_NUMBERS = 2_000_000  # numbers of one array of a block (16 MB), whatever the size of the split


@dataclass(frozen=True)
class Scored:
    """The rows of a split with the logits of all seeds of one finalist; user_R is -1 where a row has no user."""

    logits_SRT: NDArray[np.float32]
    labels_RT: NDArray[np.uint8]
    scenario_R: NDArray[np.int16]
    user_R: NDArray[np.int32]
    scenarios: Sequence[str]
    tasks: Sequence[str]

    @property
    def cells(self) -> list[tuple[str, str]]:
        """All (scenario, task), scenarios outside: the order of the cells of a run."""
        return [(scenario, task) for scenario in self.scenarios for task in self.tasks]


def resampled(scored: Scored, *, headline: str, seed: int, resamplings: int = RESAMPLINGS) -> Resampled:
    """`headline` (the name of an objective) and its metric in every cell, means over seeds, under each resampling.

    The cells hold the metric that the headline reads: AUC (ties half), grouped AUC, log loss or calibration error. The
    headline is worked out seed by seed from the cells of the resampling, weighted by their rows there where it weights.
    A resampling in which it has no value (its cell lacks a class) is left out; it is so for every arm.
    """
    unit_R, num_units = _units(scored.user_R)
    rows_of_cell, metrics_SC = _prepared(scored, unit_R, num_units, metric_of(headline))
    rows_UC = np.stack([np.bincount(unit_R[rows], minlength=num_units) for rows in rows_of_cell], axis=1).astype(float)
    values_SCD, rows_CD = [], []
    for multiplicity_UB in _blocks(num_units, len(unit_R), seed, resamplings):
        values_SCD.append(np.stack([np.stack([of(multiplicity_UB) for of in metrics_C]) for metrics_C in metrics_SC]))
        rows_CD.append(rows_UC.T @ multiplicity_UB)
        life.sign()
    value_SCD, counts_CD = np.concatenate(values_SCD, axis=2), np.concatenate(rows_CD, axis=1)
    return Resampled(
        unit="users" if _has_users(scored.user_R) else "rows",
        num_units=num_units,
        headline=tuple(_headlines(objective_named(headline), scored.cells, value_SCD, counts_CD)),
        cells=tuple(() if np.isnan(row_D).any() else tuple(row_D.tolist()) for row_D in value_SCD.mean(axis=0)),
    )


def ensemble_logits(logits_SRT: NDArray[np.float32]) -> NDArray[np.float32]:
    """(R, T): the logit of the mean probability over seeds; in float64 inside, and finite for any finite logits."""
    wide_SRT = logits_SRT.astype(np.float64)
    yes_RT: Floats = np.logaddexp.reduce(log_expit(wide_SRT), axis=0)
    no_RT: Floats = np.logaddexp.reduce(log_expit(-wide_SRT), axis=0)
    return (yes_RT - no_RT).astype(np.float32)


def _has_users(user_R: NDArray[np.int32]) -> bool:
    return bool((user_R >= 0).any())


def _units(user_R: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """The unit of every row, numbered from 0 in order of the user's code, and how many there are.

    A row without a user is a unit of its own, after the users: nothing says that such rows belong together.
    """
    alone_R = user_R < 0
    code_R = np.where(alone_R, user_R.max(initial=-1) + np.cumsum(alone_R), user_R)
    code_U, unit_R = np.unique(code_R, return_inverse=True)
    return unit_R.astype(np.int64), len(code_U)


def _prepared(
    scored: Scored, unit_R: NDArray[np.int64], num_units: int, metric: str
) -> tuple[list[NDArray[np.int64]], list[list[Weighted]]]:
    """Rows of every cell; and per seed and cell its metric as a function of the multiplicities."""
    by_scenario = [np.flatnonzero(scored.scenario_R == number) for number in range(len(scored.scenarios))]
    places = [(rows, task) for rows in by_scenario for task in range(len(scored.tasks))]
    grouped_without_users = metric == "gauc" and not _has_users(scored.user_R)

    def prepared(logits_RT: NDArray[np.float32], rows: NDArray[np.int64], task: int) -> Weighted:
        if not len(rows) or grouped_without_users:
            return lambda multiplicity_UB: np.full(multiplicity_UB.shape[1], np.nan)
        logit_C = logits_RT[rows, task].astype(np.float64)
        return METRICS[metric](CellScores(logit_C, scored.labels_RT[rows, task], unit_R[rows], num_units))

    metrics_SC = [[prepared(logits_RT, *place) for place in places] for logits_RT in scored.logits_SRT]
    return [rows for rows, _ in places], metrics_SC


def _blocks(num_units: int, num_rows: int, seed: int, resamplings: int) -> Iterator[Floats]:
    """Multiplicities (U, B): how often each unit is drawn in the resamplings of a block."""
    size = max(1, min(resamplings, BLOCK_NUMBERS // max(num_rows, 1)))
    for start in range(0, resamplings, size):
        numbers = range(start, min(start + size, resamplings))
        yield np.stack([_drawn(num_units, seed, number) for number in numbers], axis=1)


def _drawn(num_units: int, seed: int, number: int) -> Floats:
    generator = np.random.default_rng([seed, number])
    return np.bincount(generator.integers(num_units, size=num_units), minlength=num_units).astype(np.float64)


def _headlines(
    objective: Objective, names: Sequence[tuple[str, str]], value_SCD: Floats, rows_CD: Floats
) -> Iterator[float]:
    for resampling in range(value_SCD.shape[2]):
        rows_C = rows_CD[:, resampling]
        try:
            yield float(np.mean([objective(_cells(names, rows_C, value_C)) for value_C in value_SCD[:, :, resampling]]))
        except ConfigurationError:  # no cell of the headline has a value here
            continue


def _cells(names: Sequence[tuple[str, str]], rows_C: Floats, value_C: Floats) -> list[CellValue]:
    """Cells as an objective takes them: it reads one metric, so each field may hold the value."""
    return [
        CellValue(*name, int(rows), 0, auc=found, logloss=found, gauc=found, ece=found)
        for name, rows, value in zip(names, rows_C, value_C, strict=True)
        for found in [None if np.isnan(value) else float(value)]
    ]
