"""Speed of ensemble selection: 150 runs, macro AUC, the whole selection with its cross-fitting.

Seconds are CPU seconds of one thread. A step of the greedy search evaluates a shortlist of runs;
`shortfall` is what the best mean of a search lacks, on the rows that choose, to that of a search
that evaluates every run at every step.
Shape legend: M runs, R rows, T tasks.
"""

import time
from dataclasses import dataclass
from statistics import median
from unittest.mock import patch

import numpy as np

from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics import greedy
from hinet_search.results.statistics.ensemble_selection import ScoredRuns, runs_of_cells, select
from hinet_search.results.statistics.greedy import Pool, Track, make_pool, walk
from hinet_search.results.statistics.resampling import units_of_rows
from layout import aligned
from work import SCHEMA, draw_rows

NUM_RUNS, NUM_BAD = 150, 20
ROWS_PER_USER = 10
OBJECTIVE = "macro_auc"
MOST = 20


@dataclass(frozen=True)
class SelectionFigure:
    """CPU seconds of a selection, the median over rounds; `shortfall` is in macro AUC."""

    num_runs: int
    num_rows: int
    num_cells: int
    seconds: float
    shortfall: float


def bench_selection(num_rows: int, *, rounds: int) -> SelectionFigure:
    """Select from runs of nearly equal quality, a few of them bad."""
    runs = _runs(num_rows)
    return SelectionFigure(
        num_runs=NUM_RUNS,
        num_rows=num_rows,
        num_cells=SCHEMA.num_scenarios * SCHEMA.num_tasks,
        seconds=median(_seconds(runs, seed) for seed in range(rounds)),
        shortfall=_shortfall(runs),
    )


def _runs(num_rows: int) -> ScoredRuns:
    """A signal that all runs share, and noise of every run's own."""
    generator = np.random.default_rng(0)
    rows = draw_rows(num_rows, seed=0)
    signal_RT = rows.labels_RT + generator.normal(size=rows.labels_RT.shape) - 2
    noise_M = generator.uniform(0.4, 0.8, size=NUM_RUNS)
    noise_M[:NUM_BAD] = 3
    noise_MRT = generator.standard_normal((NUM_RUNS, *signal_RT.shape), dtype=np.float32)
    noise_MRT *= noise_M.reshape(-1, 1, 1).astype(np.float32)
    return ScoredRuns(
        logits_MRT=noise_MRT + signal_RT.astype(np.float32),
        labels_RT=rows.labels_RT,
        scenario_R=rows.scenario_R,
        user_R=rows.user_R % (num_rows // ROWS_PER_USER),
        cells=SCHEMA.cells,
    )


def _seconds(runs: ScoredRuns, seed: int) -> float:
    began = time.process_time()
    select(runs, OBJECTIVE, seed=seed, most=MOST)
    return time.process_time() - began


def _shortfall(runs: ScoredRuns) -> float:
    objective = objective_named(OBJECTIVE)
    unit_R, num_units = units_of_rows(runs.user_R)
    cells = runs_of_cells(runs, unit_R, objective)
    pool = make_pool(cells, np.ones(num_units, bool), objective, "logits")
    short = _best(pool)
    with patch.object(greedy, "SHORTLIST", NUM_RUNS):
        return _best(pool) - short


def _best(pool: Pool) -> float:
    everything = Track(np.ones(NUM_RUNS, bool), np.zeros(NUM_RUNS), np.inf)
    [path] = walk(pool, [everything], MOST)
    return max(path.scores)


def table(figure: SelectionFigure) -> str:
    """The figure as text, a line each."""
    what = f"{figure.num_runs} runs x {figure.num_rows:,} rows x {figure.num_cells} cells"
    lines = [
        (f"selection from {what}, CPU s", f"{figure.seconds:.2f}"),
        ("macro AUC that the shortlist lacks to all candidates", f"{figure.shortfall:.6f}"),
    ]
    return aligned(lines)
