"""Writing a report: seconds and megabytes of the page of a study with 10,000 trials, 8 arms.

The record is synthetic, in memory and in the shape in which a launch leaves it: twelve cells, ten
evaluations a trial, four finalists an arm with five seeds each, one of them opened on test and
resampled.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from hinet_search.report.formats import write_report
from hinet_search.results.data_record import CellCount, DataRecord
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    Cost,
    EvaluationRecord,
    FinalistRecord,
    FinalistRun,
    FinalistSummary,
    Resampled,
    TrialRecord,
)
from hinet_search.results.statistics.resampling import RESAMPLINGS
from hinet_search.results.study_record import Budget, StudyRecord
from hinet_search.study.search_space import SearchSpace, load_space
from work import SCHEMA

ARMS = ("single", "shared_bottom", "mmoe", "ple", "hmoe", "star", "flat_moe", "hinet")
CELLS = [(scenario, task) for scenario in SCHEMA.scenarios for task in SCHEMA.tasks]
NUM_EVALUATIONS, EVALUATIONS_PER_EPOCH = 10, 4
NUM_FINALISTS, NUM_SEEDS, NUM_USERS = 4, 5, 50_000
CELL_ROWS, CELL_POSITIVES = 41_200, 2_060
ENDINGS = ("complete", "pruned", "failed")
SHARES = (0.68, 0.30, 0.02)
CAUSES = {
    "complete": "",
    "pruned": "pruned at epoch 1.75: mean_auc 0.7012",
    "failed": "diverged: loss is nan",
}
COST = Cost(6_200_000, 1_200_000, 2_400_000, 412_345.6, 552.7, 5_100_000_000, "cpu")


@dataclass(frozen=True)
class ReportFigure:
    """A page written from a record in memory: median seconds and size."""

    num_trials: int
    num_arms: int
    num_cells: int
    seconds: float
    megabytes: float


def bench_report(num_trials: int, *, rounds: int) -> ReportFigure:
    """Write the report of the same record `rounds` times."""
    record = make_record(num_trials)
    with tempfile.TemporaryDirectory(prefix="hinet-search-bench-") as name:
        page = Path(name) / "report.html"
        return ReportFigure(
            num_trials=sum(len(arm.trials) for arm in record.arms),
            num_arms=len(record.arms),
            num_cells=len(CELLS),
            seconds=median_seconds(lambda: write_report(record, page), rounds),
            megabytes=page.stat().st_size / 1e6,
        )


def median_seconds(
    act: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """How long something takes, by the wall's clock or another one."""
    taken = []
    for _ in range(repeats):
        began = clock()
        act()
        taken.append(clock() - began)
    return median(taken)


def evaluations(seed: int) -> tuple[EvaluationRecord, ...]:
    """What a synthetic training says; all its evaluations have the same cells."""
    draw = np.random.default_rng(seed)
    values, cells = draw.uniform(0.6, 0.8, NUM_EVALUATIONS).tolist(), _cells(draw)
    return tuple(
        EvaluationRecord(step, step / EVALUATIONS_PER_EPOCH, value, 0.4, 30.5 * step, cells)
        for step, value in enumerate(values, start=1)
    )


def make_record(num_trials: int) -> StudyRecord:
    """Return a finished study with equal arms, whose trials are drawn from the shipped spaces."""
    trials = num_trials // len(ARMS)
    counts = tuple(
        CellCount(*cell, (330_000, CELL_ROWS, CELL_ROWS), (16_500, 2_060, 2_060)) for cell in CELLS
    )
    data = DataRecord(
        source="synthetic",
        fingerprint="3f9a1c",
        split="time",
        rows=(4_000_000, 500_000, 500_000),
        scenarios=SCHEMA.scenarios,
        tasks=SCHEMA.tasks,
        num_categorical=20,
        num_numeric=5,
        cells=counts,
    )
    return StudyRecord(
        name="bench",
        description="",
        state="done",
        objective="mean_auc",
        maximize=True,
        sampler="tpe",
        pruner="median after 1.5 epochs",
        seed=0,
        slots=2,
        budget=Budget(trials, 2.5, NUM_SEEDS, NUM_FINALISTS - 1),
        data=data,
        arms=tuple(_arm(name, number, trials) for number, name in enumerate(ARMS)),
        study_yaml="name: bench\n",
        command="hinet-search launch bench",
        versions={"torch": "2"},
        test_accesses=len(ARMS),
        started="2026-01-01T00:00:00+00:00",
        updated="2026-01-03T00:00:00+00:00",
        seconds=2e5,
    )


def _cells(draw: np.random.Generator) -> tuple[CellValue, ...]:
    """Every metric that a cell has."""
    return tuple(
        CellValue(*cell, CELL_ROWS, CELL_POSITIVES, *draw.uniform(0.6, 0.8, 5).tolist())
        for cell in CELLS
    )


def _arm(name: str, number: int, num_trials: int) -> ArmRecord:
    space, draw = load_space(name), np.random.default_rng(number)
    ranges = space.ranges()
    trials = tuple(_trial(trial, space, draw) for trial in range(num_trials))
    return ArmRecord(
        name=name,
        model=name,
        ranges=ranges,
        fixed={"train.patience": 3},
        trials=trials,
        finalists=tuple(_finalist(trial, draw) for trial in trials[:NUM_FINALISTS]),
        importances={searched.name: 1 / len(ranges) for searched in ranges},
    )


def _trial(number: int, space: SearchSpace, draw: np.random.Generator) -> TrialRecord:
    seed = int(draw.integers(2**31))
    said = evaluations(seed)
    state = (
        ENDINGS[int(draw.choice(len(ENDINGS), p=SHARES))] if number >= NUM_FINALISTS else "complete"
    )
    return TrialRecord(
        number=number,
        state=state,
        value=said[-1].objective if state == "complete" else None,
        parameters=space.at_random(seed) if number else space.default(),
        is_default=number == 0,
        cause=CAUSES[state],
        evaluations=said,
        cost=None if state == "failed" else COST,
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:10:00+00:00",
    )


def _finalist(trial: TrialRecord, draw: np.random.Generator) -> FinalistRecord:
    """The first trial stands for the one that was chosen."""
    chosen = trial.is_default
    runs = tuple(
        FinalistRun(
            seed,
            draw.uniform(0.6, 0.8),
            _cells(draw),
            _cells(draw) if chosen else None,
            trial.evaluations,
            COST,
        )
        for seed in range(NUM_SEEDS)
    )
    headline_R, cells_CR = (
        draw.uniform(0.6, 0.8, RESAMPLINGS),
        draw.uniform(0.6, 0.8, (len(CELLS), RESAMPLINGS)),
    )
    drawn = Resampled(
        "users",
        NUM_USERS,
        tuple(headline_R.tolist()),
        tuple(tuple(cell_R) for cell_R in cells_CR.tolist()),
    )
    summary = (
        FinalistSummary(tuple(range(NUM_SEEDS)), _cells(draw), _cells(draw), drawn)
        if chosen
        else None
    )
    return FinalistRecord(trial.number, trial.is_default, chosen, trial.parameters, runs, summary)


def table(figure: ReportFigure) -> str:
    """The figure as text."""
    what = f"{figure.num_trials:,} trials, {figure.num_arms} arms, {figure.num_cells} cells"
    return f"report of {what}: {figure.seconds:.2f} s, {figure.megabytes:.2f} MB"


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 trials instead of 10,000")
    quick = parser.parse_args().quick
    for num_trials in (160, 2_000) if quick else (160, 10_000):
        print(table(bench_report(num_trials, rounds=1 if quick else 3)))


if __name__ == "__main__":
    main()
