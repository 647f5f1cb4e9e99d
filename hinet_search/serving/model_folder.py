"""Folder: an exported model, or the ensemble of several, on disk.

It needs no study, no database and no table, and reading it executes nothing from it. It holds
models of one finalist or of several, each with the seeds that are members.

config.yaml            what the models are and what they read, see ModelFile
weights.safetensors    one file, or `weights-N.safetensors` for each of several members
encoding/              what new rows are encoded with, see encoding_folder.py
model.onnx             the model as a graph for other programs, see onnx_graph.py; on request
card.md                for people
manifest.json          SHA-256 of every other file
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, Frozen, Seed, Text
from hinet_search.data.columns import ChosenInputs, Columns
from hinet_search.data.schema import Schema
from hinet_search.results.calibration_records import Calibration, Calibrator
from hinet_search.results.cells import CellName
from hinet_search.results.ensemble_records import Member, RunKey, Scale
from hinet_search.results.statistics.ensemble import RunningMean
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.encoding_folder import read_encoder, table_names
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.sealed import AGAIN, GRAPH_FILES, refuse_other_files, sealed_files
from hinet_search.serving.tables import wrong_content
from hinet_search.study.task_definition import TaskDefinition
from hinet_search.study.validation_messages import in_words
from hinet_search.study.yaml_file import YamlFile, read, written
from hinet_search.training.model_size import meta_model
from hinet_search.training.tensors import read_weights
from hinet_search.training.trainable import BuiltModel, put_weights, refuse_other_weights, trainable
from hinet_search.training.trial_config import TrialConfig, model_module, whole_config

FORMAT = 5
CONFIG = "config.yaml"
ENCODING = "encoding"
CARD = "card.md"
HEAD = "# An exported model of hinet-search, and the columns that it reads. Do not edit.\n"

TrialNumber = Annotated[int, Field(ge=0, lt=2**31)]
Settings = dict[Text, dict[Text, Any]]
LARGEST = 1e40  # beyond any logit in float32
Share = Annotated[float, Field(ge=0, le=1)]
Logit = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


class WeightedSeed(Frozen):
    """A seed of a finalist, and its weight in the average."""

    seed: Seed
    weight: Annotated[float, Field(gt=0, le=1)]


class ModelOfFile(Frozen):
    """A finalist: all settings of its configuration, and the seeds that are members."""

    arm: Text
    trial: TrialNumber
    model: Text
    settings: Settings
    seeds: Annotated[tuple[WeightedSeed, ...], Field(min_length=1)]

    @property
    def title(self) -> str:
        """`arm 'ple', trial 3`."""
        return f"arm '{self.arm}', trial {self.trial}"


class CalibratedCell(Frozen):
    """The map from the logits of a cell to calibrated logits, see Calibrator."""

    scenario: Text
    task: Text
    kind: Literal["platt", "isotonic"]
    slope: Annotated[float, Field(ge=0, le=LARGEST)]
    knots: Annotated[tuple[Logit, ...], Field(min_length=1)]
    values: Annotated[tuple[Logit, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _increases(self) -> "CalibratedCell":
        steps = [*pairwise(self.knots), *pairwise(self.values)]
        if len(self.knots) != len(self.values) or any(left > right for left, right in steps):
            raise ValueError("knots and values must be equally many and ascending")
        return self


class ModelFile(Frozen):
    """Content of config.yaml.

    `name` names an arm, a student or `ensemble`. `inputs` are what all models together read,
    `data` is the fingerprint of the study's data. The weights of all members sum to 1. Cells that
    `calibration` does not name keep their probabilities. `tasks` says how labels follow from the
    columns of a table. `unseen` is the share of validation rows with a value without an id, by
    input, see `Encoder.unseen`.
    """

    format: Literal[5]
    study: Text
    name: Text
    scale: Scale
    models: Annotated[tuple[ModelOfFile, ...], Field(min_length=1)]
    inputs: Inputs
    data: Text
    versions: dict[Text, Text]
    tasks: dict[Text, TaskDefinition]
    calibration: tuple[CalibratedCell, ...] = ()
    unseen: Annotated[dict[Text, Share], LEFT_OUT_IF_EMPTY] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _labels_of_its_tasks(self) -> "ModelFile":
        amounts = sorted(name for name, task in self.tasks.items() if task.is_amount)
        if sorted(self.tasks) != sorted(self.inputs.tasks):
            raise ValueError(
                f"tasks must be those of inputs, got {', '.join(self.tasks) or 'none'}"
            )
        if amounts != sorted(self.inputs.amount_units):
            raise ValueError("tasks must be of amounts where inputs have a unit, and no others")
        return self

    @model_validator(mode="after")
    def _weights_of_a_mean(self) -> "ModelFile":
        total = sum(member.weight for member in self.members)
        if not isclose(total, 1, rel_tol=1e-6):
            raise ValueError(f"weights of all seeds must sum to 1, got {total:g}")
        return self

    @property
    def calibrators(self) -> Mapping[CellName, Calibrator]:
        """The calibrators of the cells whose probabilities are calibrated."""
        calibrators = {}
        for cell in self.calibration:
            calibrator = Calibrator(cell.kind, cell.slope, cell.knots, cell.values)
            calibrators[cell.scenario, cell.task] = calibrator
        return calibrators

    @property
    def members(self) -> tuple[Member, ...]:
        """The seeds of all models with their weights, in the order of `weight_files`."""
        members = []
        for model in self.models:
            for each in model.seeds:
                run = RunKey(model.arm, model.trial, each.seed)
                members.append(Member(run, each.weight))
        return tuple(members)

    @property
    def files(self) -> tuple[str, ...]:
        """All files that the models are read from."""
        tables = [f"{ENCODING}/{name}.parquet" for name in table_names(self.inputs)]
        return (CONFIG, *self.weight_files, *tables)

    @property
    def weight_files(self) -> tuple[str, ...]:
        """One file for every member, numbered if there are several."""
        numbers = range(len(self.members))
        if len(numbers) == 1:
            return ("weights.safetensors",)
        return tuple(f"weights-{number}.safetensors" for number in numbers)


def calibrated_cells(calibration: Calibration | None) -> tuple[CalibratedCell, ...]:
    """Return the cells whose probabilities a calibration changes."""
    cells = []
    for cell in () if calibration is None else calibration.cells:
        if cell.calibrator.kind != "none":
            names = {"scenario": cell.scenario, "task": cell.task}
            cells.append(CalibratedCell.model_validate(names | asdict(cell.calibrator)))
    return tuple(cells)


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
    """Add the scores of a member and free them; return where they are finite (R, T)."""
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


def _built(config: TrialConfig, schema: Schema, path: Path) -> BuiltModel:
    """Build a model with the weights of a file."""
    remedy = f"{AGAIN}; or install the version of hinet-search that {CONFIG} names"
    tensors = read_weights(path, remedy)
    # Compare with the model on the meta device, before memory is allocated for it.
    refuse_other_weights(meta_model(config, schema), tensors, path, remedy)
    built = config.build(schema)
    put_weights(built, tensors, path, remedy)
    return built
