"""Load a study: read a file in studies/ and resolve its arms, models, spaces and size."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from hinet_search.common.errors import (
    ConfigurationError,
    ErrorCollector,
    did_you_mean,
    gone_or_similar,
)
from hinet_search.common.plugins import load, names
from hinet_search.results.records import DISTILLED, Start
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.distributions import Categorical, Value
from hinet_search.study.find_file import find, is_known
from hinet_search.study.overrides import SIZES, VARIANTS, chosen, values_of, with_overrides
from hinet_search.study.parameter_changes import (
    PARAMETERS,
    ParameterChange,
    changed,
    merged,
    refuse_unsearched,
)
from hinet_search.study.search_space import SearchSpace, load_space
from hinet_search.study.starts import portfolio, resolved_starts
from hinet_search.study.study_spec import EXECUTORS, ArmSpec, ExecutorSpec, StudySpec
from hinet_search.study.yaml_file import Override, Place, YamlFile, read, validated_at

STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MODELS = "hinet_search.models"
COMMON_SPACE = "training"
EPOCHS = "train.epochs"
EVALUATIONS = "train.evaluations_per_epoch"
DENSE_PARAMETERS = "model.dense_parameters"
SEQUENCE_READER = "features.sequence_reader"
NUMBER_ENCODING = "features.number_encoding"
NUMBER_ENCODINGS = "features.number_encodings"  # and the name of a number or group
UNIT_SCALE = "features.unit_scale"
OF_TEACHER = ("train.teacher_weight", "train.teacher_temperature")

Changes = tuple[Mapping[str, ParameterChange], Place]  # changes to parameters, and where


@dataclass(frozen=True)
class Arm:
    """A resolved arm: its model exists and its search space is loaded.

    `starts` are tried first, after the default. `student_of` names the finalist that a student
    learns as (`star/12`). One that `is_decided` has one configuration, which is only retrained.
    """

    name: str
    model: str
    space: SearchSpace
    place: str
    size_of: str = ""
    starts: tuple[Start, ...] = ()
    student_of: str = ""
    is_decided: bool = False

    def most_trials(self, spec: StudySpec) -> int:
        """Return the highest number of trials; no configuration is trained twice."""
        return self.space.size(spec.trials)

    def fixing(self, values: Mapping[str, Value]) -> "Arm":
        """Return the arm with `values` fixed; errors name the arm's place."""
        return replace(self, space=self.space.with_fixed(values, self.place))


@dataclass(frozen=True)
class ResolvedStudy:
    """A study file, read and resolved."""

    name: str
    spec: StudySpec
    arms: tuple[Arm, ...]
    file: YamlFile
    definition_file: YamlFile | None = None  # the file that `data` names, if any

    @property
    def folder(self) -> Path:
        """The folder of the study file, to which its relative paths refer."""
        return self.file.path.resolve().parent

    @property
    def guesses_to_check(self) -> tuple[str, ...]:
        """Guesses to check, with their places: comments `# check: ...` of study and definition."""
        if self.definition_file is None:
            return self.file.guesses_to_check
        return (*self.file.guesses_to_check, *self.definition_file.guesses_to_check)

    def placed(self, problem: str) -> str:
        """Put the place of its key before a problem of data or sample (`data.tasks.click: ...`).

        Other problems are returned unchanged.
        """
        location = problem.partition(":")[0].split(".")
        if location[0] not in ("data", "sample"):
            return problem
        if self.definition_file is None or location[0] == "sample":
            return f"{self.file.place(location)}: {problem}"
        return f"{self.definition_file.place(location[1:])}: {problem.removeprefix('data.')}"


def load_study(
    name: str,
    size: str | None = None,
    overrides: Mapping[str, Override] | None = None,
    variant: str | None = None,
) -> ResolvedStudy:
    """Load a study by name or path.

    A study with variants and sizes is loaded as one of each, by default the first, and has both in
    its name; what the size sets goes before what the variant sets. `overrides` overrides values of
    both by their dotted names: `finalists.seeds`, `data.split.valid`,
    `arms.hinet.fixed.model.dropout`. A setting (`train.batch_size`) is placed under `fixed`, and so
    applies to every arm. ConfigurationError holds every problem of file, arms and spaces.
    """
    file = read(find("studies", name))
    size = chosen(file, SIZES, size)
    variant = chosen(file, VARIANTS, variant)
    file, definition_file = with_overrides(file, values_of(file, variant), overrides or {}, size)
    spec = _spec(file, definition_file)
    study_name = spec.name or file.path.stem
    if variant is not None:
        study_name = f"{study_name}-{variant}"
    changes = _changes(file, spec, size)
    problems = ErrorCollector()
    with problems.collecting():
        named = ("name",) if variant is None else (VARIANTS, variant)
        check_study_name(study_name, file.place(named))
    with problems.collecting():
        _check_executor(spec.executor, file.place)
    with problems.collecting():
        arms = _arms(file, spec, changes)
    problems.raise_if_any()
    return _at_size(ResolvedStudy(study_name, spec, arms, file, definition_file), size)


def _check_executor(spec: ExecutorSpec, place: Place) -> None:
    """Raise ConfigurationError unless the executor exists, is usable, and has the options.

    Its Options type checks that what it needs is installed.
    """
    known = names(EXECUTORS)
    if spec.kind not in known:
        raise ConfigurationError(
            f"{place(('executor', 'kind'))}: '{spec.kind}' is not an executor, "
            f"known: {', '.join(known)}{gone_or_similar(spec.kind, known)}"
        )
    options = load(EXECUTORS, spec.kind).Options
    validated_at(options, spec.options, lambda location: place(("executor", *location)))


def _spec(file: YamlFile, definition_file: YamlFile | None) -> StudySpec:
    """Parse the study; if it has errors, also report the errors of its arms and spaces."""
    problems = ErrorCollector()
    with problems.collecting():
        tree = {**file.tree}
        if definition_file is not None:
            tree["data"] = definition_file.parse(DataDefinition)
        return file.parse(StudySpec, tree)
    arms = file.tree.get("arms")
    for name, arm in arms.items() if isinstance(arms, dict) else ():
        with problems.collecting(), suppress(ValidationError):  # reported above
            _model_and_space(str(name), ArmSpec.model_validate(arm or {}), file)
    problems.raise_if_any()
    raise AssertionError("the study was wrong")


def _changes(file: YamlFile, spec: StudySpec, size: str | None) -> list[Changes]:
    """Return the changes to parameters by the study, then those by its size."""
    changes: list[Changes] = [(spec.parameters, file.place)]
    if size is not None:
        of_size = spec.sizes[size].parameters
        changes.append((of_size, lambda at: file.place((SIZES, str(size), *at))))
    return changes


def _at_size(study: ResolvedStudy, size: str | None) -> ResolvedStudy:
    """Apply a size, whose changes the arms have; its epochs become a fixed setting of each."""
    if size is None:
        return replace(study, spec=study.spec.in_time)
    study_name = f"{study.name}-{size}"
    check_study_name(study_name, study.file.place((SIZES, size)))
    of_size = study.spec.sizes[size]
    given = {name: value for name, value in of_size if value is not None}
    given[PARAMETERS] = merged(study.spec.parameters, of_size.parameters)
    spec = study.spec.model_copy(update=given).in_time
    arms = []
    for arm in study.arms:
        space = arm.space.with_fixed({EPOCHS: spec.epochs}, arm.space.places[EPOCHS])
        arms.append(replace(arm, space=space))
    return replace(study, name=study_name, spec=spec, arms=tuple(arms))


def check_study_name(name: str, where: str = "study name", whose: str = "a study's") -> None:
    """Raise ConfigurationError unless the name is valid.

    Valid names have 1 to 64 letters, digits, dots, dashes and underscores, and begin with a letter
    or digit.
    """
    if not STUDY_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{where}: {whose} name must be 1 to 64 of A-Z a-z 0-9 . _ - "
            f"and begin with a letter or digit, got {name[:80]!r}"
        )


def _arms(file: YamlFile, spec: StudySpec, changes: Sequence[Changes]) -> tuple[Arm, ...]:
    """Resolve every arm; problems of all arms are reported together."""
    arms: list[Arm] = []
    problems = ErrorCollector()
    for name, arm in spec.arms.items():
        with problems.collecting():
            arms.append(_arm(name, arm, spec, file, changes))
    problems.raise_if_any()
    for of_key, place in changes:
        refuse_unsearched(of_key, [arm.space for arm in arms], place)
    return tuple(arms)


def _model_and_space(name: str, arm: ArmSpec, file: YamlFile) -> tuple[str, SearchSpace]:
    place = file.place(("arms", name))
    check_study_name(name, place, "an arm's")
    model = arm.model or name
    known = names(MODELS)
    if model not in known and "." not in model:  # a dotted name is checked when models are loaded
        raise ConfigurationError(
            f"{place}: '{model}' is not a model, "
            f"known: {', '.join(known)}{gone_or_similar(model, known)}"
        )
    folder = file.path.parent
    default = model if is_known("spaces", model, folder) else COMMON_SPACE
    return model, load_space(arm.space or default, folder, place)


def _arm(
    name: str, arm: ArmSpec, spec: StudySpec, file: YamlFile, changes: Sequence[Changes]
) -> Arm:
    """Resolve one arm: its model, its space, and the study's and its own changes to the space."""
    model, space = _model_and_space(name, arm, file)
    space = _that_fits(space, spec.data)
    for of_key, place_of_key in changes:
        space = changed(space, of_key, place_of_key)
    for key, value in spec.fixed.items():
        # Model settings only if the space names them: check_study fixes those its model has.
        if not key.startswith("model.") or key in space.parameters or key in space.fixed:
            space = space.with_fixed({key: value}, file.place(("fixed", key)))
    for key, value in arm.fixed.items():
        place = file.place(("arms", name, "fixed", key))
        if ("fixed", key) in file.sources and ("arms", name, "fixed", key) not in file.sources:
            raise ConfigurationError(
                f"{file.sources['fixed', key]}: arm {name} holds {key} itself ({place}); "
                f"set arms.{name}.fixed.{key} too"
            )
        space = space.with_fixed({key: value}, place)
    _refuse_settings(name, space, spec, file)
    size_of = _size_of(name, arm, spec, file)
    space = space.with_fixed({EPOCHS: spec.epochs}, file.place(("epochs",)))
    starts = resolved_starts(arm.start, space, lambda at: file.place(("arms", name, "start", *at)))
    if spec.portfolio:
        starts += portfolio(space)
    return Arm(name, model, space, file.place(("arms", name)), size_of, starts)


def _that_fits(space: SearchSpace, data: DataDefinition) -> SearchSpace:
    """Leave out what the data have not: an encoding without numbers, a reader without sequences.

    A search of the reader begins with that of all sequences; none is searched if they differ.
    """
    if not data.features.has_numbers:
        space = space.without_parameters([NUMBER_ENCODING])
    searched = space.parameters.get(SEQUENCE_READER)
    if not isinstance(searched, Categorical):
        return space
    readers = {sequence.reader for sequence in data.features.sequences.values()}
    if len(readers) != 1 or not readers <= set(searched.choices):
        return space.without_parameters([SEQUENCE_READER])
    beginning = searched.model_copy(update={"default": readers.pop()})
    return replace(space, parameters={**space.parameters, SEQUENCE_READER: beginning})


def _refuse_settings(name: str, space: SearchSpace, spec: StudySpec, file: YamlFile) -> None:
    """Raise ConfigurationError for settings of the whole study, and those that students have."""
    if EPOCHS in space.places:
        raise ConfigurationError(
            f"{space.places[EPOCHS]}: {EPOCHS} must be the same for every arm; "
            "use the study's key 'epochs'"
        )
    if EVALUATIONS in space.parameters:
        raise ConfigurationError(
            f"{space.places[EVALUATIONS]}: {EVALUATIONS} must be fixed, "
            "as pruning compares trials evaluation by evaluation"
        )
    if spec.teaching and name.startswith(DISTILLED):
        raise ConfigurationError(
            f"{file.place(('arms', name))}: names of arms must not begin with {DISTILLED} in a "
            f"study that teaches, got '{name}'; its students have such names"
        )
    for setting in OF_TEACHER:
        if setting in space.parameters or setting in space.fixed:
            raise ConfigurationError(
                f"{space.places[setting]}: {setting} must not be set, as only students have a "
                "teacher; the key 'teaching' adds students to the study"
            )


def _size_of(name: str, arm: ArmSpec, spec: StudySpec, file: YamlFile) -> str:
    """Return the arm or model whose size this arm gets; empty if none."""
    if arm.size_of is None:
        return ""
    known = [other for other, other_arm in spec.arms.items() if other_arm.size_of is None]
    known += [model for model in names(MODELS) if model not in spec.arms]
    if arm.size_of in known:
        return arm.size_of
    place = file.place(("arms", name, "size_of"))
    raise ConfigurationError(
        f"{place}: size_of must name an arm that is not sized itself, or a model, "
        f"got '{arm.size_of}'{did_you_mean(arm.size_of, known)}"
    )
