"""Monitor: compare new rows with those that an exported model learned from.

Without labels it tells which inputs have other values than in training, which may or may not cost
quality. With labels it tells what the model is worth on the new rows: its AUC, and whether its
probabilities add up to the positives, and expected amounts to the amounts.
Shape legend: R rows, C rows of a cell, N numeric inputs, K knots of an input, T tasks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.statistics.clustered import equal_users
from hinet_search.results.statistics.resampling import units_of_rows
from hinet_search.serving.drift import (
    CellOfNewRows,
    ChangedShare,
    Drift,
    NumberCounts,
    added,
    amount_cell,
    binary_cell,
    changed,
    corrected,
    far_numbers,
    moved_inputs,
)
from hinet_search.serving.history import NOT_ROLLED
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.label_columns import NewLabels, label_column_problems, labels_of_columns
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.predict import (
    RUN_ROWS,
    checked,
    memory_explained,
    rolled_over,
    scanned,
    score_block,
    user_column,
    user_numbers,
)
from hinet_search.serving.profile import Profile, RowsOfUsers
from hinet_search.serving.row_checks import refuse


def drift_of(
    exported: ExportedModel,
    path: str,
    num_comparisons: int = 1,
    *,
    only_known_scenarios: bool = False,
) -> Drift:
    """Compare the rows of a table with the profile of a model, in one of several comparisons.

    If the rows have the labels of all tasks, statistics and the log roll forward over them.
    Errors: those of `score_table`; DataError for a table without rows, and for a column of which a
    label cannot be made.
    """
    with memory_explained(exported, path):
        return corrected(
            _compared(exported, path, only_known_scenarios=only_known_scenarios), num_comparisons
        )


def _compared(exported: ExportedModel, path: str, *, only_known_scenarios: bool) -> Drift:
    profile = exported.profile
    inputs = exported.encoder.inputs
    lazy = scanned(exported, path)
    names = lazy.collect_schema().names()
    tasks = {name: task for name, task in profile.tasks.items() if task.column in names}
    user = user_column(exported, names)
    keys = [task.column for task in tasks.values()]
    if user is not None:
        keys.append(user)
    frame, _ = checked(
        exported,
        lazy,
        tuple(dict.fromkeys(keys)),
        path,
        Path.cwd(),
        only_known_scenarios=only_known_scenarios,
    )
    if frame.is_empty():
        refuse(path, ["must have rows to compare, got none"])
    has_task_RT = inputs.has_task[exported.encoder.scenario_numbers(frame)]
    refuse(path, label_column_problems(inputs.tasks, tasks, frame, has_task_RT))
    rolls = inputs.rolls and len(tasks) == len(profile.tasks)
    rolled = rolled_over(exported, frame, path).inputs if rolls else NOT_ROLLED
    blocks = []
    for start in range(0, len(frame), RUN_ROWS):
        rows = frame[start : start + RUN_ROWS]
        scored = score_block(exported, rows, rolled, start, path)
        labels = labels_of_columns(inputs.tasks, tasks, rows, has_task_RT[start : start + RUN_ROWS])
        num_without_id_F = (scored.columns.ids_RF == 0).sum(axis=0)
        blocks.append(
            _Block(
                scored.columns.scenario_R,
                labels,
                scored.predicted_RT,
                num_without_id_F,
                scored.numbers,
            )
        )
    return _drift(exported, blocks, user_numbers(frame, user))


@dataclass(frozen=True)
class _Block:
    """What is counted of a block of rows.

    Labels are -1 where there is none; amounts are in the unit of the column.
    """

    scenario_R: NDArray[np.int16]
    label_RT: NewLabels
    predicted_RT: NDArray[np.float32]
    num_without_id_F: NDArray[np.intp]
    numbers: NumberCounts


def _drift(exported: ExportedModel, blocks: Sequence[_Block], user_R: NDArray[np.int32]) -> Drift:
    """Add up all blocks; chances are not corrected."""
    profile = exported.profile
    inputs = exported.encoder.inputs
    rows = _RowsWithLabels(
        np.concatenate([block.scenario_R for block in blocks]),
        np.concatenate([block.label_RT for block in blocks]),
        np.concatenate([block.predicted_RT for block in blocks]),
        units_of_rows(user_R)[0],
    )
    num_rows = len(user_R)
    counts = added([block.numbers for block in blocks])
    num_without_id_F = np.sum([block.num_without_id_F for block in blocks], axis=0)
    share_M = np.bincount(rows.scenario_R, minlength=len(inputs.scenario.names)) / num_rows
    shares = zip(inputs.scenario.names, share_M.tolist(), strict=True)
    num_without_id = zip(inputs.categorical, num_without_id_F.tolist(), strict=True)
    unlabelled = [
        task for number, task in enumerate(inputs.tasks) if (rows.label_RT[:, number] < 0).all()
    ]
    new = RowsOfUsers(num_rows, equal_users(user_R))
    return Drift(
        model=f"{exported.file.study}/{exported.file.name}",
        rows=num_rows,
        training_rows=profile.rows,
        independent="users" if (user_R >= 0).any() else "rows",
        users=new.num_users,
        scenarios=tuple(share_of_scenario(profile, name, now, new) for name, now in shares),
        without_id=tuple(
            share_without_id(profile, name, count / num_rows, new) for name, count in num_without_id
        ),
        inputs=moved_inputs(profile, counts, new.num_users),
        far=far_numbers(profile, counts, new.num_users),
        cells=tuple(_cells(inputs, profile, rows)),
        unlabelled=tuple(unlabelled),
    )


@dataclass(frozen=True)
class _RowsWithLabels:
    """All rows with predictions and labels; a row without a user counts as one of its own."""

    scenario_R: NDArray[np.int16]
    label_RT: NewLabels
    predicted_RT: NDArray[np.float32]
    unit_R: NDArray[np.int64]


def share_of_scenario(profile: Profile, name: str, now: float, new: RowsOfUsers) -> ChangedShare:
    """Compare the share of a scenario with that of train; its chance is not corrected."""
    likeness = profile.likeness("scenarios", name)
    before = profile.train.worth(likeness)
    return changed(name, profile.scenarios[name], before, now, new.worth(likeness))


def share_without_id(profile: Profile, name: str, now: float, new: RowsOfUsers) -> ChangedShare:
    """Compare the share of rows without an id with that of valid; its chance is not corrected.

    Rows of a user count as equal, as all of an unknown user are.
    """
    before = profile.without_id[name]
    return changed(name, before, profile.valid.num_users, now, new.num_users, may_fall=True)


def _cells(inputs: Inputs, profile: Profile, rows: _RowsWithLabels) -> Iterator[CellOfNewRows]:
    """Cells with a label, scenarios outermost."""
    for cell in inputs.cells:
        task = cell.task_number
        is_labelled_R = (rows.scenario_R == cell.scenario_number) & (rows.label_RT[:, task] >= 0)
        if not is_labelled_R.any():
            continue
        labels = rows.label_RT[is_labelled_R, task]
        unit_C = rows.unit_R[is_labelled_R]
        predicted = rows.predicted_RT[is_labelled_R, task].astype(np.float64)
        if cell.unit is None:
            yield binary_cell(cell, labels.astype(np.uint8), predicted, unit_C)
        else:
            amounts = labels.astype(np.float64)
            yield amount_cell(cell, amounts, predicted, unit_C, profile.amounts[cell.task])
