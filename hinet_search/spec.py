"""Study specification: the keys of a file in studies/, their types and what must hold of each."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from hinet_search.definition import DataDefinition
from hinet_search.distributions import Value
from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.frozen import Frozen, Text
from hinet_search.objective import DEFAULT, objective_named

Device = Literal["auto", "cpu", "cuda"]


class ArmSpec(Frozen):
    """One model with its space.

    The model is the arm's name unless given, the space the model's (`training` where the model has none of its own);
    `fixed` holds names at a value in this arm only. `size_of` names an arm that comes first: the size of the finalist
    that stands for it is then fixed here as `model.dense_parameters`. Where the study has no such arm it names a model,
    whose default has the size.
    """

    model: Text | None = None
    space: Text | None = None
    fixed: dict[Text, Value] = Field(default_factory=dict)
    size_of: Text | None = None


class SamplerSpec(Frozen):
    """How parameters are drawn: tpe (multivariate, grouped), random or gp."""

    kind: Literal["tpe", "random", "gp"] = "tpe"
    startup_trials: Annotated[int, Field(ge=1)] = 8


class PrunerSpec(Frozen):
    """When a trial is given up. Not before `after_passes`: earlier values rank learning rates, not quality."""

    kind: Literal["none", "median", "asha", "hyperband"] = "median"
    after_passes: Annotated[float, Field(ge=0)] = 1.5
    startup_trials: Annotated[int, Field(ge=1)] = 4


class FinalistSpec(Frozen):
    """The `top` best trials of each arm and its default configuration are retrained with `seeds` seeds.

    With `shared_batches` all seeds see the same order of rows, that of the first, and train in one job, as one model
    where that is faster. The spread between seeds is then of initial weights and dropout alone, not of the order.
    """

    top: Annotated[int, Field(ge=1)] = 3
    seeds: Annotated[int, Field(ge=1)] = 5
    shared_batches: bool = False


class ExecutorSpec(BaseModel):
    """What runs the slots. `kind` names a file in executors; its Options type checks the other keys."""

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: Text = "local"

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `kind`, as written; the engine's Options type gives them their types."""
        return dict(self.model_extra or {})


class SizeSpec(Frozen):
    """What a size of a study says in place of the study."""

    trials: Annotated[int, Field(ge=1)] | None = None
    passes: Annotated[float, Field(gt=0)] | None = None
    finalists: FinalistSpec | None = None


class StudySpec(Frozen):
    """A whole study. Every arm gets the same number of trials, passes and finalist seeds.

    No draw may need more than `cost_limit` times the FLOPs per row of the default HiNet on the same inputs; null sets
    no limit. `wall_clock_minutes` are of the search alone, without finalists: when they are over, no trial starts but the
    first of an arm. Arms with `size_of` come later and have their share of them. Of earlier launches the training time of
    finished trials counts, shared by the slots. A job that neither trains nor scores for `silence_minutes` has hung: it is killed and tried again, with twice
    the time; 0 sets no limit. `sizes` are the study again under other budgets (`--size NAME`); the first is taken when none is named.
    """

    data: DataDefinition
    arms: dict[Text, ArmSpec] = Field(min_length=1)
    name: Text | None = None
    description: str = ""
    objective: str = DEFAULT
    trials: Annotated[int, Field(ge=1)] = 20
    passes: Annotated[float, Field(gt=0)] = 4.0
    wall_clock_minutes: Annotated[float, Field(gt=0)] | None = None
    silence_minutes: Annotated[float, Field(ge=0)] = 10.0
    sampler: SamplerSpec = SamplerSpec()
    pruner: PrunerSpec = PrunerSpec()
    finalists: FinalistSpec = FinalistSpec()
    fixed: dict[Text, Value] = Field(default_factory=dict)
    cost_limit: Annotated[float, Field(gt=0)] | None = 2.0
    sizes: dict[Text, SizeSpec] = Field(default_factory=dict)
    reference: Text = "single"
    seed: Annotated[int, Field(ge=0)] = 0
    slots: Annotated[int, Field(ge=1)] | None = None
    device: Device = "auto"
    executor: ExecutorSpec = ExecutorSpec()
    storage: Text | None = None

    @field_validator("sampler", "pruner", "executor", mode="before")
    @classmethod
    def _word_is_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("arms", mode="before")
    @classmethod
    def _empty_arm_is_default(cls, value: Any) -> Any:
        return {name: arm or {} for name, arm in value.items()} if isinstance(value, dict) else value

    @field_validator("objective")
    @classmethod
    def _objective_is_known(cls, name: str, others: ValidationInfo) -> str:
        try:
            cell = objective_named(name).cell
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        data = others.data.get("data")  # absent when it is wrong itself
        if cell and data and cell[1] not in data.tasks:
            raise ValueError(f"objective {name} names no task{did_you_mean(cell[1], data.tasks)}")
        if name == "gauc" and data and data.user is None:
            raise ValueError("objective gauc needs the key 'user' of the data, got none; add it, or take weighted_auc")
        return name

    @field_validator("reference")
    @classmethod
    def _reference_is_an_arm(cls, name: str, others: ValidationInfo) -> str:
        arms = others.data.get("arms", {name: None})
        if name not in arms:
            raise ValueError(f"reference must be one of {', '.join(arms)}, got '{name}'{did_you_mean(name, arms)}")
        return name
