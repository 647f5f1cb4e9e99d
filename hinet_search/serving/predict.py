"""Predict: write what is predicted of a table's rows to a file, one block in memory at a time.

Of a task of 0 and 1 that is a probability, of a task of amounts the expected amount.

Shape legend: R rows, T tasks.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import bdtrc, expit

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.files import replacing
from hinet_search.data.columns import Columns
from hinet_search.data.mapped import collect_to_mapped_file
from hinet_search.data.numbers import MAX_EXAMPLES, rows_in_words
from hinet_search.data.reading import reading
from hinet_search.data.sources.table import scan
from hinet_search.data.stores import local_path
from hinet_search.results.families import POISSON
from hinet_search.results.statistics.calibrators import apply
from hinet_search.serving.log_rows import (
    SeenInputs,
    is_in_log,
    labels_of_rows,
    seconds_after_log,
)
from hinet_search.serving.model_folder import ExportedModel, average
from hinet_search.serving.row_checks import (
    KEY,
    cast_rows,
    column_problems,
    count_unfit,
    misread_columns,
    number_problems,
    refuse,
    scenario_problems,
    text_problems,
)
from hinet_search.study.checked_call import checked_call
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.device import memory_errors_explained

RUN_ROWS = 2**17
BYTES_PER_SCORE = 4
CHANCE = 0.05
NEWER_ABOVE = 0.1  # the share of rows with a new value
NEEDS_LESS = "a table of fewer rows than that needs less, and --device cpu needs no memory of a GPU"
FRAME, LOG = "the frame", "the log"
AS_TRAINED = "the column has that type in training: write such a value, or none where it is missing"


@dataclass(frozen=True)
class JoinedRows:
    """What joined the log for one call.

    `joined` labelled rows did, `unlabelled` ones lack a label, and `again` are not newer than the
    log, which has them.
    """

    joined: int
    unlabelled: int
    again: int


@dataclass(frozen=True)
class Prediction:
    """What was written.

    `unseen` is the share of rows with a value without an id, by categorical column, and of rows
    whose list has no entry with an id, by list. `newer` are those of clearly larger shares than the
    study's validation rows had, with these. `log` is what joined the log, None if nothing was
    given. `log_age` are the seconds from the last row of the log to the middle one of the rows,
    None unless that is long.
    """

    scores: Path
    rows: int
    seconds: float
    keys: tuple[str, ...]
    tasks: tuple[str, ...]
    unseen: dict[str, float]
    newer: dict[str, float]
    log: JoinedRows | None = None
    log_age: float | None = None


@dataclass(frozen=True)
class LoadedModel:
    """An exported model in memory."""

    exported: ExportedModel

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, each a column of `predict`."""
        return self.exported.file.inputs.tasks

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows must have."""
        return self.exported.file.inputs.columns

    @checked_call
    def predict(self, frame: pl.DataFrame, log: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return a column of probabilities, or expected amounts, for every task, in order of rows.

        `log` has labelled rows that are newer than the study, which the rows of the frame see; it
        may be the frame itself.
        Errors: DataError when columns or values are not as in training; ConfigurationError for the
        log of a model that follows none; EnvironmentFault when memory runs out.
        """
        exported = self.exported
        with memory_explained(exported, FRAME):
            newer = None
            if log is not None:
                newer, _ = newer_rows(exported, log.lazy(), LOG)
            rows, _ = checked(exported, frame.lazy(), (), FRAME)
            seen = exported.encoder.seen(rows, newer)
            scorer = _Scorer(exported, FRAME, (), Counter(), seen)
            return pl.concat(scorer.blocks(rows))


def score_table(
    exported: ExportedModel, path: str, to: Path, newer: str | None = None
) -> Prediction:
    """Score the rows of a table and write keys and scores, in the order of the rows.

    The table is one file, a folder or a glob. `newer` is another one, or the same: its rows with
    labels join the log. A row sees what is earlier than itself and known by then.
    Errors: DataError when columns or values are not as in training, EnvironmentFault when a file
    cannot be written or memory runs out, ConfigurationError for `newer` rows of a model without a
    log.
    """
    if to.suffix.lower() != ".parquet":
        raise ConfigurationError(
            f"{to}: scores must go to a .parquet file, got '{to.suffix}'",
            remedy="-o scores.parquet",
        )
    started = time.perf_counter()
    folder = to.absolute().parent
    joined = newer_log = None
    with memory_explained(exported, path):
        if newer is not None:
            _required_log(exported)  # before a table is opened for it
            newer_log, joined = newer_rows(exported, scanned(exported, newer), newer, folder)
        lazy = scanned(exported, path)
        inputs = exported.file.inputs
        names = lazy.collect_schema().names()
        keys = tuple(name for name in inputs.keys if name in names and name not in inputs.tasks)
        frame, unfit = checked(exported, lazy, keys, path, folder)
        seen = exported.encoder.seen(frame, newer_log)
        scorer = _Scorer(exported, path, keys, Counter(unfit), seen)
        _write(scorer, frame, to)
        log_age = _age_of_log(exported, frame, newer_log)
    return Prediction(
        scores=to,
        rows=len(frame),
        seconds=time.perf_counter() - started,
        keys=keys,
        tasks=inputs.tasks,
        unseen={name: num / max(len(frame), 1) for name, num in scorer.unseen.items()},
        newer=newer_inputs(scorer.unseen, len(frame), exported.file.unseen),
        log=joined,
        log_age=log_age,
    )


def newer_inputs(
    unseen: Mapping[str, int], num_rows: int, of_validation: Mapping[str, float]
) -> dict[str, float]:
    """The inputs with more unseen values than rows soon after validation have, and its shares.

    That is more than a tenth of the rows, and odds above four times the odds of validation: the
    last rows of a study have more new values, too. So many must not be chance.
    """
    newer = {}
    for name, count in unseen.items():
        share = of_validation.get(name, 0.0)
        limit = max(NEWER_ABOVE, 4 * share / (1 + 3 * share))
        if bdtrc(count - 1, num_rows, limit) < CHANCE:
            newer[name] = share
    return newer


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


def _required_log(exported: ExportedModel) -> pl.DataFrame:
    """Return the log that newer rows join; ConfigurationError for a model without one."""
    log = exported.encoder.log
    if log is None or not exported.encoder.inputs.rolls:
        raise ConfigurationError(
            f"{exported.folder}: its inputs do not follow a log, so no row can join it",
            remedy="predict without a log",
        )
    return log


def newer_rows(
    exported: ExportedModel, lazy: pl.LazyFrame, path: str, folder: Path | None = None
) -> tuple[pl.DataFrame, JoinedRows]:
    """The rows of a table that join the log, and how many those are; see `checked`.

    Errors: ConfigurationError for a model without a log; DataError when a column of labels is
    missing, or holds values that are no labels.
    """
    encoder = exported.encoder
    log = _required_log(exported)
    columns = tuple(dict.fromkeys(task.column for task in exported.file.tasks.values()))
    missing = [name for name in columns if name not in lazy.collect_schema().names()]
    refuse(path, [f"rows of a log have labels, column '{name}' is missing" for name in missing])
    frame, _ = checked(exported, lazy, columns, path, folder)
    scenario_R = encoder.scenario_numbers(frame)
    labels_RT, is_labelled_R = labels_of_rows(
        encoder.inputs, exported.file.tasks, frame, scenario_R, path
    )
    rows = encoder.rows_after(log, frame, labels_RT)
    is_again_R = is_in_log(encoder.inputs, log, rows)
    is_new_R = is_labelled_R & ~is_again_R
    joined = JoinedRows(
        joined=int(is_new_R.sum()),
        unlabelled=int((~is_labelled_R).sum()),
        again=int((is_labelled_R & is_again_R).sum()),
    )
    return rows.filter(pl.Series(is_new_R)), joined


def _age_of_log(
    exported: ExportedModel, frame: pl.DataFrame, newer: pl.DataFrame | None
) -> float | None:
    encoder = exported.encoder
    if encoder.log is None:
        return None
    log = encoder.log if newer is None else pl.concat([encoder.log, newer])
    return seconds_after_log(encoder.inputs, log, encoder.rows_after(log, frame))


def predictions(exported: ExportedModel, columns: Columns) -> NDArray[np.float32]:
    """P(task = 1), or the expected amount, of every row in its own scenario (R, T).

    Amounts are in the unit of their column. Several members are averaged, and the average is
    calibrated; NaN where a member has no finite score, and where the row's scenario does not have
    the task.
    """
    if columns.num_rows == 0:
        return np.zeros((0, len(exported.file.inputs.tasks)), dtype=np.float32)
    inputs = exported.file.inputs
    raw_RT = average(exported.members, exported.file, columns)
    scores_RT = apply(exported.file.calibrators, inputs.cells, raw_RT, columns.scenario_R)
    if inputs.absent_cells:
        scores_RT[~inputs.has_task[columns.scenario_R]] = np.nan
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


def checked(
    exported: ExportedModel,
    lazy: pl.LazyFrame,
    keys: tuple[str, ...],
    path: str,
    folder: Path | None = None,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Check all rows; return their keys and inputs, and the number of values that do not fit.

    The rows are mapped from a file in `folder`, if one is given. DataError holds every problem of
    the rows.
    """
    inputs = exported.file.inputs
    types = exported.encoder.types
    refuse(path, column_problems(inputs, types, lazy.collect_schema()))
    copies = [pl.col(name).alias(f"{KEY}{name}") for name in keys]
    with reading(path):
        refuse(path, text_problems(inputs, lazy))
        rows = cast_rows(inputs, lazy.select(*inputs.columns, *copies), types)
        frame = rows.collect() if folder is None else collect_to_mapped_file(rows, folder)
        unfit = count_unfit(inputs, lazy, types)
    rows = frame.lazy()
    refuse(path, [*scenario_problems(inputs.scenario, rows), *number_problems(inputs, rows)])
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
    seen: SeenInputs

    def blocks(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield keys and predictions of checked rows, block by block; one block without rows."""
        for start in range(0, max(len(frame), 1), RUN_ROWS):
            yield self.scored(frame[start : start + RUN_ROWS], start)

    def scored(self, frame: pl.DataFrame, first: int) -> pl.DataFrame:
        """Keys and predictions of a block of rows, of which the first has number `first`.

        DataError when a row has no finite score.
        """
        encoder = self.exported.encoder
        columns = encoder.columns(frame, self.seen.of(slice(first, first + len(frame))))
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
    with replacing(to, num_bytes) as part:
        blocks = scorer.blocks(frame)
        table = next(blocks).to_arrow()
        with pq.ParquetWriter(part, table.schema) as writer:
            writer.write_table(table)
            for block in blocks:
                writer.write_table(block.to_arrow())


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
