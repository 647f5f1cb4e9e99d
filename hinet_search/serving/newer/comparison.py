"""Comparison: the shipped model and the one fit on newer rows, on held-out rows that only judge.

Trainings and calibrators are chosen on other held-out rows, so both models are fixed before they
meet the rows that judge, and neither is favoured. The gain has an interval over the users of these
rows, as a report has for an ensemble (results/statistics/resampling.py, welch.py).
Shape legend: R judging rows, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.data.columns import Columns
from hinet_search.results.cells import Cell
from hinet_search.results.objectives import Objective, further_metrics
from hinet_search.results.records import CellValue
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.statistics.resampling import ScoredRows, resampled
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import (
    USERS_FOR_A_CLAIM,
    ArmValues,
    difference_of_means,
    errors_of_users,
)
from hinet_search.training.metrics import NonFiniteScores, cell_values

RESAMPLING_SEED = 0  # of users


@dataclass(frozen=True)
class CellChange:
    """A cell of the judging rows: what both models are worth there.

    `auc` is None if a class is missing, `logloss` and `ece` (calibration error) without rows.
    `rmse` and `mae`, in the unit of the label, are None without rows and in cells without amounts.
    """

    scenario: str
    task: str
    rows: int
    positives: int
    auc_before: float | None
    auc: float | None
    logloss_before: float | None
    logloss: float | None
    ece_before: float | None
    ece: float | None
    rmse_before: float | None = None
    rmse: float | None = None
    mae_before: float | None = None
    mae: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All cells, scenarios outermost, and the objective of the study of both models.

    `gain` is that of the new model, in the unit of the objective, larger is better. Its 95 %
    interval is over users, or over rows if there are no users; `units` counts them in words.
    """

    objective: Objective
    cells: tuple[CellChange, ...]
    before: float
    after: float
    gain: Difference
    num_rows: int
    units: str


@dataclass(frozen=True)
class Measured:
    """A model's logits of the judging rows, and its value of every cell of them."""

    logits_RT: NDArray[np.float32]
    cells: tuple[CellValue, ...]


def measure(
    objective: Objective,
    logits_RT: NDArray[np.float32],
    judging: Columns,
    cells: Sequence[Cell],
    path: str,
) -> Measured:
    """Measure a model by its calibrated logits; DataError if one is not finite."""
    further = further_metrics((objective.name,))
    try:
        return Measured(logits_RT, cell_values(logits_RT, judging, cells, further=further))
    except NonFiniteScores as error:
        raise DataError(f"{path}: of the held-out rows, {error}") from error


def refuse_unmeasured(
    objective: Objective, columns: Columns, cells: Sequence[Cell], path: str
) -> None:
    """DataError if the objective has no value on some held-out rows, whose labels are all equal."""
    equal_RT = np.zeros(columns.labels_RT.shape, dtype=np.float32)
    try:
        objective(cell_values(equal_RT, columns, cells, further=further_metrics((objective.name,))))
    except ConfigurationError as error:
        raise DataError(
            f"{path}: the held-out rows that choose when to stop, and those that judge, must each "
            f"have labels of a cell that differ, so that {objective.name} can be measured, but "
            f"{columns.num_rows:,} rows have not",
            remedy="use more rows, or hold out more of them with --held-out",
        ) from error


def compare(
    objective: Objective,
    judging: Columns,
    cells: Sequence[Cell],
    before: Measured,
    after: Measured,
    level: float = LEVEL,
) -> Comparison:
    """Compare two models that were measured on the same rows, which chose neither.

    The interval of the gain excludes the true one in a share `level` of comparisons.
    """
    values_before = _side(objective, judging, cells, before)
    values_after = _side(objective, judging, cells, after)
    mean = difference_of_means(values_after, values_before)
    errors = errors_of_users(values_after, values_before)
    gain = Difference(mean, None, None, None, 1)
    if errors is not None and values_after.num_units >= USERS_FOR_A_CLAIM:
        reach = errors.reach(level)
        gain = Difference(mean, mean - reach, mean + reach, None, 1)
    noun = "users" if (judging.user_R >= 0).any() else "rows"
    return Comparison(
        objective=objective,
        cells=tuple(map(_change, before.cells, after.cells)),
        before=objective(before.cells),
        after=objective(after.cells),
        gain=gain,
        num_rows=judging.num_rows,
        units=f"{values_before.num_units:,} {noun}",
    )


def _side(
    objective: Objective, judging: Columns, cells: Sequence[Cell], measured: Measured
) -> ArmValues:
    """The objective, signed so that larger is better, and that under each resampling of users."""
    sign = 1.0 if objective.maximize else -1.0
    rows = ScoredRows(
        measured.logits_RT[np.newaxis],
        judging.labels_RT,
        judging.scenario_R,
        judging.user_R,
        cells,
    )
    drawn = resampled(rows, headline=objective.name, seed=RESAMPLING_SEED)
    return ArmValues(
        (sign * objective(measured.cells),),
        tuple(sign * each for each in drawn.headline),
        drawn.num_units,
        is_root=objective.metric.is_root,
    )


def _change(old: CellValue, new: CellValue) -> CellChange:
    return CellChange(
        scenario=old.scenario,
        task=old.task,
        rows=old.rows,
        positives=old.positives,
        auc_before=old.auc,
        auc=new.auc,
        logloss_before=old.logloss,
        logloss=new.logloss,
        ece_before=old.ece,
        ece=new.ece,
        rmse_before=old.rmse,
        rmse=new.rmse,
        mae_before=old.mae,
        mae=new.mae,
    )
