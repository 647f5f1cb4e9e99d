"""Model file: the content of config.yaml of an exported model."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, Frozen, Seed, Text
from hinet_search.results.calibration_records import Calibration, Calibrator
from hinet_search.results.cells import CellName
from hinet_search.results.ensemble_records import Member, RunKey, Scale
from hinet_search.serving.encoding_folder import table_names
from hinet_search.serving.inputs import Inputs
from hinet_search.study.task_definition import TaskDefinition
from hinet_search.study.yaml_file import written

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
    if calibration is None:
        return ()
    cells = []
    for cell in calibration.cells:
        if cell.calibrator.kind != "none":
            names = {"scenario": cell.scenario, "task": cell.task}
            cells.append(CalibratedCell.model_validate(names | asdict(cell.calibrator)))
    return tuple(cells)


def write_config(folder: Path, file: ModelFile) -> None:
    """Write config.yaml."""
    (folder / CONFIG).write_text(HEAD + written(file.model_dump(mode="json")), encoding="utf-8")
