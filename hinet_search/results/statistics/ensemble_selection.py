"""Ensemble selection: choose which runs of a study are averaged, and measure what that gains.

The baseline is the plain mean of the probabilities of all runs (for a task of amounts, of their
expected amounts), as in an ensemble of seeds. A greedy selection (greedy.py) overfits the rows on
which it selects. Therefore its gain is cross-fitted: users are divided into folds, everything
(scale, weights, and under a limit the baseline) is chosen on the other folds, and the fold only
measures (crossfitting.py). The selection replaces the baseline only if the 95 % interval of that
gain lies above 0.

The gain is that of selections on a little less than all users; crossfitting.py has its interval.

Equal inputs and seed give equal results. Runs are sorted by a hash of their logits, so that the
order in which they come does not matter, except between identical runs.
Shape legend: M runs, R rows, T tasks, C cells, N rows of a cell, U units (users or rows).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError
from hinet_search.results.cells import Cell, Labels
from hinet_search.results.ensemble_records import Scale, SelectionGain
from hinet_search.results.objectives import Objective, objective_named
from hinet_search.results.statistics.cell_rows import CellRows
from hinet_search.results.statistics.crossfitting import CrossFit, HeldOut
from hinet_search.results.statistics.ensemble import RunningMean, combined
from hinet_search.results.statistics.greedy import CellRuns, Mask, Pool, Track, make_pool, walk
from hinet_search.results.statistics.resampling import ScoredRows, rows_read, units_of_rows
from hinet_search.results.statistics.scored_cell import Floats

SCALES: tuple[Scale, ...] = ("probabilities", "logits")
REPEATS = 2
LEAST_IN_BAG = 3
ROUNDING = 1e-9  # relative: costs that sum to the limit fit

Method = Literal["mean", "selected"]


@dataclass(frozen=True)
class ScoredRuns:
    """Rows of the validation split with the logits of all runs; user_R is -1 for no user."""

    logits_MRT: NDArray[np.float32]
    labels_RT: Labels
    scenario_R: NDArray[np.int16]
    user_R: NDArray[np.int32]
    cells: Sequence[Cell]

    @property
    def is_amount(self) -> Mask:
        """Whether the labels of a task are amounts (T,)."""
        amounts = [cell.task_number for cell in self.cells if cell.unit is not None]
        return np.isin(np.arange(self.labels_RT.shape[1]), amounts)

    def scored_by(self, logits_ART: NDArray[np.float32], is_kept_R: Mask) -> ScoredRows:
        """Return the kept rows with the logits of ensembles, which are those of kept rows only."""
        return ScoredRows(
            logits_ART,
            self.labels_RT[is_kept_R],
            self.scenario_R[is_kept_R],
            self.user_R[is_kept_R],
            self.cells,
        )


@dataclass(frozen=True)
class EnsembleOfSize:
    """The plain mean of the first runs in greedy order, for a frontier of quality against cost.

    `value` is the objective on the whole split, which chose the members; `crossfitted` is that of
    ensembles of this size that were chosen on other users.
    """

    members: tuple[int, ...]
    scale: Scale
    value: float
    crossfitted: float


@dataclass(frozen=True)
class Selection:
    """What to average: weights of the runs (sum 1, 0 for runs left out) on a scale.

    With method "mean" they are those of the baseline. `gain` is always that of the selection.
    """

    weight_M: tuple[float, ...]
    method: Method
    scale: Scale
    gain: SelectionGain
    sizes: tuple[EnsembleOfSize, ...]


@dataclass(frozen=True)
class _Settings:
    """How to select; without a limit all costs are 0."""

    objective: Objective
    seed: int
    cost_M: Floats
    limit: float
    most: int
    bags: int
    folds: int


@dataclass(frozen=True)
class _Choice:
    """What was chosen on some units: baseline, selection, and the runs in greedy order."""

    baseline_M: Floats
    weight_M: Floats
    scale: Scale
    order: tuple[int, ...]


def select(  # noqa: PLR0913  settings of one procedure
    runs: ScoredRuns,
    objective_name: str,
    *,
    seed: int,
    cost_M: Sequence[float] | None = None,
    limit: float | None = None,
    most: int = 20,
    bags: int = 10,
    folds: int = 5,
) -> Selection:
    """Choose the runs to average by an objective on validation.

    A greedy search adds up to `most` runs, which is also the largest of `sizes`. `bags` searches
    see a random half of the runs each, and their weights are averaged. With `cost_M` and `limit`
    the total cost of distinct members stays within the limit: a single search then sees all runs,
    and the baseline is the mean of the runs that fit, taken in order of their values.
    ConfigurationError if no run fits, the objective has no value, or users are fewer than folds.
    """
    digests = [blake2b(logits_RT.tobytes()).digest() for logits_RT in runs.logits_MRT]
    order_M = np.array(sorted(range(len(digests)), key=digests.__getitem__))
    settings = _Settings(
        objective=objective_named(objective_name),
        seed=seed,
        cost_M=_costs(cost_M, limit, len(order_M))[order_M],
        limit=np.inf if limit is None else limit * (1 + ROUNDING),
        most=most,
        bags=bags,
        folds=folds,
    )
    chosen = _select(replace(runs, logits_MRT=runs.logits_MRT[order_M]), settings)
    weight_M = np.zeros(len(order_M))
    weight_M[order_M] = chosen.weight_M
    sizes = [
        replace(size, members=tuple(order_M[list(size.members)].tolist())) for size in chosen.sizes
    ]
    return replace(chosen, weight_M=tuple(weight_M.tolist()), sizes=tuple(sizes))


def _select(runs: ScoredRuns, settings: _Settings) -> Selection:
    unit_R, num_units = units_of_rows(runs.user_R)
    cells = runs_of_cells(runs, unit_R, settings.objective)
    whole = _choose(cells, np.ones(num_units, bool), settings)
    choices = list(_choices_of_folds(cells, num_units, settings))
    if not choices:
        raise ConfigurationError(
            f"{settings.objective.name} has no value without any one of {settings.folds} folds of "
            f"users, so its gain cannot be cross-fitted",
            remedy="select by logloss, or on a larger validation split",
        )
    num_sizes = min(len(choice.order) for choice in [whole, *(choice for *_, choice in choices)])
    folds = [
        _held_out(runs, unit_R, is_held_U, choice, num_sizes, repeat)
        for repeat, is_held_U, choice in choices
    ]
    crossfit = CrossFit(folds, settings.objective, num_units)
    everything = _held_out(runs, unit_R, np.ones(num_units, bool), whole, num_sizes, 0)
    value_A = CrossFit([everything], settings.objective, num_units).values()
    crossfitted_A = crossfit.values()
    gain = crossfit.gain(settings.seed, held_over_seen=1 / (settings.folds - 1))
    replaces = gain.low > 0
    return Selection(
        weight_M=tuple((whole.weight_M if replaces else whole.baseline_M).tolist()),
        method="selected" if replaces else "mean",
        scale=whole.scale if replaces else "probabilities",
        gain=gain,
        sizes=tuple(
            EnsembleOfSize(whole.order[: number + 1], whole.scale, value, crossfitted)
            for number, (value, crossfitted) in enumerate(
                zip(value_A[2:].tolist(), crossfitted_A[2:].tolist(), strict=True)
            )
        ),
    )


def _costs(cost_M: Sequence[float] | None, limit: float | None, num_runs: int) -> Floats:
    """(M,): the costs, zeros without a limit; ConfigurationError if no run fits."""
    if limit is None:
        return np.zeros(num_runs)
    if cost_M is None or len(cost_M) != num_runs:
        given = "none" if cost_M is None else str(len(cost_M))
        raise ConfigurationError(
            f"a limit on the cost of an ensemble needs the costs of its {num_runs} runs, "
            f"got {given}"
        )
    if min(cost_M) > limit * (1 + ROUNDING):
        raise ConfigurationError(
            f"no run fits the limit on the cost of an ensemble: the limit is {limit:g}, "
            f"the cheapest run costs {min(cost_M):g}",
            remedy=f"raise the limit to {min(cost_M):g} or more",
        )
    return np.array(cost_M, dtype=np.float64)


def runs_of_cells(
    runs: ScoredRuns, unit_R: NDArray[np.int64], objective: Objective
) -> list[CellRuns]:
    """Return the cells that the objective reads, or tasks, each with its largest labels first."""
    metric = objective.metric
    named = objective.cell
    cells = [cell for cell in runs.cells if named in (None, cell.name)]
    if metric.over_scenarios:  # all cells of a task have one value
        cells = list({cell.task_number: cell for cell in cells}.values())
    of_cells = []
    for cell in cells:
        rows = rows_read(metric, cell, runs.cells, runs.scenario_R)
        label_N = cell.labels(runs.labels_RT, rows)
        order_N = np.argsort(-label_N.astype(np.float64), kind="stable")
        sorted_N = rows[order_N]
        logits_MN = np.ascontiguousarray(runs.logits_MRT[:, sorted_N, cell.task_number])
        of_cells.append(
            CellRuns(
                cell.name,
                CellRows(label_N[order_N], unit_R[sorted_N], cell.family, cell.unit or 1.0),
                {"logits": logits_MN, "probabilities": cell.family.mean(logits_MN)},
            )
        )
    return of_cells


def _choices_of_folds(
    cells: Sequence[CellRuns], num_units: int, settings: _Settings
) -> Iterator[tuple[int, Mask, _Choice]]:
    """Repeat, held-out units, and what the other units chose; ConfigurationError if none can."""
    if not 2 <= settings.folds <= num_units:
        raise ConfigurationError(
            f"cross-fitting needs at least 2 folds and a user (or row without one) for each, "
            f"got {settings.folds} folds and {num_units} users"
        )
    for repeat in range(REPEATS):
        generator = np.random.default_rng([settings.seed, repeat])
        fold_U = generator.permutation(num_units) % settings.folds
        for fold in range(settings.folds):
            is_held_U = fold_U == fold
            try:
                yield repeat, is_held_U, _choose(cells, ~is_held_U, settings)
            except ConfigurationError:  # the objective has no value on the other folds
                continue


def _choose(cells: Sequence[CellRuns], is_seen_U: Mask, settings: _Settings) -> _Choice:
    """Choose scale, baseline and selection on the units that are seen.

    The scale is that on which the mean of the baseline's runs is better.
    """
    pools = {scale: make_pool(cells, is_seen_U, settings.objective, scale) for scale in SCALES}
    baseline_M = _baseline(pools["probabilities"], settings)
    scale = max(SCALES, key=lambda scale: pools[scale].mean_score(baseline_M))
    tracks = _tracks(settings)
    *paths, distinct = walk(pools[scale], tracks, settings.most)
    weights = [path.best_weights(len(baseline_M)) for path in paths]
    return _Choice(baseline_M, np.mean(weights, axis=0), scale, distinct.picks)


def _baseline(pool: Pool, settings: _Settings) -> Floats:
    """(M,): equal weights of the runs that fit the limit, taken in order of their values."""
    is_in_M = np.zeros(pool.num_runs, bool)
    order_M = range(pool.num_runs) if settings.limit == np.inf else np.argsort(-pool.singles())
    for run in order_M:
        is_in_M[run] = True
        if settings.cost_M[is_in_M].sum() > settings.limit:
            is_in_M[run] = False
    weight_M: Floats = is_in_M / is_in_M.sum()
    return weight_M


def _tracks(settings: _Settings) -> list[Track]:
    """Return a track for every bag, and one of distinct runs."""
    cost_M = settings.cost_M
    limit = settings.limit
    num_runs = len(cost_M)
    offered_M = np.ones(num_runs, bool)
    size = max(min(num_runs, LEAST_IN_BAG), (num_runs + 1) // 2)
    masks = [offered_M]
    if limit == np.inf and size < num_runs:
        masks = [
            np.random.default_rng([settings.seed, bag]).permutation(num_runs) < size
            for bag in range(settings.bags)
        ]
    bags = [Track(mask_M, cost_M, limit) for mask_M in masks]
    return [*bags, Track(offered_M, cost_M, limit, with_replacement=False)]


def _held_out(
    runs: ScoredRuns,
    unit_R: NDArray[np.int64],
    is_held_U: Mask,
    choice: _Choice,
    num_sizes: int,
    repeat: int,
) -> HeldOut:
    """Score held-out rows by baseline, selection, and the mean of the first 1, 2, ... runs."""
    is_held_R = is_held_U[unit_R]
    logits_MRT = runs.logits_MRT[:, is_held_R]
    ensembles = [
        combined(logits_MRT, choice.baseline_M, "probabilities", runs.is_amount),
        combined(logits_MRT, choice.weight_M, choice.scale, runs.is_amount),
    ]
    mean = RunningMean(choice.scale, runs.is_amount)
    for run in choice.order[:num_sizes]:
        mean.add(logits_MRT[run])
        ensembles.append(mean.result())
    scored = runs.scored_by(np.stack(ensembles), is_held_R)
    return HeldOut(repeat, scored, unit_R[is_held_R])
