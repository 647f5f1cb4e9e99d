"""Monitor: compare new rows with those that an exported model learned from.

Without labels it tells which inputs have other values than in training, which may or may not cost
quality. With labels it tells what the model is worth on the new rows: its AUC, and whether its
probabilities add up to the positives, and expected amounts to the amounts.
Shape legend: R rows of a block, C rows of a cell, N numeric inputs, K knots of an input, T tasks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from hinet_search.data.cell_counts import auc
from hinet_search.results.cells import Cell
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.label_columns import NewLabels, label_column_problems, labels_of_columns
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.predict import (
    RUN_ROWS,
    checked,
    memory_explained,
    missing_scores,
    predictions,
    refuse,
    scanned,
)
from hinet_search.serving.profile import Distribution, Profile, read_profile
from hinet_search.study.data_definition import TaskDefinition

MAX_DISTANCE = 0.1  # between the distributions of an input
MAX_CHANGE = 0.05  # of a share: of a scenario, or of values without an id
MAX_RATIO = 1.1  # of predicted to actual positives or amounts, or of actual to predicted
ERRORS = 3.0  # standard errors that a difference must exceed
CHANCE = 0.0027  # of a change of a share without a cause; as rare as three standard errors


@dataclass(frozen=True)
class ChangedShare:
    """The share of some rows, before and among the new ones.

    `chance` is the probability that rows of one source differ as much (Fisher's exact test). Of
    rows that a model knows less of, fewer are fine: `may_fall`.
    """

    name: str
    before: float
    now: float
    chance: float
    may_fall: bool = False

    @property
    def is_notable(self) -> bool:
        """Whether it has changed by more than chance and more than five points."""
        change = self.now - self.before
        is_large = (change if self.may_fall else abs(change)) > MAX_CHANGE
        return is_large and self.chance < CHANCE


@dataclass(frozen=True)
class InputDrift:
    """How far the distribution of an input is from that of training rows, and beyond its range."""

    name: str
    distance: float  # the largest difference of the distribution functions
    beyond: float  # share of rows outside the range of training rows
    error: float  # what the distance of samples of one distribution may be

    @property
    def is_notable(self) -> bool:
        """Whether it is farther than chance explains."""
        return self.distance > max(MAX_DISTANCE, self.error)


@dataclass(frozen=True)
class CellOfNewRows:
    """The labels of a cell against its predictions. `auc` is None if a class is missing.

    `total` is the sum of the amounts, in the unit of their column, None if labels are 0 and 1.
    Rows with an amount above 0 are `positives`. `error` is the standard error of the sum of labels
    if predictions are right: of 0 and 1 by the probabilities, of amounts, whose distribution is not
    known, by the squared errors of rows.
    """

    scenario: str
    task: str
    rows: int
    positives: int
    predicted: float  # the sum of probabilities, or of expected amounts
    error: float
    auc: float | None
    total: float | None = None

    @property
    def observed(self) -> float:
        """The sum of the labels."""
        return float(self.positives) if self.total is None else self.total

    @property
    def is_notable(self) -> bool:
        """Whether predictions and labels differ by more than chance and more than a tenth."""
        low, high = sorted((self.predicted, self.observed))
        is_far = high > MAX_RATIO * low
        return is_far and abs(self.predicted - self.observed) > ERRORS * self.error


@dataclass(frozen=True)
class Drift:
    """New rows against the training rows of a model.

    `unlabelled` names the tasks of which no row has a label.
    """

    model: str
    rows: int
    training_rows: int
    scenarios: tuple[ChangedShare, ...]
    without_id: tuple[ChangedShare, ...]
    inputs: tuple[InputDrift, ...]
    cells: tuple[CellOfNewRows, ...]
    unlabelled: tuple[str, ...] = ()

    @property
    def is_notable(self) -> bool:
        """Whether anything is."""
        has_changed = any(share.is_notable for share in (*self.scenarios, *self.without_id))
        has_moved = any(each.is_notable for each in self.inputs)
        return has_changed or has_moved or any(cell.is_notable for cell in self.cells)


def drift_of(exported: ExportedModel, path: str) -> Drift:
    """Compare the rows of a table, Parquet or CSV, with the profile of a model.

    Errors: those of `score_table`; DataError for an export without a profile, for a table without
    rows, and for a column of which a label cannot be made.
    """
    with memory_explained(exported, path):
        return _compared(exported, path)


def _compared(exported: ExportedModel, path: str) -> Drift:
    profile = read_profile(exported.folder)
    lazy = scanned(exported, path)
    names = lazy.collect_schema().names()
    tasks = {name: task for name, task in profile.tasks.items() if task.column in names}
    labels = tuple(dict.fromkeys(task.column for task in tasks.values()))
    frame, _ = checked(exported, lazy, labels, path, Path.cwd())
    if frame.is_empty():
        refuse(path, ["must have rows to compare, got none"])
    has_task_RT = exported.file.inputs.has_task[exported.encoder.scenario_numbers(frame)]
    refuse(path, label_column_problems(exported.file.inputs.tasks, tasks, frame, has_task_RT))
    starts = range(0, len(frame), RUN_ROWS)
    blocks = [_block(exported, profile, tasks, frame[start : start + RUN_ROWS]) for start in starts]
    for start, block in zip(starts, blocks, strict=True):
        has_task_RT = exported.file.inputs.has_task[block.scenario_R]
        refuse(path, missing_scores(block.predicted_RT, has_task_RT, start))
    return _drift(exported, profile, blocks)


@dataclass(frozen=True)
class _Block:
    """What is counted of a block of rows.

    `at_most[n][k]` counts the rows whose input n is at most knot k of the profile, `beyond` those
    outside of its knots. Labels are -1 where there is none; amounts are in the unit of the column.
    """

    scenario_R: NDArray[np.int16]
    predicted_RT: NDArray[np.float32]
    label_RT: NewLabels
    without_id: Mapping[str, int]
    at_most: Mapping[str, NDArray[np.int64]]
    beyond: Mapping[str, int]


def _block(
    exported: ExportedModel,
    profile: Profile,
    tasks: Mapping[str, TaskDefinition],
    frame: pl.DataFrame,
) -> _Block:
    """Encode and score a block of checked rows."""
    encoder = exported.encoder
    columns = encoder.columns(frame)
    numbers = dict(zip(encoder.encoding.numeric_inputs, columns.numeric_RN.T, strict=True))
    fields = zip(encoder.inputs.categorical, columns.ids_RF.T, strict=True)
    has_task_RT = encoder.inputs.has_task[columns.scenario_R]
    label_RT = labels_of_columns(encoder.inputs.tasks, tasks, frame, has_task_RT)
    of_profile = profile.numeric.items()
    return _Block(
        scenario_R=columns.scenario_R,
        predicted_RT=predictions(exported, columns),
        label_RT=label_RT,
        without_id={name: int((ids_R == 0).sum()) for name, ids_R in fields},
        at_most={name: _num_at_most(numbers[name], known) for name, known in of_profile},
        beyond={name: _num_beyond(numbers[name], known) for name, known in of_profile},
    )


def _num_at_most(number_R: NDArray[np.float32], known: Distribution) -> NDArray[np.int64]:
    sorted_R = np.sort(number_R.astype(np.float64))
    return np.searchsorted(sorted_R, known.values, side="right").astype(np.int64)


def _num_beyond(number_R: NDArray[np.float32], known: Distribution) -> int:
    return int(((number_R < known.values[0]) | (number_R > known.values[-1])).sum())


def _drift(exported: ExportedModel, profile: Profile, blocks: Sequence[_Block]) -> Drift:
    """Add up all blocks."""
    scenario_R = np.concatenate([block.scenario_R for block in blocks])
    label_RT = np.concatenate([block.label_RT for block in blocks])
    predicted_RT = np.concatenate([block.predicted_RT for block in blocks])
    inputs, num_rows = exported.encoder.inputs, len(scenario_R)
    names = inputs.scenario.names
    now_M = np.bincount(scenario_R, minlength=len(names))
    num_without_id = {
        name: sum(block.without_id[name] for block in blocks) for name in profile.without_id
    }
    return Drift(
        model=f"{exported.file.study}/{exported.file.name}",
        rows=num_rows,
        training_rows=profile.rows,
        scenarios=tuple(
            changed(name, profile.scenarios[name], profile.rows, int(now), num_rows)
            for name, now in zip(names, now_M, strict=True)
        ),
        without_id=tuple(
            replace(
                changed(name, profile.without_id[name], profile.valid_rows, now, num_rows),
                may_fall=True,
            )
            for name, now in num_without_id.items()
        ),
        inputs=tuple(
            _input_drift(name, known, blocks, num_rows, profile.rows)
            for name, known in profile.numeric.items()
        ),
        cells=tuple(_cells(inputs, scenario_R, label_RT, predicted_RT)),
        unlabelled=tuple(
            task for number, task in enumerate(inputs.tasks) if (label_RT[:, number] < 0).all()
        ),
    )


def changed(name: str, before: float, num_before: int, count: int, num_rows: int) -> ChangedShare:
    """The share of `count` of `num_rows` new rows, against the share `before` of others."""
    num_with = round(before * num_before)
    table = [[num_with, num_before - num_with], [count, num_rows - count]]
    return ChangedShare(name, before, count / num_rows, float(fisher_exact(table).pvalue))


def _input_drift(
    name: str, known: Distribution, blocks: Sequence[_Block], num_rows: int, num_training_rows: int
) -> InputDrift:
    at_most_K = np.sum([block.at_most[name] for block in blocks], axis=0)
    distance = float(np.abs(at_most_K / num_rows - np.array(known.shares)).max())
    beyond = sum(block.beyond[name] for block in blocks) / num_rows
    # Kolmogorov's limit at about 1 in 100,000 for two samples of one distribution.
    error = 2.5 * sqrt(1 / num_rows + 1 / num_training_rows)
    return InputDrift(name, distance, beyond, error)


def _cells(
    inputs: Inputs,
    scenario_R: NDArray[np.int16],
    label_RT: NewLabels,
    predicted_RT: NDArray[np.float32],
) -> Iterator[CellOfNewRows]:
    """Cells with a label, scenarios outermost."""
    for cell in inputs.cells:
        task = cell.task_number
        is_labelled_R = (scenario_R == cell.scenario_number) & (label_RT[:, task] >= 0)
        if not is_labelled_R.any():
            continue
        labels = label_RT[is_labelled_R, task]
        predicted = predicted_RT[is_labelled_R, task].astype(np.float64)
        if cell.unit is None:
            yield _binary_cell(cell, labels.astype(np.uint8), predicted)
        else:
            yield _amount_cell(cell, labels.astype(np.float64), predicted)


def _binary_cell(
    cell: Cell, label_C: NDArray[np.uint8], predicted_C: NDArray[np.float64]
) -> CellOfNewRows:
    return CellOfNewRows(
        scenario=cell.scenario,
        task=cell.task,
        rows=len(label_C),
        positives=int(label_C.sum()),
        predicted=float(predicted_C.sum()),
        error=sqrt(float((predicted_C * (1 - predicted_C)).sum())),
        auc=auc(predicted_C, label_C),
    )


def _amount_cell(
    cell: Cell, amount_C: NDArray[np.float64], expected_C: NDArray[np.float64]
) -> CellOfNewRows:
    return CellOfNewRows(
        scenario=cell.scenario,
        task=cell.task,
        rows=len(amount_C),
        positives=int((amount_C > 0).sum()),
        predicted=float(expected_C.sum()),
        error=sqrt(float(((amount_C - expected_C) ** 2).sum())),
        auc=auc(expected_C, amount_C),
        total=float(amount_C.sum()),
    )
