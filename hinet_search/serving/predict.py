"""Predict: write what is predicted of a table's rows to a file, one block in memory at a time.

Of a task of 0 and 1 that is a probability, of a task of amounts the expected amount.

Shape legend: R rows, T tasks.
"""

import errno
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import expit

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.files import replacing
from hinet_search.data.columns import Columns
from hinet_search.data.mapped import collect_to_mapped_file
from hinet_search.data.numbers import MAX_EXAMPLES, rows_in_words
from hinet_search.data.reading import reading
from hinet_search.data.sources.table import scan
from hinet_search.data.stores import local_path
from hinet_search.results.families import POISSON
from hinet_search.serving.history import NOT_ROLLED, RolledInputs
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.label_columns import labels_of_rows
from hinet_search.serving.model_folder import ExportedModel, calibrated_logits
from hinet_search.serving.rolling import Rolled, age_of_log, roll
from hinet_search.serving.row_checks import (
    KEY,
    cast_rows,
    column_problems,
    count_unfit,
    misread_columns,
    refuse,
    text_problems,
    value_problems,
)
from hinet_search.serving.state import generation_of, with_state, write_state
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import memory_errors_explained

RUN_ROWS = 2**17
BYTES_PER_SCORE = 4
NEEDS_LESS = "a table of fewer rows than that needs less, and --device cpu needs no memory of a GPU"
AS_TRAINED = "the column has that type in training: write such a value, or none where it is missing"


@dataclass(frozen=True)
class RolledRows:
    """What a state took of the rows.

    `counted` rows were added, `unlabelled` ones lack a label, and those `again` are of days that it
    had counted. `last` is the end of what it has counted now, in the unit of the clock.
    """

    counted: int
    unlabelled: int
    again: int
    last: str


@dataclass(frozen=True)
class Prediction:
    """What was written.

    `unseen` is the share of rows with a value without an id, by categorical column, and of rows
    whose list has no entry with an id, by list. `rolled` is what a state took of the rows, None
    without one. `log_age` are the seconds from the last row of the log to the middle one of the
    rows, None unless that is long.
    """

    scores: Path
    rows: int
    seconds: float
    keys: tuple[str, ...]
    tasks: tuple[str, ...]
    unseen: dict[str, float]
    rolled: RolledRows | None = None
    log_age: float | None = None


def score_table(
    exported: ExportedModel, path: str, to: Path, state: Path | None = None
) -> Prediction:
    """Score the rows of a table and write keys and scores, in the order of the rows.

    The table is one file, a folder or a glob. Statistics begin as the folder
    `state` has them, or as the model was exported, and roll forward over rows with labels; then
    the state is written.
    Errors: DataError when columns or values are not as in training, EnvironmentFault when a file
    cannot be written or memory runs out, and those of `with_state`.
    """
    if to.suffix.lower() != ".parquet":
        raise ConfigurationError(
            f"{to}: scores must go to a .parquet file, got '{to.suffix}'",
            remedy="-o scores.parquet",
        )
    with memory_explained(exported, path):
        return _predict(exported, path, to, state)


@contextmanager
def memory_explained(exported: ExportedModel, path: str) -> Iterator[None]:
    """Raise EnvironmentFault with the remedy if memory runs out while rows are scored."""
    try:
        with memory_errors_explained(exported.device, f"{RUN_ROWS:,} rows at once", NEEDS_LESS):
            yield
    except MemoryError as error:
        raise EnvironmentFault(
            f"{path}: its rows must be scored within memory, but it ran out: {error}"
        ) from error


def _predict(exported: ExportedModel, path: str, to: Path, state: Path | None) -> Prediction:
    started = time.perf_counter()
    before = 0
    if state is not None:
        before = generation_of(state)
        exported = with_state(exported, state)
    lazy = scanned(exported, path)
    keys = _keys(exported, lazy)
    labels = {task.column: None for task in exported.file.tasks.values()}
    rolls = state is not None and set(labels) <= set(lazy.collect_schema().names())
    copied = tuple(dict.fromkeys([*keys, *labels])) if rolls else keys
    frame, unfit = checked(exported, lazy, copied, path, to.absolute().parent)
    rolled = rolled_over(exported, frame, path) if rolls else None
    inputs = NOT_ROLLED if rolled is None else rolled.inputs
    scorer = _Scorer(exported, path, keys, Counter(unfit), inputs)
    _write(scorer, frame, to)
    taken = None
    if state is not None:
        taken = _rolled_rows(exported, state, before, rolled)
    return Prediction(
        scores=to,
        rows=len(frame),
        seconds=time.perf_counter() - started,
        keys=keys,
        tasks=exported.file.inputs.tasks,
        unseen={name: num / max(len(frame), 1) for name, num in scorer.unseen.items()},
        rolled=taken,
        log_age=age_of_log(exported.encoder, frame) if rolled is None else None,
    )


def rolled_over(exported: ExportedModel, frame: pl.DataFrame, path: str) -> Rolled:
    """Roll what a model counts over checked rows, which have the label columns of all tasks.

    DataError when rows are too old, or a column holds values that are no labels.
    """
    encoder = exported.encoder
    labels = labels_of_rows(exported, exported.file.tasks, frame, path)
    rows = encoder.rows(frame, labels.labels_RT, np.zeros(len(frame), dtype=np.uint8))
    return roll(encoder, rows, labels.is_labelled_R)


def _rolled_rows(
    exported: ExportedModel, state: Path, before: int, rolled: Rolled | None
) -> RolledRows:
    """Write what became of the state after generation `before`; without labels it stays."""
    inputs = exported.encoder.inputs
    if rolled is None:
        return RolledRows(0, 0, 0, exported.encoder.history.last_counted(inputs))
    write_state(state, rolled.encoder, before)
    last = rolled.encoder.history.last_counted(inputs)
    return RolledRows(rolled.counted, rolled.unlabelled, rolled.again, last)


def predictions(exported: ExportedModel, columns: Columns) -> NDArray[np.float32]:
    """P(task = 1), or the expected amount, of every row in its own scenario (R, T).

    Amounts are in the unit of their column. Several members are averaged, and the average is
    calibrated; NaN where a member has no finite score, and where the row's scenario does not have
    the task.
    """
    if columns.num_rows == 0:
        return np.zeros((0, len(exported.file.inputs.tasks)), dtype=np.float32)
    inputs = exported.file.inputs
    scores_RT = calibrated_logits(exported, columns)
    if inputs.absent_cells:
        scores_RT[~inputs.has_task[columns.scenario_R]] = np.nan
    return _expected(inputs, scores_RT)


def _expected(inputs: Inputs, scores_RT: NDArray[np.float32]) -> NDArray[np.float32]:
    """What scores expect (R, T): a probability, or an amount in the unit of its column."""
    predicted_RT = np.asarray(expit(scores_RT), dtype=np.float32)
    for task in np.flatnonzero(inputs.is_amount):
        mean_R = POISSON.mean(scores_RT[:, task].astype(np.float64))
        with np.errstate(over="ignore"):  # an amount beyond float32 is refused as not finite
            predicted_RT[:, task] = inputs.units[task] * mean_R
    return predicted_RT


def scanned(exported: ExportedModel, path: str) -> pl.LazyFrame:
    """The rows of a table; columns of a text have the types of training, whatever is inferred."""
    cache = LaunchOptions().cache
    local = local_path(path, "rows", cache, lambda _: None)
    lazy = scan(local, Path.cwd(), cache, "rows")
    types = misread_columns(exported.file.inputs, exported.encoder.types, lazy.collect_schema())
    if not types:
        return lazy
    try:
        return scan(local, Path.cwd(), cache, "rows", types)
    except DataError as error:
        remedy = AS_TRAINED if "could not parse" in error.problems[0] else error.remedy
        raise DataError(*error.problems, remedy=remedy) from error


def _keys(exported: ExportedModel, lazy: pl.LazyFrame) -> tuple[str, ...]:
    """Key columns that the rows have, without any that has the name of a task."""
    inputs = exported.file.inputs
    names = lazy.collect_schema().names()
    return tuple(name for name in inputs.keys if name in names and name not in inputs.tasks)


def checked(
    exported: ExportedModel,
    lazy: pl.LazyFrame,
    keys: tuple[str, ...],
    path: str,
    folder: Path,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Check all rows; return their keys and inputs, and the number of values that do not fit.

    The rows are mapped from a file in `folder`. DataError holds every problem of the rows.
    """
    inputs = exported.file.inputs
    types = exported.encoder.types
    refuse(path, column_problems(inputs, types, lazy.collect_schema()))
    copies = [pl.col(name).alias(f"{KEY}{name}") for name in keys]
    with reading(path):
        refuse(path, text_problems(inputs, lazy))
        rows = cast_rows(inputs, lazy.select(*inputs.columns, *copies), types)
        frame = collect_to_mapped_file(rows, folder)
        unfit = count_unfit(inputs, lazy, types)
    refuse(path, value_problems(inputs, frame.lazy()))
    return frame, unfit


@dataclass(frozen=True)
class _Scorer:
    """Scores blocks of rows of `path`.

    It adds their values without an id to `unseen`.
    """

    exported: ExportedModel
    path: str
    keys: tuple[str, ...]
    unseen: Counter[str]
    rolled: RolledInputs

    def scored(self, frame: pl.DataFrame, first: int) -> pl.DataFrame:
        """Keys and predictions of a block of rows, of which the first has number `first`.

        DataError when a row has no finite score.
        """
        encoder = self.exported.encoder
        columns = encoder.columns(frame, self.rolled.of(slice(first, first + len(frame))))
        predicted_RT = predictions(self.exported, columns)
        has_task_RT = encoder.inputs.has_task[columns.scenario_R]
        refuse(self.path, missing_scores(predicted_RT, has_task_RT, first))
        self.unseen.update(encoder.unseen(frame, columns))
        keys = [frame[f"{KEY}{name}"].alias(name) for name in self.keys]
        scores = [
            pl.Series(task, predicted_RT[:, number], nan_to_null=True)
            for number, task in enumerate(self.exported.file.inputs.tasks)
        ]
        return pl.DataFrame([*keys, *scores])


def _write(scorer: _Scorer, frame: pl.DataFrame, to: Path) -> None:
    """Write the scores of all rows; EnvironmentFault if the file cannot be written."""
    num_bytes = len(frame) * BYTES_PER_SCORE * len(scorer.exported.file.inputs.tasks)
    try:
        with replacing(to, num_bytes) as part:
            table = scorer.scored(frame[:RUN_ROWS], 0).to_arrow()
            with pq.ParquetWriter(part, table.schema) as writer:
                writer.write_table(table)
                for start in range(RUN_ROWS, len(frame), RUN_ROWS):
                    block = frame[start : start + RUN_ROWS]
                    writer.write_table(scorer.scored(block, start).to_arrow())
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise
        raise EnvironmentFault(
            f"{to}: cannot be written: {error.strerror}", remedy="name another file with -o"
        ) from error


def missing_scores(
    predicted_RT: NDArray[np.float32], has_task_RT: NDArray[np.bool_], first: int
) -> list[str]:
    """Report rows without a finite score of a task that they have; `first` numbers the first."""
    is_missing_RT = ~np.isfinite(predicted_RT) & has_task_RT
    rows = first + np.flatnonzero(is_missing_RT.any(axis=1))
    if not rows.size:
        return []
    examples = ", ".join(f"{row:,}" for row in rows[:MAX_EXAMPLES].tolist())
    problem = (
        f"every row must get a finite score, but {rows_in_words(rows.size)} cannot "
        f"(first in row {examples}); their numbers are far from those of training, or weights of "
        "the model are far too large"
    )
    return [problem]
