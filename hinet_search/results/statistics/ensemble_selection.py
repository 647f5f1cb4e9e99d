"""Ensemble selection: choose which runs of a study are averaged, and measure what that gains.

The baseline is the plain mean of the probabilities of all runs (for a task of amounts, of their
expected amounts), as in an ensemble of seeds. A greedy selection (greedy.py) overfits the rows on
which it selects. Therefore its gain is cross-fitted: users are divided into folds, everything
(scale, weights, and under a limit the baseline) is chosen on the other folds, and the fold only
measures (crossfitting.py). The selection replaces the baseline only if the 95 % interval of that
gain lies above 0.

The gain is of selections on a little less than all users; crossfitting.py has its interval.

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
from hinet_search.results.ensemble_records import Scale, SelectionGain
from hinet_search.results.objectives import Objective
from hinet_search.results.statistics.cell_rows import CellRows
from hinet_search.results.statistics.crossfitting import CrossFit, hold_out
from hinet_search.results.statistics.ensemble import RunningMean, combined
from hinet_search.results.statistics.greedy import (
    LIMIT,
    CellRuns,
    Mask,
    Pool,
    Search,
    make_pool,
    walk,
)
from hinet_search.results.statistics.resampling import ScoredRows, rows_read, units_of_rows
from hinet_search.results.statistics.scored_cell import Floats

SCALES: tuple[Scale, ...] = ("probabilities", "logits")
REPEATS = 2
LEAST_IN_BAG = 3

Method = Literal["mean", "selected"]


@dataclass(frozen=True)
class EnsembleOfSize:
    """The plain mean of the first runs in greedy order, for a frontier of quality against cost.

    `value` is the objective on the whole split, which chose the members; `crossfitted` is that of
    ensembles of this size that were chosen on other users.
    """

    members: tuple[int, ...]
    value: float
    crossfitted: float


@dataclass(frozen=True)
class Selection:
    """What to average: weights of the runs (sum 1, 0 for runs left out) on a scale.

    With method "mean" they are those of the baseline. `gain` is always of the selection.
    """

    weight_M: tuple[float, ...]
    method: Method
    scale: Scale
    gain: SelectionGain
    sizes: tuple[EnsembleOfSize, ...]


@dataclass(frozen=True)
class Settings:
    """How to select.

    A greedy search adds up to `most` runs, which is also the largest of `sizes`. `bags` searches
    see a random half of the runs each, and their weights are averaged. With `shares` of a limit on
    the cost, the shares of distinct members sum to at most 1: a single search then sees all runs,
    and the baseline is the mean of the runs that fit, taken in order of their values.
    """

    objective: Objective
    seed: int
    shares: Sequence[float] | None = None
    most: int = 20
    bags: int = 10
    folds: int = 5


@dataclass(frozen=True)
class _Choice:
    """What was chosen on some units: baseline, selection, and the runs in greedy order."""

    baseline_M: Floats
    weight_M: Floats
    scale: Scale
    order: Sequence[int]


def select(runs: ScoredRows, settings: Settings) -> Selection:
    """Choose the runs to average on validation; the seeds of `runs` are the runs.

    ConfigurationError if no run fits the limit, the objective has no value, or users are fewer than
    folds.
    """
    digests = [blake2b(logits_RT.tobytes()).digest() for logits_RT in runs.logits_SRT]
    order_M = sorted(range(len(digests)), key=digests.__getitem__)
    shares = settings.shares
    if shares is not None:
        if min(shares) > LIMIT:
            raise ConfigurationError(
                "no run fits the limit on the cost of an ensemble: the cheapest takes "
                f"{min(shares):.3g} times what it allows",
                remedy="raise the limits under `serving`",
            )
        settings = replace(settings, shares=[shares[run] for run in order_M])
    chosen = _select(replace(runs, logits_SRT=runs.logits_SRT[order_M]), settings)
    weight_M = np.zeros(len(order_M))
    weight_M[order_M] = chosen.weight_M
    sizes = []
    for size in chosen.sizes:
        members = tuple(order_M[place] for place in size.members)
        sizes.append(replace(size, members=members))
    return replace(chosen, weight_M=tuple(weight_M.tolist()), sizes=tuple(sizes))


def _select(runs: ScoredRows, settings: Settings) -> Selection:
    objective = settings.objective
    unit_R, num_units = units_of_rows(runs.user_R)
    cells = runs_of_cells(runs, unit_R, objective)
    whole = _choose(cells, np.ones(num_units, bool), settings)
    choices = list(choices_of_folds(cells, num_units, settings))
    if not choices:
        raise ConfigurationError(
            f"{objective.name} has no value without any one of {settings.folds} folds of "
            f"users, so its gain cannot be cross-fitted",
            remedy="select by logloss, or on a larger validation split",
        )
    num_sizes = len(whole.order)
    for _, _, choice in choices:
        num_sizes = min(num_sizes, len(choice.order))
    folds = []
    for repeat, is_held_U, choice in choices:
        is_held_R = is_held_U[unit_R]
        scored = _scored(runs, is_held_R, choice, num_sizes)
        folds.append(hold_out(repeat, scored, unit_R[is_held_R], objective))
    crossfit = CrossFit(folds, objective, num_units)
    everything = _scored(runs, np.ones(len(unit_R), bool), whole, num_sizes)
    fold = hold_out(0, everything, unit_R, objective)
    value_A = CrossFit([fold], objective, num_units).values().tolist()
    crossfitted_A = crossfit.values().tolist()
    sizes = []
    for size in range(1, num_sizes + 1):  # after the baseline and the selection
        place = size + 1
        members = tuple(whole.order[:size])
        sizes.append(EnsembleOfSize(members, value_A[place], crossfitted_A[place]))
    gain = crossfit.gain(settings.seed, held_over_seen=1 / (settings.folds - 1))
    replaces = gain.low > 0 and bool((runs.user_R >= 0).any())  # rows alone show no gain
    weight_M = whole.weight_M if replaces else whole.baseline_M
    return Selection(
        weight_M=tuple(weight_M.tolist()),
        method="selected" if replaces else "mean",
        scale=whole.scale if replaces else "probabilities",
        gain=gain,
        sizes=tuple(sizes),
    )


def runs_of_cells(
    runs: ScoredRows, unit_R: NDArray[np.int64], objective: Objective
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
        logits_MN = np.ascontiguousarray(runs.logits_SRT[:, sorted_N, cell.task_number])
        of_cells.append(
            CellRuns(
                cell.name,
                CellRows(
                    label_N[order_N],
                    unit_R[sorted_N],
                    cell.family,
                    cell.unit or 1.0,
                    None if runs.group_R is None else runs.group_R[sorted_N],
                ),
                {"logits": logits_MN, "probabilities": cell.family.mean(logits_MN)},
            )
        )
    return of_cells


def choices_of_folds(
    cells: Sequence[CellRuns], num_units: int, settings: Settings
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


def _choose(cells: Sequence[CellRuns], is_seen_U: Mask, settings: Settings) -> _Choice:
    """Choose scale, baseline and selection on the units that are seen.

    The scale is that on which the mean of the baseline's runs is better.
    """
    pools = {scale: make_pool(cells, is_seen_U, settings.objective, scale) for scale in SCALES}
    baseline_M = _baseline(pools["probabilities"], settings)
    scale = max(SCALES, key=lambda scale: pools[scale].mean_score(baseline_M))
    searches = _searches(len(baseline_M), settings)
    walk(pools[scale], searches, settings.most)
    *bags, distinct = searches
    weight_M = np.mean([search.best_weights() for search in bags], axis=0)
    return _Choice(baseline_M, weight_M, scale, distinct.picks)


def _baseline(pool: Pool, settings: Settings) -> Floats:
    """(M,): equal weights of the runs that fit the limit, taken in order of their values."""
    is_in_M = np.ones(pool.num_runs, bool)
    if settings.shares is not None:
        share_M = np.array(settings.shares)
        is_in_M[:] = False
        for run in np.argsort(-pool.singles()):
            is_in_M[run] = share_M[is_in_M].sum() + share_M[run] <= LIMIT
    weight_M: Floats = is_in_M / is_in_M.sum()
    return weight_M


def _searches(num_runs: int, settings: Settings) -> list[Search]:
    """Return a search for every bag, and one of distinct runs."""
    share_M = np.zeros(num_runs)
    all_M = np.ones(num_runs, bool)
    size = max(min(num_runs, LEAST_IN_BAG), (num_runs + 1) // 2)
    searches = []
    if settings.shares is not None:
        share_M = np.array(settings.shares)
        searches.append(Search(all_M, share_M))
    elif size == num_runs:
        searches.append(Search(all_M, share_M))
    else:
        for bag in range(settings.bags):
            draw_M = np.random.default_rng([settings.seed, bag]).permutation(num_runs)
            searches.append(Search(draw_M < size, share_M))
    return [*searches, Search(all_M, share_M, with_replacement=False)]


def _scored(runs: ScoredRows, is_held_R: Mask, choice: _Choice, num_sizes: int) -> ScoredRows:
    """Score held-out rows by baseline, selection, and the mean of the first 1, 2, ... runs."""
    logits_MRT = runs.logits_SRT[:, is_held_R]
    is_amount_T = runs.is_amount
    mean = RunningMean(choice.scale, is_amount_T)
    ensembles = [
        combined(logits_MRT, choice.baseline_M, "probabilities", is_amount_T),
        combined(logits_MRT, choice.weight_M, choice.scale, is_amount_T),
    ]
    for run in choice.order[:num_sizes]:
        mean.add(logits_MRT[run])
        ensembles.append(mean.result())
    return runs.part(np.stack(ensembles), is_held_R)
