"""Study specification: the keys of a file in studies/, their types and constraints."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hinet_search.common.errors import did_you_mean
from hinet_search.common.frozen_model import (
    ALL,
    Count,
    Duration,
    Epochs,
    Frozen,
    Minutes,
    PluginChoice,
    Positive,
    Seed,
    Share,
    Text,
)
from hinet_search.results.objectives import DEFAULT
from hinet_search.results.records import MARGIN
from hinet_search.results.study_record import most_finalists
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.distributions import Choice, Value
from hinet_search.study.parameter_changes import ParameterChange
from hinet_search.study.refusals import (
    known_objective,
    known_objectives,
    refuse_fixed,
    refuse_other_arm,
    refuse_other_students,
)

AUTO = "auto"


class InputsSpec(Frozen):
    """What groups of inputs are worth, measured before the search; those of too little are dropped.

    The default configuration of one arm is trained with all inputs and without each group
    (`features.groups` of the data) with `seeds` seeds. A group is dropped if it is shown to be
    worth less than `comparison.margin`. `arm` names that arm; `auto` takes `shared_bottom`, or
    without such an arm the network with the fewest FLOPs. An arm that fixes or searches
    `features.groups` keeps its inputs.
    """

    arm: Text = AUTO
    seeds: Count = 3


class ChoicesSpec(Frozen):
    """What the search's choices are worth in the best finalist, measured once finalists are known.

    The chosen finalist of `arm`, with `auto` the best of all arms on validation, is trained again
    with `seeds` seeds that chose nothing: as it is, with all of its choices taken back to the
    defaults, and with at most `most` of them taken back one at a time, continuous ones last.
    """

    arm: Text = AUTO
    seeds: Annotated[int, Field(ge=2, le=100)] = 5
    most: Annotated[int, Field(ge=1, le=100)] = 6


def auto_is_default(value: Any) -> Any:
    """Return no keys for the word `auto`."""
    return {} if value == AUTO else value


Inputs = Annotated[InputsSpec, BeforeValidator(auto_is_default)]
Choices = Annotated[ChoicesSpec, BeforeValidator(auto_is_default)]


EXECUTORS = "hinet_search.executors"
Device = Literal["auto", "cpu", "cuda"]
KINDS = ("sampler", "pruner", "executor")  # keys whose value may be a plain kind
AUTOMATIC = ("choices", "inputs", "teaching")  # keys whose value may be the word `auto`
MOST_IN_TIME = 1_000  # trials of an arm within a budget of time
MOST_AUTO = 3  # students with `students: auto`: the best arm and the two cheapest


class ExecutorSpec(PluginChoice):
    """What runs the slots.

    `kind` names a file in executors; its Options type checks the other keys.
    """

    kind: Text = "local"


class ArmSpec(Frozen):
    """One model with its search space.

    The model defaults to the arm's name, the space to that of the model (`training` if the model
    has none). `fixed` fixes values in this arm only. `size_of` names an arm that is searched
    first: the size of its chosen finalist is then fixed here as `model.dense_parameters`. If the
    study has no such arm, it names a model whose default has the size. `start` lists configurations
    that are tried first, after the default; what they do not name is as in the default.
    """

    model: Text | None = None
    space: Text | None = None
    fixed: dict[Text, Value] = Field(default_factory=dict)
    size_of: Text | None = None
    start: tuple[dict[Text, Choice], ...] = ()


class SamplerSpec(Frozen):
    """How parameters are drawn: tpe (multivariate, grouped), random or gp."""

    kind: Literal["tpe", "random", "gp"] = "tpe"
    startup_trials: Count = 8


class PrunerSpec(Frozen):
    """When a trial is pruned; a study without the key prunes none.

    Never before `after_epochs`: earlier values rank learning rates, not quality.
    """

    kind: Literal["none", "median"] = "median"
    after_epochs: Annotated[float, Field(ge=0, le=10_000)] = 1.5
    startup_trials: Count = 4


class FinalistSpec(Frozen):
    """Retraining of the `top` best trials of each arm and its default with `seeds` seeds.

    With `default: false` the default is retrained only where it is one of these trials, or where
    none ended: cheaper, but the report cannot say what the search gained.

    With `refit`, what the study ships is trained once more at its end, on the rows of train and
    validation together, for as many steps as were best on validation. All metrics are of the
    models before.
    """

    top: Count = 3
    seeds: Count = 5
    default: bool = True
    refit: bool = False

    def most(self, trials: int) -> int:
        """Return the highest number of configurations that are retrained after so many trials."""
        return most_finalists(self.top, trials, default=self.default)


class ComparisonSpec(Frozen):
    """Settings of the comparison.

    A cheaper model is recommended, and a group of inputs is left out, only if the loss is shown to
    be below `margin`, in the measure of the verdict or in the objective on validation; of `rmse`
    and `mae` that is a share of the best value.
    """

    margin: Annotated[float, Field(ge=0, le=1)] = MARGIN


class ServingSpec(Frozen):
    """What a model may cost to serve; finalists, students and the ensemble are chosen within it.

    Milliseconds are the time to score 100 rows as one request on one slot.
    """

    max_ms_per_100_rows: Annotated[float, Field(gt=0, le=1e9)] | None = None
    max_flops_per_row: Annotated[float, Field(gt=0, le=1e18)] | None = None


class TeachingSpec(Frozen):
    """Students: finalists that are trained again with a teacher's scores beside the labels.

    `students` names arms, whose chosen finalists become students; `auto` takes the best arm on
    validation and the two with the fewest FLOPs that are within the margin of it. A student is
    searched with `trials` trials over the teacher's weight and temperature (space `teaching`). Its
    `top` best trials and its default are retrained with the seeds of all finalists.
    """

    students: Literal["auto"] | Annotated[tuple[Text, ...], Field(min_length=1)] = "auto"
    trials: Count = 6
    top: Count = 1


def _students(teaching: TeachingSpec | None) -> tuple[str, ...]:
    """Return the students that are named."""
    return () if teaching is None or teaching.students == "auto" else teaching.students


Teaching = Annotated[TeachingSpec, BeforeValidator(auto_is_default)]


class SizeSpec(Frozen):
    """The values that a size of a study replaces; its `parameters` change the study's."""

    sample: Share | None = None
    trials: Count | None = None
    epochs: Epochs | None = None
    finalists: FinalistSpec | None = None
    inputs: Inputs | None = None
    choices: Choices | None = None
    teaching: Teaching | None = None
    ensemble: bool | None = None
    parameters: dict[Text, ParameterChange] = Field(default_factory=dict)


class StudySpec(Frozen):
    """A study. Every arm gets the same number of trials, epochs and finalist seeds.

    `objective` is the measure by which trials and arms are compared. `objectives` lists it with
    others that the search trades against it: metrics, or costs (`latency_ms`, `flops_per_row`,
    `parameters`, `dense_parameters`).

    With `sample` (`5%`), the study searches on the rows of that share of the users, in all splits;
    `none` takes all rows.

    `fixed` are settings that are searched in no arm, `parameters` changes of defaults, ranges and
    choices, in every arm that searches them.

    `cost_limit` limits every draw to that many times the FLOPs per row of the default HiNet on the
    same inputs, with the settings in `fixed` and the defaults in `parameters`; null sets no limit.
    For an arm with `size_of` the limit is that many times its own default at that size, if that is
    higher. Trees have no FLOPs.

    With `budget` (`2h`, `90m`), the study takes about so long, finalists and what follows included:
    all arms get as many trials as fit, at most `trials` if that is written.

    A job that neither trains nor scores for `silence_minutes` has hung: it is killed and retried
    with twice the time; 0 sets no limit. `sizes` are other budgets of the study (`--size NAME`);
    the default is the first. `variants` are the same study on other data or with other settings,
    by their dotted names (`--variant NAME`); a launch runs all of them.

    With `warm_start`, arms first try what other studies of the same database found best, and with
    `portfolio` what the portfolios of their spaces list.

    With `inputs` (`auto`, or its keys), groups of inputs are measured before the search, and left
    out if they are shown to add too little. With `choices` (the same), the study measures what the
    choices of the search are worth in its best finalist.

    With `teaching` (`auto`, or its keys), the study teaches students once all finalists are
    trained. With `ensemble`, it also chooses an ensemble of all finalists, students among them, and
    opens it on test.
    """

    data: DataDefinition
    arms: dict[Text, ArmSpec] = Field(min_length=1)
    name: Text | None = None
    description: str = ""
    objective: Annotated[str, AfterValidator(known_objective)] = DEFAULT
    objectives: Annotated[tuple[Text, ...], AfterValidator(known_objectives)] = ()
    sample: Share = ALL
    trials: Count = 20
    budget: Duration | None = None
    epochs: Epochs = 4.0
    silence_minutes: Annotated[Minutes, Field(ge=0)] = 10.0
    sampler: SamplerSpec = SamplerSpec()
    pruner: PrunerSpec = PrunerSpec(kind="none")
    finalists: FinalistSpec = FinalistSpec()
    comparison: ComparisonSpec = ComparisonSpec()
    serving: ServingSpec = ServingSpec()
    inputs: Inputs | None = None
    choices: Choices | None = None
    teaching: Teaching | None = None
    ensemble: bool = False
    fixed: dict[Text, Value] = Field(default_factory=dict)
    parameters: dict[Text, ParameterChange] = Field(default_factory=dict)
    warm_start: tuple[Text, ...] = ()
    portfolio: bool = True
    cost_limit: Positive | None = 2.0
    sizes: dict[Text, SizeSpec] = Field(default_factory=dict)
    variants: dict[Text, dict[Text, Any]] = Field(default_factory=dict)
    reference: Text = "single"
    seed: Seed = 0
    slots: Count | None = None
    device: Device = "auto"
    executor: ExecutorSpec = ExecutorSpec()
    storage: Text | None = None

    @property
    def in_time(self) -> "StudySpec":
        """The study itself; with a budget of time and no trials written, with MOST_IN_TIME."""
        is_known = self.budget is None or "trials" in self.model_fields_set
        return self if is_known else self.model_copy(update={"trials": MOST_IN_TIME})

    @property
    def sampled_share(self) -> float:
        """The share of the users whose rows are searched on; 1 for all rows."""
        return 1.0 if self.sample == ALL else float(self.sample.removesuffix("%")) / 100

    @property
    def other_objectives(self) -> tuple[str, ...]:
        """The objectives after the first."""
        return self.objectives[1:]

    @field_validator(*KINDS, mode="before")
    @classmethod
    def _word_is_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _objectives_fit(self) -> "StudySpec":
        if not self.objectives:
            return self
        if "objective" in self.model_fields_set and self.objective != self.objectives[0]:
            raise ValueError(f"objective ({self.objective}) and objectives differ; leave one out")
        return self.model_copy(update={"objective": self.objectives[0]})

    @field_validator("parameters")
    @classmethod
    def _changes_are_not_fixed(
        cls, changes: dict[str, ParameterChange], others: ValidationInfo
    ) -> dict[str, ParameterChange]:
        refuse_fixed(changes, others.data.get("fixed"))
        return changes

    @field_validator("teaching")
    @classmethod
    def _students_are_arms(
        cls, teaching: TeachingSpec | None, others: ValidationInfo
    ) -> TeachingSpec | None:
        refuse_other_students(_students(teaching), others.data.get("arms"))
        return teaching

    @field_validator("inputs", "choices")
    @classmethod
    def _measurements_name_an_arm(
        cls, measured: Inputs | Choices | None, others: ValidationInfo
    ) -> Inputs | Choices | None:
        refuse_other_arm(measured.arm if measured else AUTO, others.data.get("arms"))
        return measured

    @field_validator("sizes")
    @classmethod
    def _sizes_name_arms(
        cls, sizes: dict[str, SizeSpec], others: ValidationInfo
    ) -> dict[str, SizeSpec]:
        for size in sizes.values():
            refuse_other_students(_students(size.teaching), others.data.get("arms"))
            for measured in (size.inputs, size.choices):
                refuse_other_arm(measured.arm if measured else AUTO, others.data.get("arms"))
            refuse_fixed(size.parameters, others.data.get("fixed"))
        return sizes

    @field_validator("arms", "variants", mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any) -> Any:
        return {name: of or {} for name, of in value.items()} if isinstance(value, dict) else value

    @field_validator("reference")
    @classmethod
    def _reference_is_an_arm(cls, name: str, others: ValidationInfo) -> str:
        arms = others.data.get("arms", {name: None})
        if name not in arms:
            raise ValueError(
                f"reference must be one of {', '.join(arms)}, "
                f"got '{name}'{did_you_mean(name, arms)}"
            )
        return name
