"""Predict: write what is predicted of a table's rows to a file, one block in memory at a time.

Of a task of 0 and 1 that is a probability, of a task of amounts the expected amount.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import bdtrc

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.common.files import replacing
from hinet_search.data.sources.table import scan
from hinet_search.data.stores import local_path
from hinet_search.serving.log_rows import seconds_after_log
from hinet_search.serving.model_folder import JoinedRows, LoadedModel, ScoredBlock
from hinet_search.serving.row_checks import KEY, checked_rows, misread_columns
from hinet_search.study.launch_options import LaunchOptions

BYTES_PER_SCORE = 4
CHANCE = 0.05
NEWER_ABOVE = 0.1  # the share of rows with a new value
AS_TRAINED = "the column has that type in training: write such a value, or none where it is missing"


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


def score_table(model: LoadedModel, path: str, to: Path, newer: str | None = None) -> Prediction:
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
    encoder = model.encoder
    joined = newer_log = None
    with model.memory_explained(path):
        if newer is not None:
            model.required_log()  # before a table is opened for it
            newer_log, joined = model.newer_rows(_scanned(model, newer), newer, folder)
        lazy = _scanned(model, path)
        names = lazy.collect_schema().names()
        keys = [name for name in encoder.inputs.keys if name in names and name not in model.tasks]
        frame, unfit = checked_rows(encoder.inputs, encoder.types, lazy, path, keys, folder)
        blocks = model.blocks(frame, encoder.seen(frame, newer_log), path)
        unseen = Counter(unfit)
        tables = _with_keys(model, frame, keys, blocks, unseen)
        _write(tables, to, len(frame) * BYTES_PER_SCORE * len(model.tasks))
        log_age = _age_of_log(model, frame, newer_log)
    return Prediction(
        scores=to,
        rows=len(frame),
        seconds=time.perf_counter() - started,
        keys=tuple(keys),
        tasks=model.tasks,
        unseen={name: num / max(len(frame), 1) for name, num in unseen.items()},
        newer=newer_inputs(unseen, len(frame), model.file.unseen),
        log=joined,
        log_age=log_age,
    )


def _with_keys(
    model: LoadedModel,
    frame: pl.DataFrame,
    keys: Sequence[str],
    blocks: Iterator[ScoredBlock],
    unseen: Counter[str],
) -> Iterator[pa.Table]:
    """Yield keys and predictions of each block; add its values without an id to `unseen`."""
    for block in blocks:
        rows = frame[block.rows]
        unseen.update(model.encoder.unseen(rows, block.columns))
        copies = [rows[f"{KEY}{name}"].alias(name) for name in keys]
        yield pl.DataFrame([*copies, *block.predictions]).to_arrow()


def _write(tables: Iterator[pa.Table], to: Path, num_bytes: int) -> None:
    """Write tables one after another; EnvironmentFault if the file cannot be written."""
    with replacing(to, num_bytes) as part:
        first = next(tables)
        with pq.ParquetWriter(part, first.schema) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)


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


def _age_of_log(
    model: LoadedModel, frame: pl.DataFrame, newer: pl.DataFrame | None
) -> float | None:
    encoder = model.encoder
    if encoder.log is None:
        return None
    log = encoder.log if newer is None else pl.concat([encoder.log, newer])
    return seconds_after_log(encoder.inputs, log, encoder.rows_after(log, frame))


def _scanned(model: LoadedModel, path: str) -> pl.LazyFrame:
    """The rows of a table; columns of a text have the types of training, whatever is inferred."""
    cache = LaunchOptions().cache
    local = local_path(path, "rows", cache, lambda _: None)
    lazy = scan(local, Path.cwd(), cache, "rows")
    types = misread_columns(model.file.inputs, model.encoder.types, lazy.collect_schema())
    if not types:
        return lazy
    try:
        return scan(local, Path.cwd(), cache, "rows", types)
    except DataError as error:
        is_value = re.search("could not parse|conversion from", error.problems[0])
        remedy = AS_TRAINED if is_value else error.remedy
        raise DataError(*error.problems, remedy=remedy) from error
