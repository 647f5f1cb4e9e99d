"""Folder: an exported model on disk.

It needs no study, no database and no table, and reading it executes nothing from it.

config.yaml            what the model is and what it reads, see ModelFile
weights.safetensors    one file, or `weights-SEED.safetensors` for each of several seeds
encoding/              columns (no rows: names and types), vocabulary.N (values with an id, in order
                       of their ids), and facts from labels and lists of the study: days,
                       statistics.N, usual.N, counts.N, factors.N
card.md                for people
manifest.json          SHA-256 of every other file
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import torch
from pydantic import Field, model_validator

from hinet_search.common.errors import DataError
from hinet_search.common.frozen_model import Frozen, Seed, Text
from hinet_search.data.encode import COUNT, VALUE, Encoding, Vocabulary
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import history_of_folder, table_names, tables_of
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.sealed import AGAIN, refuse_other_files, sealed_files
from hinet_search.serving.tables import (
    Types,
    as_typed,
    inner_type,
    read_table,
    require,
    widened,
    wrong_content,
)
from hinet_search.study.validation_messages import in_words
from hinet_search.study.yaml_file import YamlFile, read, written
from hinet_search.training.model_size import meta_model
from hinet_search.training.tensors import read_weights
from hinet_search.training.trainable import Trainable, put_weights, refuse_other_weights, trainable
from hinet_search.training.trial_config import TrialConfig, whole_config

FORMAT = 1
CONFIG, CARD, ENCODING = "config.yaml", "card.md", "encoding"
COLUMNS = "columns"
HEAD = "# An exported model of hinet-search, and the columns that it reads. Do not edit.\n"


class ModelFile(Frozen):
    """Content of config.yaml.

    `settings` are all settings of the configuration, `data` is the fingerprint of its data.
    """

    format: Literal[1]
    study: Text
    arm: Text
    trial: Annotated[int, Field(ge=0, lt=2**31)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    model: Text
    settings: dict[Text, dict[Text, Any]]
    inputs: Inputs
    data: Text
    versions: dict[Text, Text]

    @model_validator(mode="after")
    def _seeds_once(self) -> "ModelFile":
        if len(set(self.seeds)) < len(self.seeds):
            seeds = ", ".join(map(str, self.seeds))
            raise ValueError(f"seeds must name every seed once, got {seeds}")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """All files that the model is read from."""
        vocabularies = [f"vocabulary.{field}" for field in range(len(self.inputs.categorical))]
        tables = [COLUMNS, *vocabularies, *table_names(self.inputs)]
        return (CONFIG, *self.weight_files, *(f"{ENCODING}/{name}.parquet" for name in tables))

    @property
    def weight_files(self) -> tuple[str, ...]:
        """One file for every seed."""
        if len(self.seeds) == 1:
            return ("weights.safetensors",)
        return tuple(f"weights-{seed}.safetensors" for seed in self.seeds)


@dataclass(frozen=True)
class ExportedModel:
    """An exported model in memory: the encoder, and a network (or forest) for every seed."""

    folder: Path
    file: ModelFile
    encoder: Encoder
    models: tuple[Trainable, ...]


def write_tables(folder: Path, encoder: Encoder) -> None:
    """Write the tables of the encoder into a new folder beside config.yaml."""
    encoding_folder = folder / ENCODING
    encoding_folder.mkdir()
    tables = {COLUMNS: pl.DataFrame(schema=dict(encoder.types))}
    for field, vocabulary in enumerate(encoder.encoding.vocabularies):
        tables[f"vocabulary.{field}"] = vocabulary.table
    tables |= tables_of(encoder.history, encoder.inputs)
    for name, table in tables.items():
        table.write_parquet(_table(encoding_folder, name))


def write_config(folder: Path, file: ModelFile) -> None:
    """Write config.yaml."""
    (folder / CONFIG).write_text(HEAD + written(file.model_dump(mode="json")), encoding="utf-8")


def open_folder(folder: Path, device: torch.device) -> ExportedModel:
    """Open the model of a folder and check all files that it is read from.

    Errors: DataError when the folder is no exported model or a file has wrong content;
    ConfigurationError for an unknown model; EnvironmentFault when a file cannot be read.
    """
    sealed = sealed_files(folder)
    refuse_other_files(folder, sealed & {CONFIG}, [CONFIG])
    yaml = read(folder / CONFIG)
    _refuse_other_format(yaml)
    file = yaml.parse(ModelFile)
    refuse_other_files(folder, sealed, file.files)
    config = whole_config(
        file.model, file.settings, lambda location: yaml.place(("settings", *location))
    )
    encoder = _open_encoder(folder / ENCODING, file.inputs)
    models = [_model(folder / name, config, encoder, device) for name in file.weight_files]
    return ExportedModel(folder, file, encoder, tuple(models))


def _refuse_other_format(yaml: YamlFile) -> None:
    got = yaml.tree.get("format")
    if got != FORMAT:
        raise DataError(
            f"{yaml.place(('format',))}: format must be {FORMAT}, got {in_words(got)}",
            remedy=f"install the version of hinet-search that {CONFIG} names, "
            "or export the model again",
        )


def _model(weights: Path, config: TrialConfig, encoder: Encoder, device: torch.device) -> Trainable:
    remedy = f"{AGAIN}; or install the version of hinet-search that {CONFIG} names"
    tensors = read_weights(weights, remedy)
    # Compare with the model on the meta device, before memory is allocated for it.
    refuse_other_weights(meta_model(config, encoder.schema), tensors, weights, remedy)
    built = config.build(encoder.schema)
    put_weights(built, tensors, weights, remedy)
    return trainable(built, encoder.schema, device)


def _open_encoder(folder: Path, inputs: Inputs) -> Encoder:
    types = _types(_table(folder, COLUMNS), inputs)
    vocabularies = [
        _vocabulary(_table(folder, f"vocabulary.{field}"), name, types[name])
        for field, name in enumerate(inputs.categorical)
    ]
    history = history_of_folder(inputs, types, lambda name: _table(folder, name))
    return Encoder(inputs, Encoding(tuple(vocabularies), inputs.scales), types, history)


def _types(path: Path, inputs: Inputs) -> Types:
    """The types that new rows are cast to: those of training, widened.

    Numeric features must be float64, columns of lists must be lists, and nothing else nested.
    """
    types = read_table(path).schema
    has_columns = list(types) == list(inputs.columns)
    require(path, has_columns, f"name {', '.join(inputs.columns)}", f"names {', '.join(types)}")
    list_columns = {list_.column for list_ in inputs.lists.values()}
    for name, dtype in types.items():
        got = f"holds {dtype}"
        value_type = dtype
        if name in list_columns:
            if not isinstance(dtype, pl.List):
                raise wrong_content(path, f"hold lists in '{name}'", got)
            value_type = inner_type(dtype)
        holds_values = name in inputs.compared or dtype == pl.Float64
        is_scalar = not value_type.is_nested() and value_type != pl.Object
        require(path, holds_values and is_scalar, f"hold values in '{name}'", got)
    return {name: widened(dtype) for name, dtype in types.items()}


def _vocabulary(path: Path, name: str, dtype: pl.DataType) -> Vocabulary:
    types = {VALUE: dtype, COUNT: pl.UInt32()}
    return Vocabulary(name, as_typed(path, read_table(path), types, [VALUE]))


def _table(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"
