"""Trial configuration: a model's Config, TrainConfig and FeatureConfig, built from flat dotted names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model
from torch import nn

from hinet_search.data.columns import Dataset
from hinet_search.distributions import Value
from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.features import ALL, AND, LISTS, NONE, FeatureDefinition, Pooling, chosen_groups
from hinet_search.frozen import Frozen
from hinet_search.nn.protocol import ProtocolConfig, build_in_protocol
from hinet_search.plugins import load
from hinet_search.schema import Schema
from hinet_search.space import SearchSpace
from hinet_search.study import DENSE_PARAMETERS, EVALUATIONS, MODELS, PASSES, Arm, Study
from hinet_search.training.config import TrainConfig
from hinet_search.training.trainable import BuiltModel
from hinet_search.wording import Location
from hinet_search.yaml_file import Place, validated_at

GROUPS, POOLING = "features.groups", "features.pooling"
OF_ANY_GROWTH = (PASSES, "train.patience", EVALUATIONS)  # all that a model which is no network is trained and pruned by


class FeatureConfig(Frozen):
    """What of the data a model sees.

    Ids rarer than `minimum_frequency` in training become 0 = unknown. `groups` is `all`, `none` (the ungrouped features
    alone) or names of groups joined by `+`. `pooling` replaces that of every list.
    """

    minimum_frequency: Annotated[int, Field(ge=1)] = 1
    groups: str = ALL
    pooling: Pooling | None = None

    def schema_of(self, dataset: Dataset) -> Schema:
        """What a model is told of the chosen inputs; nothing is copied."""
        return dataset.schema(self.minimum_frequency, self.groups, self.pooling)

    def view(self, dataset: Dataset) -> tuple[Dataset, Schema]:
        """The data with the chosen inputs alone, and what a model is told of them."""
        return dataset.with_groups(self.groups), self.schema_of(dataset)


@dataclass(frozen=True)
class TrialConfig:
    """Everything that decides how one model is built and trained, but for data and seed."""

    model_name: str
    model: BaseModel
    train: TrainConfig
    features: FeatureConfig

    @property
    def sections(self) -> dict[str, Any]:
        """Every setting as plain values, as `whole_config` takes them."""
        parts = {"model": self.model, "train": self.train, "features": self.features}
        return {name: part.model_dump(mode="json") for name, part in parts.items()}

    def build(self, schema: Schema) -> BuiltModel:
        """A freshly initialised model; draws from torch's global generator."""
        build: Callable[[Schema], Any] = partial(_module(self.model_name).Model, self.model)
        if isinstance(self.model, ProtocolConfig):
            return build_in_protocol(self.model.protocol, build, schema)
        built: BuiltModel = build(schema)
        return built


def config_type(model: str) -> type[BaseModel]:
    """The Config of a model."""
    kind: type[BaseModel] = _module(model).Config
    return kind


def _module(model: str) -> ModuleType:
    """The file of a model; one of another package must be of the same form."""
    module = load(MODELS, model)
    missing = [name for name in ("Config", "Model") if not hasattr(module, name)]
    if missing:
        raise ConfigurationError(f"model {model} must have Config and Model, {module.__file__} lacks {missing[0]}")
    return module


def _nowhere(_location: Location) -> str:
    return "configuration"


def build_config(model: str, values: Mapping[str, Value], place: Place = _nowhere) -> TrialConfig:
    """The configuration that flat dotted `values` describe; ConfigurationError lines begin with the place of a value."""
    return whole_config(model, _nested(model, values, place), place)


def whole_config(model: str, sections: Mapping[str, Any], place: Place = _nowhere) -> TrialConfig:
    """The configuration whose sections `model`, `train` and `features` are given as mappings; errors as `build_config`."""
    return TrialConfig(model_name=model, **dict(validated_at(_sections(config_type(model)), sections, place)))


@cache
def _sections(kind: type[BaseModel]) -> type[BaseModel]:
    """A model's Config, TrainConfig and FeatureConfig as one type, so that its errors have whole dotted names."""
    return create_model(
        "Sections", __base__=Frozen, model=(kind, ...), train=(TrainConfig, ...), features=(FeatureConfig, ...)
    )


def try_study(study: Study) -> Study:
    """The study with the model settings it fixes held in every arm whose model has them, and every arm tried.

    A space need not name such a setting. ConfigurationError holds every problem of all arms, and the settings that no
    arm's model has.
    """
    _import_models(study)
    problems = _settings_of_no_model(study)
    arms = tuple(_with_study_settings(arm, study) for arm in study.arms)
    for arm in arms:
        cannot_be_sized = _cannot_be_sized(arm, arms)
        try:
            try_bounds(arm if cannot_be_sized or not arm.size_of else arm.fixing({DENSE_PARAMETERS: 1}))
        except ConfigurationError as error:
            problems += error.problems
        features = study.spec.data.features
        problems += [*_wrong_groups(arm, features), *_without_effect(arm, study), *cannot_be_sized]
    if problems:
        raise ConfigurationError(*dict.fromkeys(problems))
    return replace(study, arms=arms)


def _import_models(study: Study) -> None:
    """ConfigurationError holds every arm whose model is not to be had."""
    problems, remedies = [], []
    for arm in study.arms:
        try:
            _module(arm.model)
        except ConfigurationError as error:
            problems += [f"{arm.place}: {problem}" for problem in error.problems]
            remedies += [error.remedy] if error.remedy else []
    if problems:
        raise ConfigurationError(*problems, remedy="\n".join(dict.fromkeys(remedies)))


def _wrong_groups(arm: Arm, features: FeatureDefinition) -> list[str]:
    """Values of `features.groups` that name a group which the data do not have, or that leave a model nothing to see."""
    known, space = features.group_names, arm.space
    searched = space.parameters[GROUPS].bounds if GROUPS in space.parameters else ()
    values = [value for value in (space.fixed.get(GROUPS, ALL), *searched) if isinstance(value, str)]
    place = space.places.get(GROUPS, arm.place)
    unknown = [
        f"{place}: {GROUPS} must be {ALL}, {NONE} or names joined by {AND}, got '{value}'; "
        f"'{name}' is no group of the data, known: {', '.join(known) or NONE}{did_you_mean(name, known)}"
        for value in values
        for name in sorted(chosen_groups(value, known) - set(known))
    ]
    return unknown or [
        f"{place}: {GROUPS} must leave a column of the row or numbers made of others, got '{value}'; "
        "leave a feature out of all groups"
        for value in values
        if not features.leaves_inputs(value)
    ]


def _without_effect(arm: Arm, study: Study) -> list[str]:
    """What a space or an arm names although nothing depends on it. What a study fixes for all need not concern each."""
    space, problems = arm.space, []
    if POOLING in (*space.parameters, *space.fixed) and LISTS not in study.spec.data.features.group_names:
        problems.append(f"{space.places[POOLING]}: {POOLING} needs a list in the data that is pooled, got none")
    if not _is_network(arm.model):
        known, of_all = known_names(arm.model), {name: study.file.place(("fixed", name)) for name in study.spec.fixed}
        useful = [name for name in known if not name.startswith("train.") or name in OF_ANY_GROWTH]
        problems += [
            f"{space.places[name]}: {name} has no meaning for {arm.model}, which is no network; leave it out"
            f"{did_you_mean(name, useful)}"
            for name in (*space.parameters, *space.fixed)
            if name in known and name not in useful and space.places[name] != of_all.get(name)
        ]
    return problems


def _cannot_be_sized(arm: Arm, arms: Sequence[Arm]) -> list[str]:
    """Why an arm cannot get the size of another."""
    if not arm.size_of:
        return []
    if DENSE_PARAMETERS not in known_names(arm.model):
        return [f"{arm.place}: size_of needs a model with the setting {DENSE_PARAMETERS}, got {arm.model}"]
    if DENSE_PARAMETERS in (*arm.space.parameters, *arm.space.fixed):
        place = arm.space.places[DENSE_PARAMETERS]
        return [f"{place}: {DENSE_PARAMETERS} is what size_of gives; leave one of them out"]
    if not _is_network({other.name: other.model for other in arms}.get(arm.size_of, arm.size_of)):
        return [f"{arm.place}: size_of must name a network, got '{arm.size_of}', which has no parameters"]
    return []


def _is_network(model: str) -> bool:
    return issubclass(_module(model).Model, nn.Module)


def _settings_of_no_model(study: Study) -> list[str]:
    known = dict.fromkeys(name for arm in study.arms for name in known_names(arm.model))
    return [
        f"{study.file.place(('fixed', name))}: '{name}' is a setting of no arm's model{did_you_mean(name, known)}"
        for name in study.spec.fixed
        if name.startswith("model.") and name not in known
    ]


def _with_study_settings(arm: Arm, study: Study) -> Arm:
    """The arm with what the study fixes of its model; what its space names or the arm fixes is there already."""
    space = arm.space
    for name in known_names(arm.model):
        if name in study.spec.fixed and name not in space.fixed:
            space = space.with_fixed({name: study.spec.fixed[name]}, study.file.place(("fixed", name)))
    return replace(arm, space=space)


def try_bounds(arm: Arm) -> None:
    """Build the configuration at the default and at every bound of every parameter; ConfigurationError lists failures.

    Names that no configuration has are found here too, with the place where the space names them.
    """
    known = known_names(arm.model)
    default = {name: value for name, value in arm.space.values(arm.space.default()).items() if name in known}
    problems = _problems(arm, default)
    if not problems:  # what is wrong with the default is wrong at every bound: told once
        problems = [
            text for name, bound in _bounds(arm.space) for text in _problems(arm, {**default, name: bound}, name)
        ]
    problems = [*_unknown_names(arm), *problems]
    if problems:
        raise ConfigurationError(*dict.fromkeys(problems))


def _problems(arm: Arm, values: Mapping[str, Value], name: str = "") -> list[str]:
    """What is wrong with a configuration, told at the place of `name`, of the wrong value, or of the arm."""
    places = arm.space.places

    def place(location: Location) -> str:
        names = [name, *(".".join(str(step) for step in location[:end]) for end in range(len(location), 0, -1))]
        return next((places[one] for one in names if one in places), arm.place)

    try:
        build_config(arm.model, values, place)
    except ConfigurationError as error:
        return list(error.problems)
    return []


def known_names(model: str) -> tuple[str, ...]:
    """Every dotted name that a configuration of this model has."""
    kinds: dict[str, type[BaseModel]] = {"model": config_type(model), "train": TrainConfig, "features": FeatureConfig}
    return tuple(name for prefix, kind in kinds.items() for name in _dotted(kind, prefix))


def _bounds(space: SearchSpace) -> list[tuple[str, Value]]:
    return [(name, bound) for name, distribution in space.parameters.items() for bound in distribution.bounds]


def _unknown_names(arm: Arm) -> list[str]:
    known = known_names(arm.model)
    return [
        f"{arm.space.places.get(name, arm.place)}: '{name}' is no setting of {arm.model}{did_you_mean(name, known)}"
        for name in (*arm.space.parameters, *arm.space.fixed)
        if name not in known
    ]


def _dotted(kind: type[BaseModel], prefix: str) -> list[str]:
    found: list[str] = []
    for field, information in kind.model_fields.items():
        inner = information.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += _dotted(inner, f"{prefix}.{field}")
        else:
            found.append(f"{prefix}.{field}")
    return found


def _nested(model: str, values: Mapping[str, Value], place: Place) -> dict[str, dict[str, Any]]:
    known = known_names(model)
    unknown = [
        f"{place(tuple(name.split('.')))}: '{name}' is no setting of {model}{did_you_mean(name, known)}"
        for name in values
        if name not in known
    ]
    if unknown:
        raise ConfigurationError(*unknown)
    tree: dict[str, dict[str, Any]] = {"model": {}, "train": {}, "features": {}}
    for name, value in values.items():
        *path, leaf = name.split(".")
        node: dict[str, Any] = tree
        for step in path:
            node = node.setdefault(step, {})
        node[leaf] = value
    return tree
