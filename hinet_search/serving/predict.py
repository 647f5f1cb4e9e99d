"""Predict: rows of a table become probabilities in a file, run by run, so that memory holds one run at a time.

Shape legend: R rows, B rows of a run, S seeds, T tasks.
"""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray
from polars.exceptions import PolarsError
from scipy.special import expit

from hinet_search import disk
from hinet_search.compare import ensemble_logits
from hinet_search.data.columns import Columns
from hinet_search.data.mapped import mapped
from hinet_search.data.sources.table import scan
from hinet_search.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.serving.folder import Exported
from hinet_search.serving.inputs import column_problems, fitted, misread, value_problems

RUN_ROWS = 2**17
KEY = "key of the row: "  # before the name of a column that is copied as it is
BYTES_PER_SCORE = 4
AS_TRAINED = "the column has that type in training: write such a value, or none where it is missing"


@dataclass(frozen=True)
class Prediction:
    """What was written. `unseen` is the share of rows with a value without an id, by categorical column."""

    scores: Path
    rows: int
    seconds: float
    keys: tuple[str, ...]
    tasks: tuple[str, ...]
    unseen: dict[str, float]


def predict(exported: Exported, path: str, to: Path) -> Prediction:
    """Score the rows of a table (Parquet or CSV, one file or a glob) and write keys and scores, in the order of the rows.

    Errors: DataError when columns or values are not as in training, EnvironmentFault when a file cannot be written.
    """
    started = time.perf_counter()
    _refuse_other_formats(to)
    lazy = _scanned(exported, path)
    keys = _keys(exported, lazy)
    frame = _checked(exported, lazy, keys, path, to.absolute().parent)
    unseen: Counter[str] = Counter()
    try:
        with disk.replacing(to, len(frame) * BYTES_PER_SCORE * len(exported.file.inputs.tasks)) as part:
            _write(exported, frame, keys, part, unseen)
    except OSError as error:
        raise EnvironmentFault(
            f"{to}: cannot be written: {error.strerror}", remedy="name another file with -o"
        ) from error
    rates = {name: unseen[name] / max(len(frame), 1) for name in exported.file.inputs.categorical}
    return Prediction(to, len(frame), time.perf_counter() - started, keys, exported.file.inputs.tasks, rates)


def probabilities(exported: Exported, columns: Columns) -> NDArray[np.float32]:
    """P(task = 1) of every row in its own scenario (R, T); of several seeds the mean."""
    if columns.num_rows == 0:
        return np.zeros((0, len(exported.file.inputs.tasks)), dtype=np.float32)
    logits_SRT = np.stack([model.scores(columns) for model in exported.models])
    logits_RT = logits_SRT[0] if len(logits_SRT) == 1 else ensemble_logits(logits_SRT)
    return np.asarray(expit(logits_RT), dtype=np.float32)


def _refuse_other_formats(to: Path) -> None:
    if to.suffix.lower() != ".parquet":
        raise ConfigurationError(
            f"{to}: scores must go to a .parquet file, got '{to.suffix}'", remedy="-o scores.parquet"
        )


def _scanned(exported: Exported, path: str) -> pl.LazyFrame:
    """The rows; columns of CSV files in the types of training, whatever their values look like."""
    lazy = scan(path, Path.cwd(), "rows")
    types = misread(exported.file.inputs, exported.encoder.types, lazy.collect_schema())
    return scan(path, Path.cwd(), "rows", types)


def _keys(exported: Exported, lazy: pl.LazyFrame) -> tuple[str, ...]:
    """Key columns that the rows have; one with the name of a task gives way to its scores."""
    inputs, found = exported.file.inputs, lazy.collect_schema()
    return tuple(name for name in inputs.keys if name in found and name not in inputs.tasks)


def _checked(exported: Exported, lazy: pl.LazyFrame, keys: tuple[str, ...], path: str, folder: Path) -> pl.DataFrame:
    """Keys and inputs of all rows, mapped from a file in `folder`; DataError with every problem that they have."""
    inputs, types = exported.file.inputs, exported.encoder.types
    _raise(path, column_problems(inputs, types, lazy.collect_schema()))
    copies = [pl.col(name).alias(f"{KEY}{name}") for name in keys]
    try:
        frame = mapped(fitted(lazy.select(*inputs.columns, *copies), types), folder)
    except PolarsError as error:
        text = str(error).splitlines()[0]
        raise DataError(
            f"{path}: rows cannot be read: {text}", remedy=AS_TRAINED if "could not parse" in text else ""
        ) from error
    _raise(path, value_problems(inputs, frame.lazy()))
    return frame


def _raise(path: str, problems: list[str]) -> None:
    if problems:
        raise DataError(*(f"{path}: {problem}" for problem in problems))


def _write(exported: Exported, frame: pl.DataFrame, keys: tuple[str, ...], to: Path, unseen: Counter[str]) -> None:
    first = _scored(exported, frame[:RUN_ROWS], keys, unseen).to_arrow()
    with pq.ParquetWriter(to, first.schema) as writer:
        writer.write_table(first)
        for start in range(RUN_ROWS, len(frame), RUN_ROWS):
            writer.write_table(_scored(exported, frame[start : start + RUN_ROWS], keys, unseen).to_arrow())


def _scored(exported: Exported, frame: pl.DataFrame, keys: tuple[str, ...], unseen: Counter[str]) -> pl.DataFrame:
    """Keys and probabilities of a run; rows without an id are added to `unseen`."""
    columns = exported.encoder.columns(frame)
    unseen.update(exported.encoder.unseen(frame, columns))
    of_task_RT = probabilities(exported, columns)
    scores = [pl.Series(task, of_task_RT[:, number]) for number, task in enumerate(exported.file.inputs.tasks)]
    return pl.DataFrame([*(frame[f"{KEY}{name}"].alias(name) for name in keys), *scores])
