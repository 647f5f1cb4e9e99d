"""Trial configuration: a model's Config, TrainConfig and FeatureConfig, built from flat dotted names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field
from torch import nn

from hinet_search.definition import Frozen
from hinet_search.distributions import Value
from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.plugins import load
from hinet_search.schema import Schema
from hinet_search.space import SearchSpace
from hinet_search.spec import MODELS, Arm
from hinet_search.training.config import TrainConfig
from hinet_search.yaml_file import validated


class FeatureConfig(Frozen):
    """Which ids a model sees: rarer ones than `minimum_frequency` in training become 0 = unknown."""

    minimum_frequency: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True)
class TrialConfig:
    """Everything that decides how one model is built and trained, but for data and seed."""

    model_name: str
    model: BaseModel
    train: TrainConfig
    features: FeatureConfig

    def build(self, schema: Schema) -> nn.Module:
        """A freshly initialised model; draws from torch's global generator."""
        module: nn.Module = load(MODELS, self.model_name).Model(self.model, schema)
        return module


def config_type(model: str) -> type[BaseModel]:
    """The Config of a model."""
    kind: type[BaseModel] = load(MODELS, model).Config
    return kind


def build_config(model: str, values: Mapping[str, Value], where: str = "configuration") -> TrialConfig:
    """The configuration that flat dotted `values` describe; ConfigurationError lines begin with `where`."""
    tree = _nested(model, values, where)
    return TrialConfig(
        model_name=model,
        model=validated(config_type(model), tree["model"], f"{where}: model"),
        train=validated(TrainConfig, tree["train"], f"{where}: train"),
        features=validated(FeatureConfig, tree["features"], f"{where}: features"),
    )


def try_bounds(arm: Arm) -> None:
    """Build the configuration at the default and at every bound of every parameter; ConfigurationError lists failures.

    Names that no configuration has are found here too, with the place where the space names them.
    """
    problems = _unknown_names(arm)
    if problems:
        raise ConfigurationError(*problems)
    default = arm.space.values(arm.space.default())
    problems = _problems(arm, default, "")  # what is wrong with the default is wrong at every bound: told once
    if not problems:
        problems = [
            text for name, bound in _bounds(arm.space) for text in _problems(arm, {**default, name: bound}, name)
        ]
    if problems:
        raise ConfigurationError(*dict.fromkeys(problems))


def _problems(arm: Arm, values: Mapping[str, Value], name: str) -> list[str]:
    """What is wrong with a configuration, told at the place of `name`, or of the arm."""
    try:
        build_config(arm.model, values)
    except ConfigurationError as error:
        place = arm.space.places.get(name, arm.place)
        return [f"{place}: {text.removeprefix('configuration: ')}" for text in error.problems]
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


def _nested(model: str, values: Mapping[str, Value], where: str) -> dict[str, dict[str, Any]]:
    known = known_names(model)
    unknown = [
        f"{where}: '{name}' is no setting of {model}{did_you_mean(name, known)}" for name in values if name not in known
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
