"""Greedy selection of an ensemble: add the run that helps most, again and again.

Of Caruana et al., Ensemble Selection from Libraries of Models (ICML 2004): with replacement, so
that a run may weigh more, from several random subsets (bags) of the runs. A step evaluates only the
SHORTLIST of runs towards which the objective rises fastest, and all runs where there are not more;
the first step always evaluates all. The rise is divided by the spread of a run's scores, as a run
with wide scores promises more than its share of the mean keeps. (For metrics with the slope of
another, see cell_rows.py, it is a rough guide.) Ties go to the run that comes first.
Shape legend: M runs, N rows of a cell, C cells, B tracks, X candidates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from hinet_search.common import heartbeat
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.cells import CellName
from hinet_search.results.ensemble_records import Scale
from hinet_search.results.metrics import Metric
from hinet_search.results.objectives import Objective
from hinet_search.results.statistics.cell_rows import CellRows, Means, Slope, slope_of
from hinet_search.results.statistics.many_scores import OfMany
from hinet_search.results.statistics.scored_cell import Floats

SHORTLIST = 8
LEAST_SPREAD = 1e-9

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
    metric: Metric
    scale: Scale
    weight_C: Floats | None
    sign: int

    @cached_property
    def slope_of_cells(self) -> tuple[Slope, ...]:
        """(C,): the slope of the metric in every cell."""
        return tuple(slope_of(self.metric, rows, self.scale) for rows in self.rows_C)

    @cached_property
    def value_of_cells(self) -> tuple[OfMany, ...]:
        """(C,): the metric in every cell."""
        return tuple(rows.valued(self.metric, self.scale) for rows in self.rows_C)

    @property
    def num_runs(self) -> int:
        """M."""
        return len(self.score_CMN[0])

    def scores(self, mean_CXN: Sequence[Means]) -> Floats:
        """(X,): the objective of every candidate mean, larger is better."""
        value_XC = self._cell_values(mean_CXN)
        value_X: Floats = (
            value_XC.min(axis=1) if self.weight_C is None else value_XC @ self.weight_C
        )
        return value_X if self.sign > 0 else -value_X

    def slopes(self, mean_CBN: Sequence[Means]) -> Floats:
        """(B, M): how fast the objective rises from each of B means towards every run."""
        weight_BC = self._weights_at(mean_CBN)
        slope_BM = np.zeros((len(weight_BC), self.num_runs))
        for cell, (slope, mean_BN) in enumerate(zip(self.slope_of_cells, mean_CBN, strict=True)):
            slope_BN = np.stack([slope(mean_N) for mean_N in mean_BN])
            slope_BN *= self.sign * weight_BC[:, cell, None]
            slope_BM += slope_BN.astype(np.float32) @ self.score_CMN[cell].T
            slope_BM -= (slope_BN * mean_BN).sum(axis=1, keepdims=True)
        return slope_BM

    def spreads(self) -> Floats:
        """(M,): the standard deviation of the scores of every run, as a mean over cells."""
        spreads = [score_MN.std(axis=1) for score_MN in self.score_CMN]
        return np.maximum(np.mean(spreads, axis=0, dtype=np.float64), LEAST_SPREAD)

    def singles(self) -> Floats:
        """(M,): the objective of every run alone, larger is better."""
        starts = range(0, self.num_runs, SHORTLIST)
        blocks = [slice(start, start + SHORTLIST) for start in starts]
        return np.concatenate(
            [self.scores([score_MN[block] for score_MN in self.score_CMN]) for block in blocks]
        )

    def mean_score(self, weight_M: Floats) -> float:
        """Return the objective of a weighted mean, larger is better."""
        weights = (weight_M / weight_M.sum()).astype(np.float32)
        means = [(weights @ score_MN)[None] for score_MN in self.score_CMN]
        return float(self.scores(means)[0])

    def _cell_values(self, mean_CXN: Sequence[Means]) -> Floats:
        """(X, C): the metric of every cell for every mean."""
        values = [
            value_of(mean_XN)
            for value_of, mean_XN in zip(self.value_of_cells, mean_CXN, strict=True)
        ]
        return np.stack(values, axis=1)

    def _weights_at(self, mean_CBN: Sequence[Means]) -> Floats:
        """(B, C): the derivative of the objective in the value of every cell."""
        num_means = len(mean_CBN[0])
        num_cells = len(self.rows_C)
        if self.weight_C is not None:
            return np.broadcast_to(self.weight_C, (num_means, num_cells))
        worst_B = self._cell_values(mean_CBN).argmin(axis=1)
        is_worst_BC: Floats = np.eye(num_cells)[worst_B]
        return is_worst_BC


def make_pool(
    cells: Sequence[CellRuns], is_seen_U: Mask, objective: Objective, scale: Scale
) -> Pool:
    """Take the rows of the units that are seen; ConfigurationError if no cell has a value."""
    metric = objective.metric
    scores = []
    rows_of_cells = []
    values = []
    for cell in cells:
        is_seen_N = is_seen_U[cell.rows.unit_N]
        label_N = cell.rows.label_N[is_seen_N]
        unit_N = cell.rows.unit_N[is_seen_N]
        rows = replace(cell.rows, label_N=label_N, unit_N=unit_N)
        equal_N = np.zeros((1, len(label_N)), np.float32)
        values.append(rows.valued(metric, "logits")(equal_N))
        scores.append(np.compress(is_seen_N, cell.score_MN[scale], axis=1))
        rows_of_cells.append(rows)
    names = [cell.name for cell in cells]
    num_rows = [len(rows.label_N) for rows in rows_of_cells]
    has_value_C = ~np.isnan(np.concatenate(values))
    return Pool(
        score_CMN=tuple(compress(scores, has_value_C)),
        rows_C=tuple(compress(rows_of_cells, has_value_C)),
        metric=metric,
        scale=scale,
        weight_C=_cell_weights(objective, names, num_rows, has_value_C),
        sign=1 if objective.maximize else -1,
    )


def _cell_weights(
    objective: Objective, names: Sequence[CellName], num_rows: Sequence[int], has_value_C: Mask
) -> Floats | None:
    """Return the weights of the cells with a value; None if the objective is the worst cell.

    All other objectives are linear in the values of the cells. ConfigurationError if no cell has a
    value.
    """
    weights = []
    for place in np.flatnonzero(has_value_C):
        unit_C = [float(other == place) if has else None for other, has in enumerate(has_value_C)]
        weights.append(objective.value(names, num_rows, unit_C))
    if None in weights or not weights:
        raise ConfigurationError(
            f"{objective.name} has no value: no cell of the split has labels that differ"
        )
    return None if objective.is_of_one_of_all else np.array(weights)


@dataclass(frozen=True)
class Track:
    """What one greedy search may add: runs that are offered, within a limit on their total cost."""

    is_offered_M: Mask
    cost_M: Floats
    limit: float
    with_replacement: bool = True

    def may_add(self, picks: Sequence[int]) -> NDArray[np.int64]:
        """Return the runs that may be added to these; a run that is in costs nothing more."""
        is_in_M = np.zeros(len(self.cost_M), bool)
        is_in_M[list(picks)] = True
        is_open_M = ~is_in_M & (self.cost_M[is_in_M].sum() + self.cost_M <= self.limit)
        if self.with_replacement:
            is_open_M |= is_in_M
        return np.flatnonzero(self.is_offered_M & is_open_M)


@dataclass(frozen=True)
class Path:
    """Runs in the order in which they were added, and the objective after each."""

    picks: tuple[int, ...]
    scores: tuple[float, ...]

    def best_weights(self, num_runs: int) -> Floats:
        """(M,): weights of the best mean on the path, the shortest if there are several."""
        length = int(np.argmax(self.scores)) + 1
        return np.bincount(self.picks[:length], minlength=num_runs) / length


def walk(pool: Pool, tracks: Sequence[Track], most: int) -> list[Path]:
    """Add up to `most` runs on every track, one at a time; a path ends if no run may be added."""
    single_M = pool.singles()
    spread_M = pool.spreads()
    searches = [_Search(pool, track) for track in tracks]
    for search in searches:
        first_X = search.track.may_add(())
        search.add(first_X, single_M[first_X])
    for _ in range(most - 1):
        slope_BM = _slopes(pool, searches) / spread_M
        for search, slope_M in zip(searches, slope_BM, strict=True):
            open_X = search.track.may_add(search.picks)
            # Those with the largest slopes, in the order of the runs.
            steepest_X = np.argsort(-slope_M[open_X], kind="stable")[:SHORTLIST]
            open_X = np.sort(open_X[steepest_X])
            search.add(open_X, search.scores_with(open_X))
        heartbeat.send_heartbeat()
    return [Path(tuple(search.picks), tuple(search.scores)) for search in searches]


class _Search:
    """A path in the making."""

    def __init__(self, pool: Pool, track: Track) -> None:
        self.pool = pool
        self.track = track
        self.picks: list[int] = []
        self.scores: list[float] = []
        self.sum_CN: list[Means] = [np.zeros_like(score_MN[0]) for score_MN in pool.score_CMN]

    def scores_with(self, open_X: NDArray[np.int64]) -> Floats:
        """(X,): the objective after each of these runs is added."""
        length = np.float32(len(self.picks) + 1)
        means = [
            (sum_N + score_MN[open_X]) / length
            for sum_N, score_MN in zip(self.sum_CN, self.pool.score_CMN, strict=True)
        ]
        return self.pool.scores(means)

    def add(self, open_X: NDArray[np.int64], score_X: Floats) -> None:
        """Add the best of these runs, if there are any."""
        if not len(open_X):
            return
        best = int(np.argmax(score_X))
        self.picks.append(int(open_X[best]))
        self.scores.append(float(score_X[best]))
        for sum_N, score_MN in zip(self.sum_CN, self.pool.score_CMN, strict=True):
            np.add(sum_N, score_MN[self.picks[-1]], out=sum_N)


def _slopes(pool: Pool, searches: Sequence[_Search]) -> Floats:
    """(B, M): slopes at the mean of every search; zeros where the shortlist has all runs."""
    if pool.num_runs <= SHORTLIST:
        return np.zeros((len(searches), pool.num_runs))
    length_B = np.array([[len(search.picks)] for search in searches], np.float32)
    mean_CBN = []
    for cell in range(len(pool.rows_C)):
        sum_BN = np.stack([search.sum_CN[cell] for search in searches])
        mean_CBN.append(np.divide(sum_BN, length_B, dtype=np.float32))
    return pool.slopes(mean_CBN)
