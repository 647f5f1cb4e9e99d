"""Study: a file in studies/ read and resolved: its arms with their models and spaces, at one of its sizes."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from os.path import normpath
from pathlib import Path

from pydantic import ValidationError

from hinet_search.definition import DataDefinition
from hinet_search.distributions import Value
from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.gathering import Gathering
from hinet_search.plugins import names
from hinet_search.shipped import find, is_known
from hinet_search.space import SearchSpace, load_space
from hinet_search.spec import ArmSpec, SizeSpec, StudySpec
from hinet_search.wording import Location
from hinet_search.yaml_file import Said, YamlFile, read

STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MODELS = "hinet_search.models"
EXECUTORS = "hinet_search.executors"
COMMON_SPACE = "training"
PASSES = "train.passes"
EVALUATIONS = "train.evaluations_per_pass"
DENSE_PARAMETERS = "model.dense_parameters"
SETTINGS = ("model", "train", "features")  # the first parts of names that configure an arm, not the study


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

    @property
    def doubts(self) -> tuple[str, ...]:
        """Guesses that somebody should look at, with their places: comments `# check: ...` of study and definition."""
        files = (self.file, *([self.definition_file] if self.definition_file else []))
        return tuple(doubt for file in files for doubt in file.doubts)

    def placed(self, problem: str) -> str:
        """A problem of the data (`data.tasks.click: ...`) behind the line of its key; any other as it is."""
        location = problem.partition(":")[0].split(".")
        if location[0] != "data":
            return problem
        if self.definition_file is None:
            return f"{self.file.place(location)}: {problem}"
        return f"{self.definition_file.place(location[1:])}: {problem.removeprefix('data.')}"


def load_study(name: str, size: str | None = None, said: Mapping[str, Said] | None = None) -> Study:
    """The study of that name or path; ConfigurationError holds every problem of file, arms and spaces.

    A study with sizes is taken at one of them, and has the size in its name. `said` replaces values by their dotted
    names: `finalists.seeds`, `data.split.valid`, `arms.hinet.fixed.model.dropout`; a setting (`train.batch_size`)
    stands under `fixed`, and so in every arm.
    """
    file = read(find("studies", name))
    size = _size(file, size)
    file, definition_file = _saying(file, said or {}, size)
    spec = _spec(file, definition_file)
    study_name = spec.name or file.path.stem
    problems = Gathering()
    with problems.part():
        check_study_name(study_name, file.place(("name",)))
    with problems.part():
        _check_executor(file, spec)
    with problems.part():
        arms = _arms(file, spec)
    problems.finish()
    return _at_size(Study(study_name, spec, arms, file, definition_file), size)


def _size(file: YamlFile, size: str | None) -> str | None:
    """The size of a study that is meant: the first where none is named, None where it has none."""
    sizes = file.tree.get("sizes")
    known = [str(name) for name in sizes] if isinstance(sizes, dict) else []
    if size is not None and size not in known:
        raise ConfigurationError(
            f"{file.place(('sizes',))}: '{size}' is not a size of this study, known: {', '.join(known) or 'none'}"
            f"{did_you_mean(size, known)}"
        )
    return size or next(iter(known), None)


def _saying(file: YamlFile, said: Mapping[str, Said], size: str | None) -> tuple[YamlFile, YamlFile | None]:
    """The study file and that of its data, where it has one, with other values."""
    of_data: dict[Location, Said] = {
        tuple(name.split(".")): one for name, one in said.items() if name.startswith("data.")
    }
    file = file.saying({_location(file, name, size): one for name, one in said.items() if not name.startswith("data.")})
    definition_file = _definition_file(file)
    if definition_file is None:
        return file.saying(of_data), None
    return file, definition_file.saying({at[1:]: one for at, one in of_data.items()})


def _location(file: YamlFile, name: str, size: str | None) -> Location:
    """Where a dotted name stands in a study file. Keys of `fixed` have dots in them; a size replaces the study's keys."""
    parts = name.split(".")
    if parts[0] in SETTINGS:
        return ("fixed", name)
    if "fixed" in parts[:-1]:
        end = parts.index("fixed") + 1
        return (*parts[:end], ".".join(parts[end:]))
    of_size = file.tree["sizes"][size] if size is not None else None
    return ("sizes", str(size), *parts) if isinstance(of_size, dict) and parts[0] in of_size else tuple(parts)


def _definition_file(file: YamlFile) -> YamlFile | None:
    """The file that `data` names."""
    written = file.tree.get("data")
    if not isinstance(written, str):
        return None
    path = Path(normpath(file.path.parent / written))  # `studies/../data/rows.yaml` is read as `data/rows.yaml`
    if not path.is_file():
        raise ConfigurationError(f"{file.place(('data',))}: there is no data definition {path}")
    return read(path)


def _spec(file: YamlFile, definition_file: YamlFile | None) -> StudySpec:
    """The study as its type; with what is wrong with it, what is wrong with its arms and spaces is told too."""
    problems = Gathering()
    with problems.part():
        tree = {**file.tree}
        if definition_file is not None:
            tree["data"] = definition_file.parse(DataDefinition)
        return file.parse(StudySpec, tree)
    arms = file.tree.get("arms")
    for name, arm in arms.items() if isinstance(arms, dict) else ():
        with problems.part(), suppress(ValidationError):  # what is no arm was told above
            _model_and_space(str(name), ArmSpec.model_validate(arm or {}), file)
    problems.finish()
    raise AssertionError("the study was wrong")


def _at_size(study: Study, size: str | None) -> Study:
    if size is None:
        return study
    name = f"{study.name}-{size}"
    check_study_name(name, study.file.place(("sizes", size)))
    return _with_budget(replace(study, name=name), study.spec.sizes[size])


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
    problems = Gathering()
    for name, arm in spec.arms.items():
        with problems.part():
            arms.append(_arm(name, arm, spec, file))
    problems.finish()
    return tuple(arms)


def _own_space(model: str, beside: Path) -> str:
    """The space of the model's name; a model that has none yet is searched over training alone."""
    return model if is_known("spaces", model, beside) else COMMON_SPACE


def _model_and_space(name: str, arm: ArmSpec, file: YamlFile) -> tuple[str, SearchSpace]:
    place = file.place(("arms", name))
    check_study_name(name, place, "an arm's")
    model, known = arm.model or name, names(MODELS)
    if model not in known and "." not in model:  # one of another package is looked for where models are loaded
        raise ConfigurationError(
            f"{place}: '{model}' is not a model, known: {', '.join(known)}{did_you_mean(model, known)}"
        )
    return model, load_space(arm.space or _own_space(model, file.path.parent), file.path.parent, place)


def _arm(name: str, arm: ArmSpec, spec: StudySpec, file: YamlFile) -> Arm:
    model, space = _model_and_space(name, arm, file)
    for key, value in spec.fixed.items():  # of the model only what the space names: config knows what else it has
        if not key.startswith("model.") or key in space.parameters or key in space.fixed:
            space = space.with_fixed({key: value}, file.place(("fixed", key)))
    for key, value in arm.fixed.items():
        place = file.place(("arms", name, "fixed", key))
        if ("fixed", key) in file.said and ("arms", name, "fixed", key) not in file.said:
            raise ConfigurationError(
                f"{file.said['fixed', key]}: arm {name} holds {key} itself ({place}); set arms.{name}.fixed.{key} too"
            )
        space = space.with_fixed({key: value}, place)
    if PASSES in space.places:
        raise ConfigurationError(
            f"{space.places[PASSES]}: {PASSES} must be the same for every arm; use the study's key 'passes'"
        )
    if EVALUATIONS in space.parameters:
        raise ConfigurationError(
            f"{space.places[EVALUATIONS]}: {EVALUATIONS} must be fixed, as pruning compares trials evaluation by evaluation"
        )
    size_of = _size_of(name, arm, spec, file)
    space = space.with_fixed({PASSES: spec.passes}, file.place(("passes",)))
    return Arm(name, model, space, file.place(("arms", name)), size_of)


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
