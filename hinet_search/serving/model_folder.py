"""Folder: an exported model, or the ensemble of several, on disk.

It needs no study, no database and no table, and reading it executes nothing from it.

config.yaml            what the models are and what they read, see ModelFile
weights.safetensors    one file, or one for each of several members: `weights-SEED.safetensors`, or
                       `weights-MODEL-SEED.safetensors` if they are of several models
encoding/              columns (no rows: names and types), vocabulary.N (values with an id,
                       in order of their ids), knots.N (of the N-th column with the transform
                       `quantile`),
                       and facts from labels and lists of the study: days, statistics.N, usual.N,
                       counts.N, factors.N
model.onnx             the model as a graph for other programs, see onnx_graph.py; on request
card.md                for people
manifest.json          SHA-256 of every other file
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.data.encode import COUNT, VALUE, Encoding, Vocabulary
from hinet_search.data.transforms import Knots
from hinet_search.results.statistics.calibrators import apply
from hinet_search.results.statistics.ensemble import RunningMean
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import history_of_folder, tables_of
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_file import (
    COLUMNS,
    CONFIG,
    ENCODING,
    KNOTS,
    ModelFile,
    ModelOfFile,
    WeightedSeed,
    parse_model_file,
)
from hinet_search.serving.sealed import AGAIN, GRAPH_FILES, refuse_other_files, sealed_files
from hinet_search.serving.tables import (
    Types,
    as_typed,
    inner_type,
    read_table,
    require,
    widened,
    write_table,
    wrong_content,
)
from hinet_search.study.yaml_file import YamlFile, read, written
from hinet_search.training.model_size import meta_model
from hinet_search.training.tensors import read_weights
from hinet_search.training.trainable import put_weights, refuse_other_weights, trainable
from hinet_search.training.trial_config import TrialConfig, model_module, whole_config

CARD = "card.md"
SCORE = "score"
HEAD = "# An exported model of hinet-search, and the columns that it reads. Do not edit.\n"


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


def average(
    members: Sequence[ExportedMember], file: ModelFile, columns: Columns
) -> NDArray[np.float32]:
    """Scores (R, T) of the weighted mean of scores, or of expected labels: `file` says which.

    A score is a logit, or the log of an expected amount in its unit. NaN where a member has no
    finite score: an infinite logit would pass for a probability of 1. Only one member's scores, and
    one selection of the columns, are in memory at a time.
    """
    scale = file.scale if len(members) > 1 else "logits"  # one member's scores are kept
    mean = RunningMean(scale, file.inputs.is_amount)
    is_finite_RT = np.ones((columns.num_rows, columns.labels_RT.shape[1]), dtype=np.bool_)
    inputs = None
    selected = columns
    for member in members:
        if member.inputs != inputs:
            inputs = member.inputs
            selected = member.inputs.columns(columns)
        is_finite_RT &= _add(mean, member, selected)
    return np.where(is_finite_RT, mean.result(), np.float32(np.nan))


def _add(mean: RunningMean, member: ExportedMember, columns: Columns) -> NDArray[np.bool_]:
    """Add the scores of a member, which are freed here; return where they are finite (R, T)."""
    scores_RT = member.model.scores(columns)
    is_finite_RT = np.isfinite(scores_RT)
    mean.add(np.where(is_finite_RT, scores_RT, np.float32(0)), member.weight)
    return is_finite_RT


@dataclass(frozen=True)
class ExportedModel:
    """An exported folder in memory: the encoder, and a network (or forest) for every member."""

    folder: Path
    file: ModelFile
    encoder: Encoder
    members: tuple[ExportedMember, ...]
    device: torch.device


def write_tables(folder: Path, encoder: Encoder) -> None:
    """Write the tables of the encoder into a new folder beside config.yaml."""
    encoding_folder = folder / ENCODING
    encoding_folder.mkdir()
    tables = {COLUMNS: pl.DataFrame(schema=dict(encoder.types))}
    for number, vocabulary in enumerate(encoder.encoding.all_vocabularies):
        tables[f"vocabulary.{number}"] = vocabulary.table
    for number, column in enumerate(encoder.inputs.ranked):
        knots = encoder.encoding.knots[column]
        tables[f"{KNOTS}.{number}"] = pl.DataFrame({VALUE: knots.values, SCORE: knots.scores})
    tables |= tables_of(encoder.history, encoder.inputs)
    for name, table in tables.items():
        write_table(table, _table(encoding_folder, name))


def write_config(folder: Path, file: ModelFile) -> None:
    """Write config.yaml."""
    (folder / CONFIG).write_text(HEAD + written(file.model_dump(mode="json")), encoding="utf-8")


def _read_config(folder: Path) -> YamlFile:
    refuse_other_files(folder, sealed_files(folder) & {CONFIG}, [CONFIG])
    return read(folder / CONFIG)


def calibrated_logits(exported: ExportedModel, columns: Columns) -> NDArray[np.float32]:
    """The scores (R, T) of all members together, as `average` has them, calibrated."""
    file = exported.file
    raw_RT = average(exported.members, file, columns)
    return apply(file.calibrators, file.inputs.cells, raw_RT, columns.scenario_R)


def open_folder(folder: Path, device: torch.device) -> ExportedModel:
    """Open the model of a folder and check all files that it is read from.

    Errors: DataError when the folder is no exported model or a file has wrong content;
    ConfigurationError for an unknown model; EnvironmentFault when a file cannot be read.
    """
    sealed = sealed_files(folder)
    yaml = _read_config(folder)
    file = parse_model_file(yaml)
    refuse_other_files(folder, sealed - GRAPH_FILES, file.files)
    encoder = _open_encoder(folder / ENCODING, file.inputs)
    weights = iter(folder / name for name in file.weight_files)
    members: list[ExportedMember] = []
    for number, model in enumerate(file.models):
        opening = _Opening(yaml.path, _config(yaml, number, model), encoder, device)
        members += [opening.member(each, next(weights)) for each in model.seeds]
    return ExportedModel(folder, file, encoder, tuple(members), device)


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


@dataclass(frozen=True)
class _Opening:
    """Opens the members of one configuration."""

    config_file: Path
    config: TrialConfig
    encoder: Encoder
    device: torch.device

    def member(self, seed: WeightedSeed, weights: Path) -> ExportedMember:
        """Build a member with the weights of a file."""
        features = self.config.features
        schema = self.encoder.schema_of(features)
        inputs = self.encoder.chosen(features)
        if not (schema.categorical or schema.numeric):
            raise wrong_content(self.config_file, "leave inputs to every model", "leaves one none")
        remedy = f"{AGAIN}; or install the version of hinet-search that {CONFIG} names"
        tensors = read_weights(weights, remedy)
        # Compare with the model on the meta device, before memory is allocated for it.
        refuse_other_weights(meta_model(self.config, schema), tensors, weights, remedy)
        built = self.config.build(schema)
        put_weights(built, tensors, weights, remedy)
        model = trainable(built, schema, self.device)
        return ExportedMember(seed.seed, seed.weight, inputs, model)


def _open_encoder(folder: Path, inputs: Inputs) -> Encoder:
    types = _types(_table(folder, COLUMNS), inputs)
    encoded_types = inputs.encoded_types(types)
    num_fields = len(inputs.categorical)
    vocabularies = []
    for number, name in enumerate(inputs.vocabularies):
        if number < num_fields:
            dtype = encoded_types[name]
        elif name in inputs.numbered:
            dtype = pl.Int64()
        else:
            dtype = inputs.type_of_entries(inputs.lists[name], encoded_types)
        path = _table(folder, f"vocabulary.{number}")
        table = read_table(path)
        wanted: dict[str, pl.DataType] = {VALUE: dtype, COUNT: pl.UInt32()}
        typed = as_typed(path, table, wanted, [VALUE])
        vocabularies.append(Vocabulary(name, typed))
    knots = {
        column: _knots(_table(folder, f"{KNOTS}.{number}"))
        for number, column in enumerate(inputs.ranked)
    }
    encoding = Encoding(
        tuple(vocabularies[:num_fields]), inputs.scales, knots, tuple(vocabularies[num_fields:])
    )
    history = history_of_folder(inputs, encoded_types, lambda name: _table(folder, name))
    return Encoder(inputs, encoding, types, history)


def _types(path: Path, inputs: Inputs) -> Types:
    """The types that new rows are cast to: those of training, widened.

    Numeric features must be float64, columns of lists must be lists (or text, where a separator
    splits it), and nothing else nested.
    """
    types = read_table(path).schema
    has_columns = list(types) == list(inputs.columns)
    require(path, has_columns, f"name {', '.join(inputs.columns)}", f"names {', '.join(types)}")
    list_columns = set()
    for list_ in inputs.lists.values():
        name = list_.column
        dtype = types[name]
        if list_.separator:
            require(path, dtype == pl.String, f"hold text in '{name}'", f"holds {dtype}")
        else:
            require(path, isinstance(dtype, pl.List), f"hold lists in '{name}'", f"holds {dtype}")
            list_columns.add(name)
    for name, dtype in types.items():
        value_type = inner_type(dtype) if name in list_columns else dtype
        holds_values = name in inputs.compared or dtype == pl.Float64
        is_scalar = not value_type.is_nested() and value_type != pl.Object
        is_as_needed = holds_values and is_scalar
        require(path, is_as_needed, f"hold values in '{name}'", f"holds {dtype}")
    return {name: widened(dtype) for name, dtype in types.items()}


def _knots(path: Path) -> Knots:
    """Knots, which must be finite and ascend."""
    types = {VALUE: pl.Float64(), SCORE: pl.Float64()}
    table = as_typed(path, read_table(path), types)
    for name in types:
        number_K = table[name].to_numpy()
        ascends = bool(np.isfinite(number_K).all() and (np.diff(number_K) > 0).all())
        require(path, ascends, f"hold finite numbers in ascending order in '{name}'", "does not")
    return Knots(tuple(table[VALUE].to_list()), tuple(table[SCORE].to_list()))


def _table(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"
