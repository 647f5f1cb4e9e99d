"""Resampling: compute a finalist's test metrics under resamplings of the test users.

This is a cluster bootstrap: users are drawn with replacement together with all their rows, because
rows of one user are alike. Without users, rows are drawn; a row whose user is missing is drawn
alone. Resampling r depends only on (seed, r) and the users of the split. Every arm of a study thus
gets the same users, and the difference of two arms over resamplings has the right spread.

A value counts by the rows drawn: a cell's value is multiplied by its rows in the resampling
over its rows in the split (the square of an RMSE is). A mean over rows is a sum over users divided
by a number of rows. If a few users have most rows, drawing them changes both alike, so the quotient
hardly moves and hides how much depends on these users; the sum shows it. Differences of arms hardly
change by it if users are many or alike. docs/results/claims.md has the rates of few unlike users.
Shape legend: S seeds, R rows, T tasks, C cells, D resamplings, U units (users or rows),
B resamplings of a block.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

import numpy as np
from numpy.typing import NDArray

from hinet_search.common import heartbeat
from hinet_search.results.cells import Cell, CellName, Labels, rows_of_task
from hinet_search.results.metrics import Metric
from hinet_search.results.objectives import WITHIN_GROUPS, Objective, objective_named
from hinet_search.results.records import Resampled
from hinet_search.results.statistics.scored_cell import Floats, Places, Prepared, scored_cell

RESAMPLINGS = 200
BLOCK_NUMBERS = 2_000_000  # numbers in one array of a block (16 MB), for any size of the split


@dataclass(frozen=True)
class ScoredRows:
    """Rows of a split with the logits of all seeds of one finalist.

    `user_R` is -1 for no user, `group_R` for no group of the data's `rank`, None without `rank`.
    """

    logits_SRT: NDArray[np.float32]
    labels_RT: Labels
    scenario_R: NDArray[np.int16]
    user_R: NDArray[np.int32]
    cells: Sequence[Cell]
    group_R: NDArray[np.int32] | None = None

    @property
    def is_amount(self) -> NDArray[np.bool_]:
        """Whether the labels of a task are amounts (T,)."""
        amounts = [cell.task_number for cell in self.cells if cell.unit is not None]
        return np.isin(np.arange(self.labels_RT.shape[1]), amounts)

    def part(self, logits_SRT: NDArray[np.float32], is_kept_R: NDArray[np.bool_]) -> "ScoredRows":
        """Return the kept rows, with logits that were computed for kept rows only."""
        return ScoredRows(
            logits_SRT,
            self.labels_RT[is_kept_R],
            self.scenario_R[is_kept_R],
            self.user_R[is_kept_R],
            self.cells,
            None if self.group_R is None else self.group_R[is_kept_R],
        )


@dataclass(frozen=True)
class PreparedMetric:
    """A metric of every seed and cell, prepared for any weights of the units.

    `rows_UC` are the rows of the cells by unit, and `read_UC` those that the metric reads for them:
    of a metric over all scenarios those of the cell's task.
    """

    cells: Sequence[CellName]
    metrics_SC: Sequence[Sequence[Prepared]]
    rows_UC: Floats
    read_UC: Floats

    def values(self, weight_UB: Floats, num_seeds: int | None = None) -> Floats:
        """(S, C, B): the metric of the first seeds, all by default, NaN where it has no value."""
        value_SCB = []
        for metrics_C in self.metrics_SC[:num_seeds]:
            # Cells that share a metric share its value.
            value_B_of = {metric: metric(weight_UB) for metric in dict.fromkeys(metrics_C)}
            value_SCB.append([value_B_of[metric] for metric in metrics_C])
        return np.array(value_SCB)


@dataclass(frozen=True)
class _Drawn:
    """The metric that an objective reads, in every cell under every resampling (S, C, D).

    `rows_CD` are the rows drawn of the cells, `read_CD` those that the metric reads for them.
    """

    objective: Objective
    prepared: PreparedMetric
    value_SCD: Floats
    rows_CD: Floats
    read_CD: Floats

    @property
    def by_cell(self) -> Floats:
        """The metric of every cell, weighted by the rows drawn."""
        read_C = self.prepared.read_UC.sum(axis=0)
        share_CD = self.read_CD / np.maximum(read_C, 1.0)[:, np.newaxis]
        return _by_rows(self.value_SCD, share_CD, self.objective)

    @property
    def weighted(self) -> tuple[float, ...]:
        """The objective of cells that are weighted by the rows drawn."""
        rows_C = self.prepared.rows_UC.sum(axis=0)
        value_SCD = self.by_cell
        if self.objective.is_of_one_of_all:  # arms may differ in it, so all cells count alike
            share_D = self.rows_CD.sum(axis=0) / rows_C.sum()
            value_SCD = _by_rows(self.value_SCD, share_D, self.objective)
        return self._means(rows_C[:, np.newaxis], value_SCD)

    @property
    def alone(self) -> tuple[float, ...]:
        """The objective of the rows drawn as they are."""
        return self._means(self.rows_CD, self.value_SCD)

    def _means(self, rows_CB: Floats, value_SCD: Floats) -> tuple[float, ...]:
        values_SD = objective_values(self.objective, self.prepared.cells, rows_CB, value_SCD)
        mean_D = values_SD.mean(axis=0)
        return tuple(mean_D[~np.isnan(mean_D)].tolist())


def resampled(
    scored: ScoredRows, *, headline: str, seed: int, resamplings: int = RESAMPLINGS
) -> Resampled:
    """Compute `headline` and its metric in every cell under each resampling, as means over seeds.

    `headline` is the name of an objective; the cells hold the metric that it reads. The headline is
    computed per seed from the resampled cells. All are weighted by the rows drawn. A resampling
    without a value (a cell lacks a class, or amounts that differ) is left out, for every arm alike.
    """
    unit_R, num_units = units_of_rows(scored.user_R)

    def drawn(name: str) -> _Drawn:
        objective = objective_named(name)
        prepared = prepare(scored, unit_R, num_units, objective.metric)
        blocks: tuple[list[Floats], list[Floats], list[Floats]] = ([], [], [])
        for weight_UB in multiplicity_blocks(num_units, len(unit_R), seed, resamplings):
            blocks[0].append(prepared.values(weight_UB))
            blocks[1].append(prepared.rows_UC.T @ weight_UB)
            blocks[2].append(prepared.read_UC.T @ weight_UB)
            heartbeat.send_heartbeat()
        return _Drawn(objective, prepared, *(np.concatenate(block, axis=-1) for block in blocks))

    of_headline = drawn(headline)
    without_ranks = Resampled(
        unit="users" if (scored.user_R >= 0).any() else "rows",
        num_units=num_units,
        headline=of_headline.weighted,
        cells=tuple(
            () if np.isnan(value_D).any() else tuple(value_D.tolist())
            for value_D in of_headline.by_cell.mean(axis=0)
        ),
    )
    if scored.group_R is None:
        return without_ranks
    within = drawn(WITHIN_GROUPS)
    return replace(
        without_ranks,
        within=within.weighted,
        headline_alone=of_headline.alone,
        within_alone=within.alone,
    )


def _by_rows(value_SCD: Floats, share_CD: Floats, objective: Objective) -> Floats:
    """Weight values by shares of rows; of a root, what is under it is weighted."""
    return value_SCD * (np.sqrt(share_CD) if objective.metric.is_root else share_CD)


def objective_values(
    objective: Objective, cells: Sequence[CellName], rows_CB: Floats, value_SCB: Floats
) -> Floats:
    """(S, B): the objective of the metric of all cells, NaN where it has no value.

    `rows_CB` may be one column for all resamplings.
    """
    num_seeds, _, num_resamplings = value_SCB.shape
    rows_CB = np.broadcast_to(rows_CB, value_SCB.shape[1:])
    objective_SB = np.full((num_seeds, num_resamplings), np.nan)
    for seed, number in np.ndindex(num_seeds, num_resamplings):
        values = [None if isnan(value) else value for value in value_SCB[seed, :, number].tolist()]
        value = objective.value(cells, rows_CB[:, number].tolist(), values)
        objective_SB[seed, number] = np.nan if value is None else value
    return objective_SB


def units_of_rows(user_R: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """Return the unit of every row, numbered from 0 in order of user code, and the number of units.

    A row without a user is its own unit, after the users, because such rows need not belong
    together.
    """
    alone_R = user_R < 0
    code_R = np.where(alone_R, user_R.max(initial=-1) + np.cumsum(alone_R), user_R)
    code_U, unit_R = np.unique(code_R, return_inverse=True)
    return unit_R.astype(np.int64), len(code_U)


def rows_read(
    metric: Metric, cell: Cell, cells: Sequence[Cell], scenario_R: NDArray[np.int16]
) -> Places:
    """Return the rows that a metric reads for a cell."""
    if metric.over_scenarios:
        return rows_of_task(cell, cells, scenario_R)
    return np.flatnonzero(scenario_R == cell.scenario_number)


def prepare(
    scored: ScoredRows, unit_R: NDArray[np.int64], num_units: int, metric: Metric
) -> PreparedMetric:
    """Prepare a metric of all cells with the scores of every seed."""
    cells = scored.cells
    group_R = scored.group_R if metric.within == "groups" else None
    rows_of_cells = [np.flatnonzero(scored.scenario_R == cell.scenario_number) for cell in cells]
    read_of_cells = [rows_read(metric, cell, cells, scored.scenario_R) for cell in cells]

    metrics_SC = []
    for logits_RT in scored.logits_SRT:
        of_tasks: dict[int, Prepared] = {}
        metrics_C = []
        for rows, cell in zip(read_of_cells, cells, strict=True):
            task = cell.task_number
            if not metric.over_scenarios or task not in of_tasks:
                label_C = scored.labels_RT[rows, task]
                logit_C = logits_RT[rows, task]
                scored_C = scored_cell(cell, logit_C, label_C, unit_R[rows], num_units=num_units)
                if group_R is not None:
                    scored_C = scored_C.by_groups(group_R[rows])
                of_tasks[task] = metric.prepared(scored_C)
            metrics_C.append(of_tasks[task])
        metrics_SC.append(metrics_C)

    def rows_of_units(rows: Places) -> Floats:
        return np.bincount(unit_R[rows], minlength=num_units).astype(np.float64)

    return PreparedMetric(
        cells=[cell.name for cell in cells],
        metrics_SC=metrics_SC,
        rows_UC=np.stack([rows_of_units(rows) for rows in rows_of_cells], axis=1),
        read_UC=np.stack([rows_of_units(rows) for rows in read_of_cells], axis=1),
    )


def multiplicity_blocks(
    num_units: int, num_rows: int, seed: int, resamplings: int
) -> Iterator[Floats]:
    """Multiplicities (U, B): how often each unit is drawn in the resamplings of a block."""
    size = max(1, min(resamplings, BLOCK_NUMBERS // max(num_rows, 1)))
    for start in range(0, resamplings, size):
        drawn = []
        for number in range(start, min(start + size, resamplings)):
            unit_U = np.random.default_rng([seed, number]).integers(num_units, size=num_units)
            drawn.append(np.bincount(unit_U, minlength=num_units))
        yield np.stack(drawn, axis=1).astype(np.float64)
