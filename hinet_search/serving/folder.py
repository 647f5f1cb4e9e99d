"""Folder: an exported model on disk. It needs no study, no database and no table; nothing in it is run when it is read.

config.yaml            what the model is and what it reads, see ModelFile
weights.safetensors    one file, or `weights-SEED.safetensors` for each of several seeds
encoding/              columns (no row: names and types), vocabulary.N (values with an id, in order of their ids), and what
                       labels and lists of the study say: days, statistics.N, usual.N, counts.N, factors.N
card.md                for people
manifest.json          SHA-256 of every other file
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from hinet_search.config import TrialConfig, whole_config
from hinet_search.data.encode import Encoding, Vocabulary
from hinet_search.errors import DataError
from hinet_search.frozen import Frozen, Text
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import history_of_tables, tables_of
from hinet_search.serving.inputs import Inputs
from hinet_search.training.trainable import Trainable, trainable
from hinet_search.yaml_file import read, written

FORMAT = 1
CONFIG, CARD, MANIFEST, ENCODING = "config.yaml", "card.md", "manifest.json", "encoding"
HEAD = "# An exported model of hinet-search: what it is, and what it reads of a row. Not to be edited.\n"

_AGAIN = "export the model again, or copy the whole folder again"

_MANIFEST = TypeAdapter(dict[str, str])


class ModelFile(Frozen):
    """Content of config.yaml. `settings` are all settings of the configuration, `data` is the fingerprint of its data."""

    format: Literal[1]
    study: Text
    arm: Text
    trial: int
    seeds: tuple[int, ...]
    model: Text
    settings: dict[Text, dict[Text, Any]]
    inputs: Inputs
    data: Text
    versions: dict[Text, Text]

    @property
    def weight_files(self) -> tuple[str, ...]:
        """A file for every seed."""
        if len(self.seeds) == 1:
            return ("weights.safetensors",)
        return tuple(f"weights-{seed}.safetensors" for seed in self.seeds)


@dataclass(frozen=True)
class Exported:
    """An exported model in memory: what encodes rows, and a network (or forest) for every seed."""

    file: ModelFile
    encoder: Encoder
    models: tuple[Trainable, ...]


def write_tables(folder: Path, encoder: Encoder) -> None:
    """What encodes rows, beside config.yaml."""
    place = folder / ENCODING
    place.mkdir()
    pl.DataFrame(schema=dict(encoder.types)).write_parquet(_table(place, "columns"))
    vocabularies = {f"vocabulary.{field}": one.table for field, one in enumerate(encoder.encoding.vocabularies)}
    for name, table in (vocabularies | tables_of(encoder.history, encoder.inputs)).items():
        table.write_parquet(_table(place, name))


def write_config(folder: Path, file: ModelFile) -> None:
    """What the model is."""
    (folder / CONFIG).write_text(HEAD + written(file.model_dump(mode="json")), encoding="utf-8")


def seal(folder: Path) -> None:
    """The hashes by which a whole folder is known; written last."""
    hashes = {name: _hash(folder / name) for name in _files(folder)}
    (folder / MANIFEST).write_text(json.dumps(hashes, indent=1), encoding="utf-8")


def open_folder(folder: Path, device: torch.device) -> Exported:
    """The model of a folder.

    Errors: DataError when the folder is none of ours or a file of it is not as it was written, ConfigurationError when
    its model is not known here.
    """
    _refuse_damage(folder)
    yaml = read(folder / CONFIG)
    file = yaml.parse(ModelFile)
    config = whole_config(file.model, file.settings, lambda location: yaml.place(("settings", *location)))
    encoder = _open_encoder(folder / ENCODING, file.inputs)
    return Exported(file, encoder, tuple(_model(folder / name, config, encoder, device) for name in file.weight_files))


def _model(weights: Path, config: TrialConfig, encoder: Encoder, device: torch.device) -> Trainable:
    built = config.build(encoder.schema)
    try:
        built.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, TypeError) as error:
        raise DataError(
            f"{weights}: must hold the weights of {config.model_name} as it is built here, but does not: "
            f"{str(error).splitlines()[0]}",
            remedy=f"install the version of hinet-search that {CONFIG} names",
        ) from error
    return trainable(built, encoder.schema, device)


def _open_encoder(place: Path, inputs: Inputs) -> Encoder:
    def table(name: str) -> pl.DataFrame:
        return pl.read_parquet(_table(place, name))

    vocabularies = (Vocabulary(name, table(f"vocabulary.{field}")) for field, name in enumerate(inputs.categorical))
    encoding = Encoding(tuple(vocabularies), inputs.scales)
    return Encoder(inputs, encoding, table("columns").schema, history_of_tables(inputs, table))


def _refuse_damage(folder: Path) -> None:
    if not (folder / MANIFEST).is_file():
        what = f"it has no {MANIFEST}" if folder.is_dir() else "there is no such folder"
        raise DataError(
            f"{folder}: must be a folder that hinet-search export wrote, but {what}",
            remedy="hinet-search export STUDY/ARM -o FOLDER",
        )
    try:
        hashes = _MANIFEST.validate_json((folder / MANIFEST).read_bytes())
    except ValidationError as error:
        raise DataError(
            f"{folder / MANIFEST}: must hold a hash of every file, but is damaged", remedy=_AGAIN
        ) from error
    lost = [name for name in hashes if not (folder / name).is_file()]
    changed = [name for name in hashes if name not in lost and _hash(folder / name) != hashes[name]]
    if lost or changed:
        problems = [
            *(f"{folder / name}: is missing" for name in lost),
            *(f"{folder / name}: has changed" for name in changed),
        ]
        raise DataError(*problems, remedy=_AGAIN)


def _files(folder: Path) -> list[str]:
    found = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return [name for name in found if name != MANIFEST]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(place: Path, name: str) -> Path:
    return place / f"{name}.parquet"
