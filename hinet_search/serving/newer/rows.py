"""Newer rows: read labelled rows for an exported model, and hold out the newest of them.

Of the held-out rows, those of half of the users choose: when each training stops, and calibrators.
Those of the other users judge: both models are compared on them, and on nothing that chose.
Shape legend: R labelled rows, T tasks, U units (users, or rows without a user).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.content_hash import ContentHash
from hinet_search.data.derived.days import BEFORE_ALL
from hinet_search.data.hashing import keys_of, uniform
from hinet_search.data.raw_values import as_text, known_values
from hinet_search.data.row_weights import (
    numbers_of,
    read_weights,
    weight_problems,
    weight_type_problems,
)
from hinet_search.results.cells import Labels
from hinet_search.results.statistics.resampling import units_of_rows
from hinet_search.serving.label_columns import labels_of_rows
from hinet_search.serving.last_days import Days, days_of_times
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.predict import checked, scanned, user_numbers
from hinet_search.serving.row_checks import KEY, missing_columns, refuse

HELD_OUT_SEED = 5_318_008_713  # of users, or rows, that are held out where rows have no clock
JUDGING_SEED = 7_046_029_254  # of users, or rows, that judge among those held out


@dataclass(frozen=True)
class NewerRows:
    """Labelled rows in the order of their table.

    `frame` has the inputs of the model, cast to the types of training. Amounts among the labels are
    in the units of the model. Users are numbered, -1 stands for none. `weight_R` is None if all
    rows count alike. Rows that judge are held out, and no user of them has rows among the held-out
    ones that choose. `first` and `last` are the ends of the rows' time, None without a clock;
    `day_R` are its days, None where it tells none. `num_unlabelled` rows of the table lack a label
    and are left out. `digest` is a hash of the rows, labels included.
    """

    path: str
    frame: pl.DataFrame
    labels_RT: Labels
    user_R: NDArray[np.int32]
    weight_R: NDArray[np.float32] | None
    is_held_out_R: NDArray[np.bool_]
    is_judging_R: NDArray[np.bool_]
    first: str | None
    last: str | None
    day_R: Days | None
    num_unlabelled: int
    digest: str

    @property
    def num_held_out(self) -> int:
        """The number of rows that are not learned from."""
        return int(self.is_held_out_R.sum())

    @property
    def today(self) -> int:
        """The last day of rows that are learned from: a few wrong times are held out as newest."""
        assert self.day_R is not None, "only asked for if days are known"
        return int(self.day_R[~self.is_held_out_R].max())


def read_newer_rows(
    exported: ExportedModel,
    path: str,
    held_out: float,
    folder: Path,
    *,
    only_known_scenarios: bool = False,
) -> NewerRows:
    """Read and check the rows of a table, of which the newest share `held_out` is held out.

    Without a clock, and where all rows are of one moment, rows are held out by user, and without
    users one by one, both at random. The rows are mapped from a file in `folder`. Rows of scenarios
    that the model does not have are refused, or left out if `only_known_scenarios`.
    Errors: DataError with every problem of the rows, for a column of labels, time, users or weights
    that is not there, and for too few rows.
    """
    study_rows = exported.file.rows
    clock = study_rows.time or exported.encoder.inputs.clock
    user = study_rows.user
    weight = study_rows.weight
    keys = [name for name in (clock, user, weight) if name is not None]
    table = _labelled_table(exported, path, keys, folder, only_known_scenarios=only_known_scenarios)
    frame = table.frame
    users = None if user is None else frame[f"{KEY}{user}"]
    times = None
    day_R = None
    if clock is not None:
        times = frame[f"{KEY}{clock}"]
        if isinstance(times.dtype, pl.Categorical | pl.Enum):  # numbered in any order
            times = times.cast(pl.String)
        refuse(path, _time_problems(times, clock))
        day_R = days_of_times(times, study_rows.day_length)
    is_held_out_R = _held_out(times, users, held_out, len(frame))
    refuse(path, _part_problems(is_held_out_R))
    user_R = user_numbers(frame, user)
    is_judging_R = is_held_out_R.copy()
    is_judging_R[is_held_out_R] = judging_rows(user_R[is_held_out_R])
    if not is_judging_R.any():
        problem = (
            f"the {int(is_held_out_R.sum()):,} held-out rows must be of two users or more (two "
            "rows, if they have no users), since some choose when to stop and others judge, got one"
        )
        refuse(path, [problem])
    content = ContentHash()
    content.add(frame)
    return NewerRows(
        path=path,
        frame=frame.select(exported.encoder.inputs.columns),
        labels_RT=table.labels_RT,
        user_R=user_R,
        weight_R=None if weight is None else _weights(frame, weight, is_held_out_R, path),
        is_held_out_R=is_held_out_R,
        is_judging_R=is_judging_R,
        first=None if times is None else str(times.min()),
        last=None if times is None else str(times.max()),
        day_R=None if day_R is None or BEFORE_ALL in day_R else day_R,
        num_unlabelled=table.num_unlabelled,
        digest=content.digest(),
    )


@dataclass(frozen=True)
class _LabelledTable:
    """The rows of a table that have all labels, with inputs and keys, and how many have not."""

    frame: pl.DataFrame
    labels_RT: Labels
    num_unlabelled: int


def _labelled_table(
    exported: ExportedModel,
    path: str,
    keys: Sequence[str],
    folder: Path,
    *,
    only_known_scenarios: bool,
) -> _LabelledTable:
    tasks = exported.profile.tasks
    labels = tuple(dict.fromkeys(task.column for task in tasks.values()))
    needed = tuple(dict.fromkeys([*labels, *keys]))
    lazy = scanned(exported, path)
    names = lazy.collect_schema().names()
    weight = exported.file.rows.weight
    remedy = ""
    if weight is not None and weight not in names:
        remedy = (
            f"the model learned from weighted rows: add '{weight}', 1 for all if they count alike"
        )
    refuse(path, missing_columns(needed, names), remedy)
    frame, _ = checked(
        exported, lazy, needed, path, folder, only_known_scenarios=only_known_scenarios
    )
    found = labels_of_rows(exported, tasks, frame, path)
    num_labelled = int(found.is_labelled_R.sum())
    if not num_labelled:
        got = f"{len(frame):,} rows, none of which has" if len(frame) else "no rows,"
        wanted = f"must have rows with labels in {', '.join(labels)} to learn from"
        refuse(path, [f"{wanted}, got {got} labels"])
    return _LabelledTable(
        frame=frame.filter(pl.Series(found.is_labelled_R)),
        labels_RT=found.labels_RT[found.is_labelled_R],
        num_unlabelled=len(frame) - num_labelled,
    )


def _weights(
    frame: pl.DataFrame, weight: str, is_held_out_R: NDArray[np.bool_], path: str
) -> NDArray[np.float32]:
    """What rows count, in units of the mean of those that are learned from (R,)."""
    values = frame[f"{KEY}{weight}"].alias(weight)
    refuse(path, weight_type_problems(weight, {weight: values.dtype}))
    refuse(path, weight_problems(values))
    if not numbers_of(values)[~is_held_out_R].any():
        num_rows = int((~is_held_out_R).sum())
        got = f"got 0 in all {num_rows:,} rows that are not held out"
        refuse(path, [f"column '{weight}' must be above 0 in a row to learn from, {got}"])
    return read_weights(values, ~is_held_out_R, None).weight_R


def _time_problems(times: pl.Series, clock: str) -> list[str]:
    num_missing = known_values(times).null_count()
    dtype = times.dtype
    wrong = ""
    if num_missing:
        wrong = f"none in {num_missing:,} of {len(times):,} rows"
    elif not (dtype.is_numeric() or dtype.is_temporal() or dtype == pl.String):
        wrong = f"{dtype}"
    elif dtype == pl.String and (
        times.cast(pl.Float64, strict=False).is_not_null().any()
        and times.str.len_bytes().n_unique() > 1
    ):
        wrong = "numbers as texts of several lengths: as texts, '1000' comes before '999'"
    if not wrong:
        return []
    problem = (
        f"column '{clock}' must hold the time of every row, as numbers or dates, so that the "
        f"newest can be held out, got {wrong}"
    )
    return [problem]


def _part_problems(is_held_out_R: NDArray[np.bool_]) -> list[str]:
    num_rows = len(is_held_out_R)
    num_held_out = int(is_held_out_R.sum())
    if 0 < num_held_out < num_rows:
        return []
    problem = (
        "must have rows to learn from and others to hold out, got "
        f"{num_rows - num_held_out:,} and {num_held_out:,} of {num_rows:,} rows"
    )
    return [problem]


def judging_rows(user_R: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which held-out rows judge (R,): those of random users with half of the rows.

    A user is in one part, so the parts differ by the rows of the user in their middle. Both have
    rows if there are two users; without users, rows are drawn one by one.
    """
    unit_R, num_units = units_of_rows(user_R)
    order_U = np.argsort(uniform(np.arange(num_units, dtype=np.uint64), JUDGING_SEED))
    rows_U = np.bincount(unit_R, minlength=num_units)[order_U]
    middle_U = np.cumsum(rows_U) - rows_U / 2
    is_judging_U = np.empty(num_units, dtype=np.bool_)
    is_judging_U[order_U] = middle_U > len(user_R) / 2
    return is_judging_U[unit_R]


def _held_out(
    times: pl.Series | None, users: pl.Series | None, share: float, num_rows: int
) -> NDArray[np.bool_]:
    """Which rows are held out (R,); rows of one moment, or of one user, stay together.

    They are the newest, unless all rows are of one moment, as those of a day are for a clock of
    days.
    """
    if times is not None and times.n_unique() > 1:
        first_held_out = times.sort()[min(int((1 - share) * num_rows), num_rows - 1)]
        is_first = times == times.min()
        is_newest: pl.Series = (times >= first_held_out) & ~is_first
        return is_newest.to_numpy()
    if users is not None:
        keys_R = keys_of(as_text(known_values(users)).fill_null(""))
    else:
        keys_R = np.arange(num_rows, dtype=np.uint64)
    return uniform(keys_R, HELD_OUT_SEED) < share
