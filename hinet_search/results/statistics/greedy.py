"""Greedy selection of an ensemble: add the run that helps most, again and again.

Of Caruana et al., Ensemble Selection from Libraries of Models (ICML 2004): with replacement, so
that a run may weigh more, from several random subsets (bags) of the runs. A step evaluates only the
SHORTLIST of runs towards which the objective rises fastest, and all runs where there are not more;
the first step always evaluates all. The rise is divided by the spread of a run's scores, as a run
with wide scores promises more than its share of the mean keeps. (For metrics with the slope of
another, see cell_rows.py, it is a rough guide.) Ties go to the run that comes first.
Shape legend: M runs, N rows of a cell, C cells, B searches, X candidates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hinet_search.common import heartbeat
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.ensemble_records import Scale
from hinet_search.results.objectives import Objective
from hinet_search.results.statistics.cell_rows import CellRows, Means, Slope, slope_of
from hinet_search.results.statistics.many_scores import OfMany
from hinet_search.results.statistics.scored_cell import Floats

SHORTLIST = 8
LEAST_SPREAD = 1e-9
LIMIT = 1 + 1e-9  # of the shares of distinct runs: those that sum to 1 fit despite rounding

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class CellRuns:
    """A cell's rows (largest labels first) with the scores of all runs on either scale."""

    name: tuple[str, str]
    rows: CellRows
    score_MN: Mapping[Scale, Means]


@dataclass(frozen=True)
class Pool:
    """Runs on the rows that a selection may see, as their scores on one scale.

    `weight_C` are the weights of the cells in the objective; None for the worst cell. Scores of
    means are in the direction of the objective: larger is better.
    """

    score_CMN: tuple[Means, ...]
    rows_C: tuple[CellRows, ...]
    objective: Objective
    scale: Scale
    weight_C: Floats | None

    @cached_property
    def slope_of_cells(self) -> tuple[Slope, ...]:
        """(C,): the slope of the metric in every cell."""
        return tuple(slope_of(self.objective.metric, rows, self.scale) for rows in self.rows_C)

    @cached_property
    def value_of_cells(self) -> tuple[OfMany, ...]:
        """(C,): the metric in every cell."""
        return tuple(rows.valued(self.objective.metric, self.scale) for rows in self.rows_C)

    @property
    def num_runs(self) -> int:
        """M."""
        return len(self.score_CMN[0])

    def scores(self, mean_CXN: Sequence[Means]) -> Floats:
        """(X,): the objective of every candidate mean, larger is better."""
        value_XC = self._cell_values(mean_CXN)
        value_X: Floats
        value_X = value_XC.min(axis=1) if self.weight_C is None else value_XC @ self.weight_C
        return self.objective.sign * value_X

    def slopes(self, mean_CBN: Sequence[Means]) -> Floats:
        """(B, M): how fast the objective rises from each of B means towards every run."""
        weight_BC: Floats  # the derivative of the objective in the value of every cell
        if self.weight_C is not None:
            weight_BC = np.broadcast_to(self.weight_C, (len(mean_CBN[0]), len(self.rows_C)))
        else:
            worst_B = self._cell_values(mean_CBN).argmin(axis=1)
            weight_BC = np.eye(len(self.rows_C))[worst_B]
        slope_BM = np.zeros((len(weight_BC), self.num_runs))
        for cell, (slope, mean_BN) in enumerate(zip(self.slope_of_cells, mean_CBN, strict=True)):
            slope_BN = np.stack([slope(mean_N) for mean_N in mean_BN])
            slope_BN *= self.objective.sign * weight_BC[:, cell, None]
            slope_BM += slope_BN.astype(np.float32) @ self.score_CMN[cell].T
            slope_BM -= (slope_BN * mean_BN).sum(axis=1, keepdims=True)
        return slope_BM

    def spreads(self) -> Floats:
        """(M,): the standard deviation of the scores of every run, as a mean over cells."""
        spreads = [score_MN.std(axis=1) for score_MN in self.score_CMN]
        return np.maximum(np.mean(spreads, axis=0, dtype=np.float64), LEAST_SPREAD)

    def singles(self) -> Floats:
        """(M,): the objective of every run alone, larger is better."""
        scores = []
        for start in range(0, self.num_runs, SHORTLIST):
            block = slice(start, start + SHORTLIST)
            scores.append(self.scores([score_MN[block] for score_MN in self.score_CMN]))
        return np.concatenate(scores)

    def mean_score(self, weight_M: Floats) -> float:
        """Return the objective of a weighted mean, larger is better."""
        weights = (weight_M / weight_M.sum()).astype(np.float32)
        means = [(weights @ score_MN)[None] for score_MN in self.score_CMN]
        return float(self.scores(means)[0])

    def _cell_values(self, mean_CXN: Sequence[Means]) -> Floats:
        """(X, C): the metric of every cell for every mean."""
        values = []
        for value_of, mean_XN in zip(self.value_of_cells, mean_CXN, strict=True):
            values.append(value_of(mean_XN))
        return np.stack(values, axis=1)


def make_pool(
    cells: Sequence[CellRuns], is_seen_U: Mask, objective: Objective, scale: Scale
) -> Pool:
    """Take the rows of the units that are seen; ConfigurationError if no cell has a value."""
    scores = []
    rows_of_cells = []
    names = []
    for cell in cells:
        is_seen_N = is_seen_U[cell.rows.unit_N]
        rows = cell.rows.where(is_seen_N)
        equal_N = np.zeros((1, len(rows.label_N)), np.float32)
        if np.isnan(rows.valued(objective.metric, "logits")(equal_N)[0]):
            continue
        scores.append(np.compress(is_seen_N, cell.score_MN[scale], axis=1))
        rows_of_cells.append(rows)
        names.append(cell.name)
    if not names:
        raise ConfigurationError(
            f"{objective.name} has no value: no cell of the split has labels that differ"
        )
    weight_C = None
    if not objective.is_of_one_of_all:  # all others are linear in the values of the cells
        num_rows = [len(rows.label_N) for rows in rows_of_cells]
        units_CC = np.eye(len(names)).tolist()
        weights = [objective.value(names, num_rows, unit_C) for unit_C in units_CC]
        weight_C = np.array(weights, dtype=np.float64)
    return Pool(tuple(scores), tuple(rows_of_cells), objective, scale, weight_C)


@dataclass
class Search:
    """One greedy search: the runs that it may add, those that it added, and the score after each.

    `share_M` are the shares that distinct runs take of a limit on their cost. `sum_CN` are the sums
    of the scores of the `picks`.
    """

    is_offered_M: Mask
    share_M: Floats
    with_replacement: bool = True
    picks: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    sum_CN: list[Means] = field(default_factory=list, compare=False)

    def may_add(self) -> NDArray[np.int64]:
        """Return the runs that may be added next; a run that is in costs nothing more."""
        is_in_M = np.zeros(len(self.share_M), bool)
        is_in_M[self.picks] = True
        is_open_M = ~is_in_M & (self.share_M[is_in_M].sum() + self.share_M <= LIMIT)
        if self.with_replacement:
            is_open_M |= is_in_M
        return np.flatnonzero(self.is_offered_M & is_open_M)

    def add_best(self, open_X: NDArray[np.int64], score_X: Floats, pool: Pool) -> None:
        """Add the best of some runs."""
        best = int(np.argmax(score_X))
        run = int(open_X[best])
        if not self.picks:
            self.sum_CN = [np.zeros_like(score_MN[run]) for score_MN in pool.score_CMN]
        for sum_N, score_MN in zip(self.sum_CN, pool.score_CMN, strict=True):
            np.add(sum_N, score_MN[run], out=sum_N)
        self.picks.append(run)
        self.scores.append(float(score_X[best]))

    def best_weights(self) -> Floats:
        """(M,): weights of the best mean on the path, the shortest if there are several."""
        length = int(np.argmax(self.scores)) + 1
        return np.bincount(self.picks[:length], minlength=len(self.share_M)) / length


def walk(pool: Pool, searches: Sequence[Search], most: int) -> None:
    """Add up to `most` runs in every search, one at a time; it ends if no run may be added."""
    single_M = pool.singles()
    spread_M = pool.spreads()
    for search in searches:
        first_X = search.may_add()
        search.add_best(first_X, single_M[first_X], pool)
    for _ in range(most - 1):
        slope_BM = np.zeros((len(searches), pool.num_runs))  # where the shortlist has all runs
        if pool.num_runs > SHORTLIST:
            slope_BM = pool.slopes(_means(searches)) / spread_M
        for search, slope_M in zip(searches, slope_BM, strict=True):
            open_X = search.may_add()
            if not len(open_X):
                continue
            # Those with the largest slopes, in the order of the runs.
            steepest_X = np.argsort(-slope_M[open_X], kind="stable")[:SHORTLIST]
            open_X = np.sort(open_X[steepest_X])
            length = np.float32(len(search.picks) + 1)
            means = []
            for sum_N, score_MN in zip(search.sum_CN, pool.score_CMN, strict=True):
                means.append((sum_N + score_MN[open_X]) / length)
            search.add_best(open_X, pool.scores(means), pool)
        heartbeat.send_heartbeat()


def _means(searches: Sequence[Search]) -> list[Means]:
    """(C, B, N): the mean of every search in every cell."""
    length_B = np.array([[len(search.picks)] for search in searches], np.float32)
    sum_CBN = map(np.stack, zip(*(search.sum_CN for search in searches), strict=True))
    return [np.divide(sum_BN, length_B, dtype=np.float32) for sum_BN in sum_CBN]
