"""A synthetic study of nine arms: trees, a rival of equal size, ensembles and resamplings."""

from dataclasses import replace

import numpy as np

from hinet_search.results.objectives import Objective
from hinet_search.results.records import (
    ArmRecord,
    CellValue,
    Cost,
    FinalistRecord,
    FinalistRun,
    FinalistSummary,
    Resampled,
    TrialRecord,
)
from hinet_search.results.study_record import StudyRecord
from tests.report.arms import Shape
from tests.report.studies import study

NAMES = ("single", "shared_bottom", "mmoe", "ple", "hmoe", "star", "trees", "hinet", "flat_moe")
TABS = ("tab 0", "tab 1", "tab 2", "tab 4", "tab 6")
PACE = {
    "single": 1.4,
    "hinet": 2.6,
    "ple": 1.6,
    "mmoe": 1.5,
    "flat_moe": 2.5,
    "star": 1.0,
    "trees": 1.9,
}
ENSEMBLE = 0.004  # gain of the mean of all seeds in every cell
RESAMPLINGS = 40


SHAPE = Shape(arms=NAMES, scenarios=TABS, tasks=("click", "long_view"), trials=20)


def nine_arms(shape: Shape = SHAPE) -> StudyRecord:
    """All arms of `shape` with summaries; `trees` is no torch model, `flat_moe` has HiNet's size."""
    record = study(shape)
    return replace(
        record,
        name="kuairand",
        arms=tuple(_arm(arm, index) for index, arm in enumerate(record.arms)),
    )


def few_rows() -> StudyRecord:
    """The same arms with two scenarios and six trials, for golden files."""
    return nine_arms(replace(SHAPE, scenarios=TABS[:2], trials=6))


def running() -> StudyRecord:
    """A running study of three arms: the last has a running trial and no finalist; no test values."""
    record = nine_arms(
        replace(
            SHAPE, arms=("single", "trees", "hinet"), scenarios=TABS[:2], trials=6, opened=False
        )
    )
    *ready, last = record.arms
    trial = TrialRecord(5, "running", None, {}, False, "", (), None)
    waiting = replace(last, trials=(*last.trials[:5], trial), finalists=(), importances={})
    return replace(record, state="running", arms=(*ready, waiting))


def _arm(arm: ArmRecord, index: int) -> ArmRecord:
    return replace(
        arm,
        model=arm.name,
        trials=tuple(_paced(arm, trial) for trial in arm.trials),
        finalists=tuple(_finalist(arm, finalist, index) for finalist in arm.finalists),
        size_of="hinet" if arm.name == "flat_moe" else "",
    )


def _paced(arm: ArmRecord, trial: TrialRecord) -> TrialRecord:
    """Scale a trial's times by the pace of its arm, and keep four evaluations."""
    pace = PACE.get(arm.name, 0.5)
    evaluations = tuple(
        replace(evaluation, seconds=pace * evaluation.seconds / 16)
        for evaluation in trial.evaluations[3::4]
    )
    cost = _cost(arm, trial.cost) if trial.cost else None
    return replace(
        trial,
        evaluations=evaluations,
        cost=cost and replace(cost, seconds=34 * pace + trial.number / 10),
    )


def _cost(arm: ArmRecord, cost: Cost) -> Cost:
    if arm.name != "trees":
        return cost
    return replace(cost, parameters=9_300, dense_parameters=9_300, flops_per_row=0, device="cpu")


def _finalist(arm: ArmRecord, finalist: FinalistRecord, index: int) -> FinalistRecord:
    runs = tuple(_run(arm, run) for run in finalist.runs)
    summary = _summary(runs, index) if finalist.chosen and runs[0].test_cells is not None else None
    return replace(finalist, runs=runs, summary=summary)


def _run(arm: ArmRecord, run: FinalistRun) -> FinalistRun:
    """Add the scoring time."""
    cost = replace(_cost(arm, run.cost), milliseconds_per_100=1.5 * PACE.get(arm.name, 0.5))
    return replace(run, cost=cost, valid_objective=Objective("mean_auc")(run.valid_cells))


def _summary(runs: tuple[FinalistRun, ...], index: int) -> FinalistSummary:
    tested = [run.test_cells for run in runs if run.test_cells is not None]
    values_SC = np.array([[cell.auc or 0.5 for cell in cells] for cells in tested])
    draw = np.random.default_rng([7, index])
    users_R = np.random.default_rng(7).normal(0, 0.004, RESAMPLINGS)  # the same users for every arm
    cells_RC = (
        values_SC.mean(axis=0)
        + users_R[:, None]
        + draw.normal(0, 0.0006, (RESAMPLINGS, values_SC.shape[1]))
    )
    return FinalistSummary(
        seeds=tuple(run.seed for run in runs),
        ensemble_valid_cells=tuple(_better(cell) for cell in runs[0].valid_cells),
        ensemble_test_cells=tuple(_better(cell) for cell in tested[0]),
        resampled=Resampled(
            unit="users",
            num_units=4_800,
            headline=tuple(cells_RC.mean(axis=1).tolist()),
            cells=tuple(tuple(column) for column in cells_RC.T.tolist()),
        ),
    )


def _better(cell: CellValue) -> CellValue:
    return cell if cell.auc is None else replace(cell, auc=cell.auc + ENSEMBLE)
