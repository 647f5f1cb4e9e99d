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

from hinet_search.data.encode import known_values
from hinet_search.data.hashing import keys_of, uniform
from hinet_search.data.queries.content_hash import ContentHash
from hinet_search.data.raw_values import as_text
from hinet_search.results.cells import Labels
from hinet_search.results.statistics.resampling import units_of_rows
from hinet_search.serving.label_columns import labels_of_rows
from hinet_search.serving.lineage import StudyRows
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.predict import checked, scanned, user_numbers
from hinet_search.serving.row_checks import KEY, refuse
from hinet_search.serving.row_columns import missing_columns

HELD_OUT_SEED = 5_318_008_713  # of users, or rows, that are held out where rows have no clock
JUDGING_SEED = 7_046_029_254  # of users, or rows, that judge among those held out


@dataclass(frozen=True)
class NewerRows:
    """Labelled rows in the order of their table.

    `frame` has the inputs of the model, cast to the types of training. Amounts among the labels are
    in the units of the model. Users are numbered, -1 stands for none. Rows that judge are held out,
    and no user of them has rows among the held-out ones that choose. `first` and `last` are the
    ends of the rows' time, None without a clock. `num_unlabelled` rows of the table lack a label
    and are left out. `digest` is a hash of the rows, labels included.
    """

    path: str
    frame: pl.DataFrame
    labels_RT: Labels
    user_R: NDArray[np.int32]
    is_held_out_R: NDArray[np.bool_]
    is_judging_R: NDArray[np.bool_]
    first: str | None
    last: str | None
    num_unlabelled: int
    digest: str

    @property
    def num_held_out(self) -> int:
        """The number of rows that are not learned from."""
        return int(self.is_held_out_R.sum())


def read_newer_rows(
    exported: ExportedModel, study_rows: StudyRows, path: str, held_out: float, folder: Path
) -> NewerRows:
    """Read and check the rows of a table, of which the newest share `held_out` is held out.

    Without a clock, rows are held out by user, and without users one by one, both at random. The
    rows are mapped from a file in `folder`.
    Errors: DataError with every problem of the rows, for a column of labels, time or users that is
    not there, and for too few rows.
    """
    clock = _clock(exported, study_rows)
    user = study_rows.user
    keys = [name for name in (clock, user) if name is not None]
    table = _labelled_table(exported, path, keys, folder)
    frame = table.frame
    times = None if clock is None else _ordered(frame[f"{KEY}{clock}"])
    users = None if user is None else frame[f"{KEY}{user}"]
    refuse(path, [] if times is None else _time_problems(times, str(clock)))
    is_held_out_R = _held_out(times, users, held_out, len(frame))
    refuse(path, _part_problems(is_held_out_R, clock))
    user_R = user_numbers(users, len(frame))
    is_judging_R = is_held_out_R.copy()
    is_judging_R[is_held_out_R] = judging_rows(user_R[is_held_out_R])
    refuse(path, _judging_problems(is_held_out_R, is_judging_R))
    return NewerRows(
        path=path,
        frame=frame.select(exported.encoder.inputs.columns),
        labels_RT=table.labels_RT,
        user_R=user_R,
        is_held_out_R=is_held_out_R,
        is_judging_R=is_judging_R,
        first=None if times is None else str(times.min()),
        last=None if times is None else str(times.max()),
        num_unlabelled=table.num_unlabelled,
        digest=_digest(frame),
    )


@dataclass(frozen=True)
class _LabelledTable:
    """The rows of a table that have all labels, with inputs and keys, and how many have not."""

    frame: pl.DataFrame
    labels_RT: Labels
    num_unlabelled: int


def _labelled_table(
    exported: ExportedModel, path: str, keys: Sequence[str], folder: Path
) -> _LabelledTable:
    tasks = exported.profile.tasks
    labels = tuple(dict.fromkeys(task.column for task in tasks.values()))
    needed = tuple(dict.fromkeys([*labels, *keys]))
    lazy = scanned(exported, path)
    refuse(path, missing_columns(needed, lazy.collect_schema().names()))
    frame, _ = checked(exported, lazy, needed, path, folder)
    found = labels_of_rows(exported, tasks, frame, path)
    refuse(path, _label_problems(labels, found.is_labelled_R))
    return _LabelledTable(
        frame=frame.filter(pl.Series(found.is_labelled_R)),
        labels_RT=found.labels_RT[found.is_labelled_R],
        num_unlabelled=int((~found.is_labelled_R).sum()),
    )


def _clock(exported: ExportedModel, study_rows: StudyRows) -> str | None:
    """The column of the time of rows, or of their day in statistics; None without one."""
    statistics = exported.encoder.inputs.statistics
    return study_rows.time or (statistics.clock if statistics is not None else None)


def _label_problems(labels: Sequence[str], is_labelled_R: NDArray[np.bool_]) -> list[str]:
    if is_labelled_R.any():
        return []
    rows = f"{len(is_labelled_R):,} rows, none of which has" if len(is_labelled_R) else "no rows,"
    return [f"must have rows with labels in {', '.join(labels)} to learn from, got {rows} labels"]


def _ordered(times: pl.Series) -> pl.Series:
    """The times; categories as texts, since they may be numbered in another order."""
    return times.cast(pl.String) if isinstance(times.dtype, pl.Categorical | pl.Enum) else times


def _time_problems(times: pl.Series, clock: str) -> list[str]:
    num_missing = known_values(times).null_count()
    dtype = times.dtype
    wrong = ""
    if num_missing:
        wrong = f"none in {num_missing:,} of {len(times):,} rows"
    elif not (dtype.is_numeric() or dtype.is_temporal() or dtype == pl.String):
        wrong = f"{dtype}"
    elif dtype == pl.String and _is_out_of_order(times):
        wrong = "numbers as texts of several lengths: as texts, '1000' comes before '999'"
    if not wrong:
        return []
    problem = (
        f"column '{clock}' must hold the time of every row, as numbers or dates, so that the "
        f"newest can be held out, got {wrong}"
    )
    return [problem]


def _is_out_of_order(texts: pl.Series) -> bool:
    """Whether some texts are numbers and their lengths differ."""
    are_numbers: pl.Series = texts.cast(pl.Float64, strict=False).is_not_null()
    return are_numbers.any() and texts.str.len_bytes().n_unique() > 1


def _part_problems(is_held_out_R: NDArray[np.bool_], clock: str | None) -> list[str]:
    num_rows = len(is_held_out_R)
    num_held_out = int(is_held_out_R.sum())
    if 0 < num_held_out < num_rows:
        return []
    why = f"; their '{clock}' must differ" if clock else ""
    problem = (
        "must have rows to learn from and others to hold out, got "
        f"{num_rows - num_held_out:,} and {num_held_out:,} of {num_rows:,} rows{why}"
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


def _judging_problems(
    is_held_out_R: NDArray[np.bool_], is_judging_R: NDArray[np.bool_]
) -> list[str]:
    if is_judging_R.any():
        return []
    problem = (
        f"the {int(is_held_out_R.sum()):,} held-out rows must be of two users or more (two rows, "
        "if they have no users), since some choose when to stop and others judge, got one"
    )
    return [problem]


def _held_out(
    times: pl.Series | None, users: pl.Series | None, share: float, num_rows: int
) -> NDArray[np.bool_]:
    """Which rows are held out (R,); rows of one moment, or of one user, stay together."""
    if times is not None:
        first_held_out = times.sort()[min(int((1 - share) * num_rows), num_rows - 1)]
        is_newest: pl.Series = times >= first_held_out
        return is_newest.to_numpy()
    if users is not None:
        keys_R = keys_of(as_text(known_values(users)).fill_null(""))
    else:
        keys_R = np.arange(num_rows, dtype=np.uint64)
    return uniform(keys_R, HELD_OUT_SEED) < share


def _digest(frame: pl.DataFrame) -> str:
    content = ContentHash()
    content.add(frame)
    return content.digest()
