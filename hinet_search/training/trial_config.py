"""Trial configuration: build a model's Config, TrainConfig and FeatureConfig from dotted names."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from types import ModuleType
from typing import Any

from pydantic import BaseModel, create_model
from torch import nn

from hinet_search.common.errors import ConfigurationError, gone_or_similar
from hinet_search.common.frozen_model import Frozen
from hinet_search.common.plugins import load
from hinet_search.data.schema import Schema
from hinet_search.models.layers.hidden_norm import NetworkConfig, normalise_hidden
from hinet_search.models.layers.protocol import ProtocolConfig, build_in_protocol
from hinet_search.results.records import ParameterRange
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import MODELS
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import Place, validated_at
from hinet_search.training.feature_config import FeatureConfig
from hinet_search.training.setting_names import OF_EVERY_MODEL, names_of, nested, setting_of
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trainable import BuiltModel


@dataclass(frozen=True)
class TrialConfig:
    """Everything that determines how one model is built and trained, except data and seed.

    It is validated where its values are drawn or read; a job carries it to its slot as it is.
    """

    model_name: str
    model: BaseModel
    train: TrainConfig
    features: FeatureConfig

    @property
    def sections(self) -> dict[str, Any]:
        """Every setting as plain values, in the form that `whole_config` takes."""
        parts = {"model": self.model, "train": self.train, "features": self.features}
        return {name: part.model_dump(mode="json") for name, part in parts.items()}

    def build(self, schema: Schema) -> BuiltModel:
        """Build a freshly initialised model; it uses torch's global random generator.

        Errors: ConfigurationError for a network that cannot learn.
        """
        build: Callable[[Schema], Any] = partial(model_module(self.model_name).Model, self.model)
        built: BuiltModel = (
            build_in_protocol(self.model.protocol, build, schema)
            if isinstance(self.model, ProtocolConfig)
            else build(schema)
        )
        if isinstance(built, nn.Module):
            if isinstance(self.model, NetworkConfig):
                normalise_hidden(built, self.model.normalisation)
            learns = any(parameter.requires_grad for parameter in built.parameters())
            if not learns:
                raise ConfigurationError(
                    f"Model of model {self.model_name} must have parameters to train, got none",
                    remedy="give it a layer that has parameters, or an nn.Parameter",
                )
        return built


def config_type(model: str) -> type[BaseModel]:
    """Return the Config of a model."""
    config: type[BaseModel] = model_module(model).Config
    return config


def model_module(model: str) -> ModuleType:
    """Import the file of a model; raise ConfigurationError if it lacks Config or Model."""
    module = load(MODELS, model)
    missing = [name for name in ("Config", "Model") if not hasattr(module, name)]
    if missing:
        raise ConfigurationError(
            f"model {model} must have Config and Model, {module.__file__} lacks {missing[0]}"
        )
    if not (isinstance(module.Config, type) and issubclass(module.Config, BaseModel)):
        raise ConfigurationError(
            f"Config of model {model} must be a class of pydantic, got {module.Config!r:.100}",
            remedy="derive it from hinet_search.common.frozen_model.Frozen",
        )
    if not isinstance(module.Model, type):
        raise ConfigurationError(
            f"Model of model {model} must be a class, got {module.Model!r:.100}"
        )
    return module


def is_network(model: str) -> bool:
    """Return whether a model is a torch module, trained by gradients."""
    return issubclass(model_module(model).Model, nn.Module)


def _no_place(_location: Location) -> str:
    return "configuration"


def build_config(model: str, values: Mapping[str, Value], place: Place = _no_place) -> TrialConfig:
    """Build the configuration of flat dotted `values`.

    Errors: ConfigurationError; each of its lines begins with the place of a value.
    """
    _refuse_unknown(model, values, place)
    return whole_config(model, {"model": {}, "train": {}, "features": {}, **nested(values)}, place)


def movable(model: str, ranges: Sequence[ParameterRange]) -> tuple[ParameterRange, ...]:
    """Return ranges with those ends that the model takes wider values beyond."""
    checked = []
    for searched in ranges:
        ends: list[str] = []
        bounds = searched.ends
        if searched.low is None:
            bounds = ()
        for end in bounds:
            with suppress(ConfigurationError):
                build_config(model, {searched.name: searched.wider(end)})
                ends.append(end)
        checked.append(replace(searched, ends=tuple(ends)))
    return tuple(checked)


def whole_config(model: str, sections: Mapping[str, Any], place: Place = _no_place) -> TrialConfig:
    """Build the configuration of the mappings `model`, `train` and `features`.

    Errors: as `build_config`.
    """
    validated = validated_at(_sections(config_type(model)), sections, place)
    return TrialConfig(model_name=model, **dict(validated))


@cache
def _sections(config: type[BaseModel]) -> type[BaseModel]:
    """Return a model's Config, TrainConfig and FeatureConfig as one type.

    Its errors then have complete dotted names.
    """
    return create_model(
        "Sections",
        __base__=Frozen,
        model=(config, ...),
        train=(TrainConfig, ...),
        features=(FeatureConfig, ...),
    )


def known_names(model: str) -> tuple[str, ...]:
    """Return every setting of a configuration of this model by its dotted name."""
    return (*names_of(config_type(model), "model"), *OF_EVERY_MODEL)


def _refuse_unknown(model: str, values: Mapping[str, Value], place: Place) -> None:
    """Raise ConfigurationError with one line per name that is no setting of the model.

    A weight of one scenario is none beside a value for all of them.
    """
    known = known_names(model)
    problems = []
    for name in values:
        setting = setting_of(name)
        where = place(tuple(name.split(".")))
        if setting not in known:
            problems.append(
                f"{where}: '{name}' is no setting of {model}{gone_or_similar(name, known)}"
            )
        elif setting != name and setting in values:
            problems.append(
                f"{where}: '{name}' cannot be set beside {setting}, which is {values[setting]}; "
                "leave one of them out"
            )
    if problems:
        raise ConfigurationError(*problems)
