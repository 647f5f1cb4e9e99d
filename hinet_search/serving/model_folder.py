"""Model folder: an exported model, or the ensemble of several, on disk and in memory.

It needs no study, no database and no table, and reading it executes nothing from it. It holds
models of one finalist or of several, each with the seeds that are members.

config.yaml            what the models are and what they read, see model_file.py
weights.safetensors    one file, or `weights-N.safetensors` for each of several members
encoding/              what new rows are encoded with, see encoding_folder.py
model.onnx             the model as a graph for other programs, see onnx_graph.py; on request
card.md                for people
manifest.json          SHA-256 of every other file

Shape legend: R rows, T tasks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy.special import expit

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.data.numbers import MAX_EXAMPLES, rows_in_words
from hinet_search.data.objects import flattened
from hinet_search.data.schema import Schema
from hinet_search.results.families import POISSON
from hinet_search.results.statistics.calibrators import apply
from hinet_search.results.statistics.ensemble import RunningMean
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.encoding_folder import read_encoder
from hinet_search.serving.log_rows import SeenInputs, is_in_log, labels_of_rows
from hinet_search.serving.model_file import CONFIG, ENCODING, FORMAT, ModelFile, ModelOfFile
from hinet_search.serving.row_checks import checked_rows, refuse
from hinet_search.serving.sealed import AGAIN, GRAPH_FILES, refuse_other_files, sealed_files
from hinet_search.serving.tables import wrong_content
from hinet_search.study.checked_call import checked_call
from hinet_search.study.validation_messages import in_words
from hinet_search.study.yaml_file import YamlFile, read
from hinet_search.training.device import memory_errors_explained
from hinet_search.training.model_size import meta_model
from hinet_search.training.tensors import read_weights
from hinet_search.training.trainable import BuiltModel, put_weights, refuse_other_weights, trainable
from hinet_search.training.trial_config import TrialConfig, model_module, whole_config

RUN_ROWS = 2**17
NEEDS_LESS = "a table of fewer rows than that needs less, and --device cpu needs no memory of a GPU"


class ScoresColumns(Protocol):
    """Scores encoded rows with a model, a torch module or trees."""

    @property
    def model(self) -> object:
        """The model."""
        ...

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T); of amounts, their logs."""
        ...


@dataclass(frozen=True)
class ExportedMember:
    """A model in memory: its seed, its weight in the average, and the inputs that it reads."""

    seed: int
    weight: float
    inputs: ChosenInputs
    model: ScoresColumns


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
class ScoredBlock:
    """A block of rows: which they are, encoded, and a column of predictions for every task."""

    rows: slice
    columns: Columns
    predictions: pl.DataFrame


@dataclass(frozen=True)
class LoadedModel:
    """An exported model in memory: the encoder, and a network (or forest) for every member."""

    folder: Path
    file: ModelFile
    encoder: Encoder
    members: tuple[ExportedMember, ...]
    device: torch.device

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, each a column of `predict`."""
        return self.file.inputs.tasks

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows must have."""
        return self.file.inputs.columns

    @checked_call
    def predict(self, frame: pl.DataFrame, log: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return a column of probabilities, or expected amounts, for every task, in order of rows.

        `log` has labelled rows that are newer than the study, which the rows of the frame see; it
        may be the frame itself.
        Errors: DataError when columns or values are not as in training; ConfigurationError for the
        log of a model that follows none; EnvironmentFault when memory runs out.
        """
        where = "the frame"
        with self.memory_explained(where):
            newer = None
            if log is not None:
                newer, _ = self.newer_rows(flattened(log.lazy(), "the log"), "the log")
            lazy = flattened(frame.lazy(), where)
            rows, _ = checked_rows(self.encoder.inputs, self.encoder.types, lazy, where)
            seen = self.encoder.seen(rows, newer)
            return pl.concat(block.predictions for block in self.blocks(rows, seen, where))

    def encode(self, raw: pl.DataFrame) -> Columns:
        """Encode rows of the study's source, which need no checks."""
        return self.encoder.encode(raw)

    def logits(
        self, columns: Columns, members: Sequence[ExportedMember] | None = None
    ) -> NDArray[np.float32]:
        """Scores (R, T): the weighted mean of scores, or of expected labels, see `ModelFile.scale`.

        It is of all members unless some are named. A score is a logit, or the log of an expected
        amount in its unit. NaN where a member has no finite score: an infinite logit would pass for
        a probability of 1. Only one member's scores, and one selection of the columns, are in
        memory at a time.
        """
        members = self.members if members is None else members
        scale = self.file.scale if len(members) > 1 else "logits"  # one member's scores are kept
        mean = RunningMean(scale, self.file.inputs.is_amount)
        is_finite_RT = np.ones((columns.num_rows, columns.labels_RT.shape[1]), dtype=np.bool_)
        inputs = None
        selected = columns
        for member in members:
            if member.inputs != inputs:
                inputs = member.inputs
                selected = member.inputs.columns(columns)
            is_finite_RT &= _add(mean, member, selected)
        return np.where(is_finite_RT, mean.result(), np.float32(np.nan))

    def predictions(self, columns: Columns) -> NDArray[np.float32]:
        """P(task = 1), or the expected amount, of every row in its own scenario (R, T).

        Amounts are in the unit of their column. The mean of the members is calibrated. NaN where a
        member has no finite score, and where the row's scenario does not have the task.
        """
        inputs = self.file.inputs
        if columns.num_rows == 0:
            return np.zeros((0, len(inputs.tasks)), dtype=np.float32)
        logits_RT = self.logits(columns)
        scores_RT = apply(self.file.calibrators, inputs.cells, logits_RT, columns.scenario_R)
        if inputs.absent_cells:
            scores_RT[~inputs.has_task[columns.scenario_R]] = np.nan
        predicted_RT = np.asarray(expit(scores_RT), dtype=np.float32)
        for task in np.flatnonzero(inputs.is_amount):
            mean_R = POISSON.mean(scores_RT[:, task].astype(np.float64))
            with np.errstate(over="ignore"):  # an amount beyond float32 is refused as not finite
                predicted_RT[:, task] = inputs.units[task] * mean_R
        return predicted_RT

    def blocks(self, frame: pl.DataFrame, seen: SeenInputs, path: str) -> Iterator[ScoredBlock]:
        """Score checked rows of `path` block by block; one block without rows.

        DataError when a row has no finite score.
        """
        for start in range(0, max(len(frame), 1), RUN_ROWS):
            rows = slice(start, min(start + RUN_ROWS, len(frame)))
            columns = self.encoder.columns(frame[rows], seen.of(rows))
            predicted_RT = self.predictions(columns)
            is_missing_RT = ~np.isfinite(predicted_RT)
            is_missing_RT &= self.file.inputs.has_task[columns.scenario_R]
            refuse(path, _missing_scores(start + np.flatnonzero(is_missing_RT.any(axis=1))))
            scores = {}
            for number, task in enumerate(self.tasks):
                scores[task] = pl.Series(predicted_RT[:, number], nan_to_null=True)
            yield ScoredBlock(rows, columns, pl.DataFrame(scores))

    def required_log(self) -> pl.DataFrame:
        """Return the log that newer rows join; ConfigurationError for a model without one."""
        log = self.encoder.log
        if log is None or not self.encoder.inputs.rolls:
            raise ConfigurationError(
                f"{self.folder}: its inputs do not follow a log, so no row can join it",
                remedy="predict without a log",
            )
        return log

    def newer_rows(
        self, lazy: pl.LazyFrame, path: str, folder: Path | None = None
    ) -> tuple[pl.DataFrame, JoinedRows]:
        """The rows of a table that join the log, and how many those are; see `checked_rows`.

        Errors: ConfigurationError for a model without a log; DataError when a column of labels is
        missing, or holds values that are no labels.
        """
        encoder = self.encoder
        log = self.required_log()
        columns = tuple(dict.fromkeys(task.column for task in self.file.tasks.values()))
        missing = [name for name in columns if name not in lazy.collect_schema().names()]
        refuse(path, [f"rows of a log have labels, column '{name}' is missing" for name in missing])
        frame, _ = checked_rows(encoder.inputs, encoder.types, lazy, path, columns, folder)
        scenario_R = encoder.scenario_numbers(frame)
        labels_RT, is_labelled_R = labels_of_rows(
            encoder.inputs, self.file.tasks, frame, scenario_R, path
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

    @contextmanager
    def memory_explained(self, path: str) -> Iterator[None]:
        """Raise EnvironmentFault with the remedy if memory runs out while rows are scored."""
        try:
            with memory_errors_explained(self.device, f"{RUN_ROWS:,} rows at once", NEEDS_LESS):
                yield
        except MemoryError as error:
            raise EnvironmentFault(
                f"{path}: its rows must be scored within memory, but it ran out: {error}"
            ) from error


def _add(mean: RunningMean, member: ExportedMember, columns: Columns) -> NDArray[np.bool_]:
    """Add the scores of a member and free them; return where they are finite (R, T)."""
    scores_RT = member.model.scores(columns)
    is_finite_RT = np.isfinite(scores_RT)
    mean.add(np.where(is_finite_RT, scores_RT, np.float32(0)), member.weight)
    return is_finite_RT


def _missing_scores(rows: NDArray[np.intp]) -> list[str]:
    """Report rows, by their numbers, without a finite score of a task that they have."""
    if not rows.size:
        return []
    examples = ", ".join(f"{row:,}" for row in rows[:MAX_EXAMPLES].tolist())
    problem = (
        f"every row must get a finite score, but {rows_in_words(rows.size)} cannot "
        f"(first in row {examples}); their numbers are far from those of training, or weights of "
        "the model are far too large"
    )
    return [problem]


def open_folder(folder: Path, device: torch.device) -> LoadedModel:
    """Open the model of a folder and check all files that it is read from.

    Errors: DataError when the folder is no exported model or a file has wrong content;
    ConfigurationError for an unknown model; EnvironmentFault when a file cannot be read.
    """
    sealed = sealed_files(folder)
    refuse_other_files(folder, sealed & {CONFIG}, [CONFIG])
    yaml = read(folder / CONFIG)
    got = yaml.tree.get("format")
    if got != FORMAT:
        raise DataError(
            f"{yaml.place(('format',))}: format must be {FORMAT}, got {in_words(got)}",
            remedy="another version of hinet-search wrote this folder: export the model again",
        )
    file = yaml.parse(ModelFile)
    refuse_other_files(folder, sealed - GRAPH_FILES, file.files)
    encoder = read_encoder(folder / ENCODING, file.inputs)
    names = iter(file.weight_files)
    members: list[ExportedMember] = []
    for number, model in enumerate(file.models):
        config = _config(yaml, number, model)
        schema = encoder.schema_of(config.features)
        if not (schema.categorical or schema.numeric):
            raise wrong_content(yaml.path, "leave inputs to every model", "leaves one none")
        inputs = encoder.chosen(config.features)
        for seed in model.seeds:
            built = trainable(_built(config, schema, folder / next(names)), schema, device)
            members.append(ExportedMember(seed.seed, seed.weight, inputs, built))
    return LoadedModel(folder, file, encoder, tuple(members), device)


def _config(yaml: YamlFile, number: int, model: ModelOfFile) -> TrialConfig:
    """The configuration of a model; an error names its place, and the model if it is unknown."""
    try:
        model_module(model.model)
    except ConfigurationError as error:
        at = f"{yaml.place(('models', number, 'model'))}: {model.title}"
        raise ConfigurationError(
            *(f"{at}: {problem}" for problem in error.problems), remedy=error.remedy
        ) from error
    return whole_config(
        model.model,
        model.settings,
        lambda location: yaml.place(("models", number, "settings", *location)),
    )


def _built(config: TrialConfig, schema: Schema, path: Path) -> BuiltModel:
    """Build a model with the weights of a file."""
    remedy = f"{AGAIN}; or install the version of hinet-search that {CONFIG} names"
    tensors = read_weights(path, remedy)
    # Compare with the model on the meta device, before memory is allocated for it.
    refuse_other_weights(meta_model(config, schema), tensors, path, remedy)
    built = config.build(schema)
    put_weights(built, tensors, path, remedy)
    return built
