"""Study: a file in studies/ read and resolved: its arms with their models and spaces, at one of its sizes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hinet_search.definition import DataDefinition
from hinet_search.distributions import Value
from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.plugins import names
from hinet_search.shipped import find, is_known
from hinet_search.space import SearchSpace, load_space
from hinet_search.spec import ArmSpec, SizeSpec, StudySpec
from hinet_search.yaml_file import YamlFile, read

STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MODELS = "hinet_search.models"
EXECUTORS = "hinet_search.executors"
COMMON_SPACE = "training"
PASSES = "train.passes"
EVALUATIONS = "train.evaluations_per_pass"
DENSE_PARAMETERS = "model.dense_parameters"


@dataclass(frozen=True)
class Arm:
    """An arm with everything found: its model exists and its space is loaded."""

    name: str
    model: str
    space: SearchSpace
    place: str
    size_of: str = ""

    def fixing(self, values: Mapping[str, Value]) -> "Arm":
        """The arm with names held at values, told at the arm's place."""
        return replace(self, space=self.space.with_fixed(values, self.place))


@dataclass(frozen=True)
class Study:
    """A study file, read and resolved."""

    name: str
    spec: StudySpec
    arms: tuple[Arm, ...]
    file: YamlFile
    definition_file: YamlFile | None = None  # where `data` names a file of its own

    @property
    def folder(self) -> Path:
        """The folder of the study file: relative paths in it start there."""
        return self.file.path.resolve().parent

    def placed(self, problem: str) -> str:
        """A problem of the data (`data.tasks.click: ...`) behind the line of its key; any other as it is."""
        location = problem.partition(":")[0].split(".")
        if location[0] != "data":
            return problem
        if self.definition_file is None:
            return f"{self.file.place(location)}: {problem}"
        return f"{self.definition_file.place(location[1:])}: {problem.removeprefix('data.')}"


def load_study(name: str, size: str | None = None) -> Study:
    """The study of that name or path; ConfigurationError holds every problem of file, arms and spaces.

    A study with sizes is taken at one of them, and has the size in its name.
    """
    file = read(find("studies", name))
    tree = {**file.tree}
    definition_file = _definition_file(file, tree["data"]) if isinstance(tree.get("data"), str) else None
    if definition_file is not None:
        tree["data"] = definition_file.parse(DataDefinition)
    spec = file.parse(StudySpec, tree)
    study_name = spec.name or file.path.stem
    check_study_name(study_name, file.place(("name",)))
    _check_executor(file, spec)
    return _at_size(Study(study_name, spec, _arms(file, spec), file, definition_file), size)


def _at_size(study: Study, size: str | None) -> Study:
    sizes = study.spec.sizes
    if size is not None and size not in sizes:
        raise ConfigurationError(
            f"{study.file.place(('sizes',))}: '{size}' is not a size of this study, known: {', '.join(sizes) or 'none'}"
            f"{did_you_mean(size, sizes)}"
        )
    if not sizes:
        return study
    chosen = size or next(iter(sizes))
    name = f"{study.name}-{chosen}"
    check_study_name(name, study.file.place(("sizes", chosen)))
    return _with_budget(replace(study, name=name), sizes[chosen])


def _with_budget(study: Study, size: SizeSpec) -> Study:
    """The study with what a size says; its passes are a fixed setting of every arm."""
    given = {name: value for name in SizeSpec.model_fields if (value := getattr(size, name)) is not None}
    spec = study.spec.model_copy(update=given)
    arms = (
        replace(arm, space=arm.space.with_fixed({PASSES: spec.passes}, arm.space.places[PASSES])) for arm in study.arms
    )
    return replace(study, spec=spec, arms=tuple(arms))


def check_study_name(name: str, where: str = "study name", whose: str = "a study's") -> None:
    """ConfigurationError unless the name is letters, digits, dot, dash and underscore, at most 64 characters."""
    if not STUDY_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{where}: {whose} name must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit, got {name[:80]!r}"
        )


def _definition_file(file: YamlFile, written: str) -> YamlFile:
    path = file.path.parent / written
    if not path.is_file():
        raise ConfigurationError(f"{file.place(('data',))}: there is no data definition {path}")
    return read(path)


def _check_executor(file: YamlFile, spec: StudySpec) -> None:
    known = names(EXECUTORS)
    if spec.executor not in known:
        place = file.place(("executor",))
        raise ConfigurationError(
            f"{place}: '{spec.executor}' is not an executor, known: {', '.join(known)}{did_you_mean(spec.executor, known)}"
        )


def _arms(file: YamlFile, spec: StudySpec) -> tuple[Arm, ...]:
    """Every arm resolved; problems of all arms are reported at once."""
    arms: list[Arm] = []
    failures: list[ConfigurationError] = []
    for name, arm in spec.arms.items():
        try:
            arms.append(_arm(name, arm, spec, file))
        except ConfigurationError as error:
            failures.append(error)
    problems = [problem for failure in failures for problem in failure.problems]
    if problems:
        remedies = dict.fromkeys(failure.remedy for failure in failures if failure.remedy)
        raise ConfigurationError(*dict.fromkeys(problems), remedy="\n".join(remedies))
    return tuple(arms)


def _own_space(model: str, beside: Path) -> str:
    """The space of the model's name; a model that has none yet is searched over training alone."""
    return model if is_known("spaces", model, beside) else COMMON_SPACE


def _arm(name: str, arm: ArmSpec, spec: StudySpec, file: YamlFile) -> Arm:
    place = file.place(("arms", name))
    check_study_name(name, place, "an arm's")
    model, known = arm.model or name, names(MODELS)
    if model not in known and "." not in model:  # one of another package is looked for where models are loaded
        raise ConfigurationError(
            f"{place}: '{model}' is not a model, known: {', '.join(known)}{did_you_mean(model, known)}"
        )
    space = load_space(arm.space or _own_space(model, file.path.parent), file.path.parent, place)
    for key, value in spec.fixed.items():  # of the model only what the space names: config knows what else it has
        if not key.startswith("model.") or key in space.parameters or key in space.fixed:
            space = space.with_fixed({key: value}, file.place(("fixed", key)))
    for key, value in arm.fixed.items():
        space = space.with_fixed({key: value}, file.place(("arms", name, "fixed", key)))
    if PASSES in space.places:
        raise ConfigurationError(
            f"{space.places[PASSES]}: {PASSES} must be the same for every arm; use the study's key 'passes'"
        )
    if EVALUATIONS in space.parameters:
        raise ConfigurationError(
            f"{space.places[EVALUATIONS]}: {EVALUATIONS} must be fixed, as pruning compares trials evaluation by evaluation"
        )
    size_of = _size_of(name, arm, spec, file)
    return Arm(name, model, space.with_fixed({PASSES: spec.passes}, file.place(("passes",))), place, size_of)


def _size_of(name: str, arm: ArmSpec, spec: StudySpec, file: YamlFile) -> str:
    """The arm or model whose size this arm gets, or empty."""
    if arm.size_of is None:
        return ""
    known = [one for one, other in spec.arms.items() if other.size_of is None]
    known += [model for model in names(MODELS) if model not in spec.arms]
    if arm.size_of in known:
        return arm.size_of
    place = file.place(("arms", name, "size_of"))
    raise ConfigurationError(
        f"{place}: size_of must name an arm that is not sized itself, or a model, got '{arm.size_of}'"
        f"{did_you_mean(arm.size_of, known)}"
    )
