"""Model file: config.yaml of an exported folder: its models, what they read and learned from.

A folder holds models of one finalist or of several, each with the seeds that are members.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import isclose
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hinet_search.common.errors import DataError
from hinet_search.common.frozen_model import Frozen, Seed, Text
from hinet_search.results.calibration_records import Calibration, Calibrator
from hinet_search.results.cells import CellName
from hinet_search.results.ensemble_records import Member, RunKey, Scale
from hinet_search.serving.history import table_names
from hinet_search.serving.inputs import Inputs
from hinet_search.study.task_definition import TaskDefinition
from hinet_search.study.validation_messages import in_words
from hinet_search.study.yaml_file import YamlFile

FORMAT = 4
CONFIG = "config.yaml"
ENCODING = "encoding"
COLUMNS = "columns"
KNOTS = "knots"

TrialNumber = Annotated[int, Field(ge=0, lt=2**31)]
Settings = dict[Text, dict[Text, Any]]
LARGEST = 1e40  # beyond any logit in float32
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

    `name` is that of an arm, a student or `ensemble`. `inputs` are what all models together read,
    `data` is the fingerprint of the study's data. The weights of all members sum to 1. Cells that
    `calibration` does not name keep their probabilities. `tasks` says how labels follow from the
    columns of a table.
    """

    format: Literal[4]
    study: Text
    name: Text
    scale: Scale
    models: Annotated[tuple[ModelOfFile, ...], Field(min_length=1)]
    inputs: Inputs
    data: Text
    versions: dict[Text, Text]
    tasks: dict[Text, TaskDefinition]
    calibration: tuple[CalibratedCell, ...] = ()

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
    def _every_member_once(self) -> "ModelFile":
        runs = [member.run for member in self.members]
        for run in runs:
            if runs.count(run) > 1:
                raise ValueError(
                    f"models must name every seed once, got twice: arm '{run.arm}', "
                    f"trial {run.trial_number}, seed {run.seed}"
                )
        total = sum(member.weight for member in self.members)
        if not isclose(total, 1, rel_tol=1e-6):
            raise ValueError(f"weights of all seeds must sum to 1, got {total:g}")
        return self

    @property
    def calibrators(self) -> Mapping[CellName, Calibrator]:
        """The calibrators of the cells whose probabilities are calibrated."""
        return {
            (cell.scenario, cell.task): Calibrator(cell.kind, cell.slope, cell.knots, cell.values)
            for cell in self.calibration
        }

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
        vocabularies = [f"vocabulary.{number}" for number in range(len(self.inputs.vocabularies))]
        knots = [f"{KNOTS}.{number}" for number in range(len(self.inputs.ranked))]
        tables = [COLUMNS, *vocabularies, *knots, *table_names(self.inputs)]
        return (CONFIG, *self.weight_files, *(f"{ENCODING}/{name}.parquet" for name in tables))

    @property
    def weight_files(self) -> tuple[str, ...]:
        """One file for every member, named after its seed, and after its model if needed."""
        if len(self.members) == 1:
            return ("weights.safetensors",)
        if len(self.models) == 1:
            return tuple(f"weights-{each.seed}.safetensors" for each in self.models[0].seeds)
        names: list[str] = []
        for number, model in enumerate(self.models):
            names += [f"weights-{number}-{each.seed}.safetensors" for each in model.seeds]
        return tuple(names)


def calibrated_cells(calibration: Calibration | None) -> tuple[CalibratedCell, ...]:
    """Return the cells whose probabilities a calibration changes."""
    return tuple(
        CalibratedCell(
            scenario=cell.scenario,
            task=cell.task,
            kind=cell.calibrator.kind,
            slope=cell.calibrator.slope,
            knots=cell.calibrator.knots,
            values=cell.calibrator.values,
        )
        for cell in (calibration.cells if calibration else ())
        if cell.calibrator.kind != "none"
    )


def parse_model_file(yaml: YamlFile) -> ModelFile:
    """Parse config.yaml; DataError for another format."""
    got = yaml.tree.get("format")
    if got != FORMAT:
        raise DataError(
            f"{yaml.place(('format',))}: format must be {FORMAT}, got {in_words(got)}",
            remedy="another version of hinet-search wrote this folder: export the model again",
        )
    return yaml.parse(ModelFile)
