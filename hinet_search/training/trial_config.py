"""Trial configuration: build a model's Config, TrainConfig and FeatureConfig from dotted names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from torch import nn

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, LEFT_OUT_IF_NONE, Frozen, Large
from hinet_search.common.plugins import load
from hinet_search.data.columns import Dataset
from hinet_search.data.encode import missing_name
from hinet_search.data.schema import Schema
from hinet_search.models.layers.protocol import ProtocolConfig, build_in_protocol
from hinet_search.results.input_groups import ALL
from hinet_search.study.distributions import Value
from hinet_search.study.feature_definition import (
    LEFT_OUT_IF_STANDARDISED,
    PARTS,
    NumberEncoding,
    Pooling,
    cycle_input,
)
from hinet_search.study.load_study import MODELS, NUMBER_ENCODINGS
from hinet_search.study.sequence_definition import SequenceReader
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import Place, validated_at
from hinet_search.training.train_config import TrainConfig
from hinet_search.training.trainable import BuiltModel

# Settings of which a task, scenario or number of the data is the last part of the name.
OF_DATA = ("train.task_weights", "train.scenario_weights", NUMBER_ENCODINGS)


class NamedEncodings(Frozen):
    """Encodings by the name of a number or of a group of inputs."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, NumberEncoding]

    @property
    def names(self) -> frozenset[str]:
        """The numbers and groups that have an encoding."""
        return frozenset(self.__pydantic_extra__)

    def of(
        self,
        numbers: Sequence[str],
        groups: Mapping[str, Sequence[str]],
        of_others: NumberEncoding,
    ) -> tuple[NumberEncoding, ...]:
        """Return the encoding of every number; empty if all are standardised.

        Its own goes before that of its column, of which it is a flag or a part of a cycle, and that
        goes before its group's.
        """
        named = self.__pydantic_extra__
        encodings = dict.fromkeys(numbers, of_others)
        for name, encoding in named.items():
            encodings |= dict.fromkeys(groups.get(name, ()), encoding)
        for name, encoding in named.items():
            parts = [cycle_input(name, part) for part in PARTS]
            encodings |= dict.fromkeys([missing_name(name), *parts], encoding)
        encodings |= named
        encoding_N = tuple(encodings[number] for number in numbers)
        return () if set(encoding_N) == {"standardised"} else encoding_N


class FeatureConfig(Frozen):
    """The inputs of a model.

    Ids rarer than `minimum_frequency` in training become 0 = unknown. `groups` is `all`, `none`
    (only the ungrouped features) or names of groups joined by `+`. `pooling` replaces that of every
    list, `sequence_reader` that of every sequence. `number_encoding` is how a network reads
    numbers, beside their standardised values (models/layers/number_encoding.py); trees need none.
    `number_encodings.NAME` is that of one number, derived ones too, or of all numbers of a group.
    With `unit_scale` a network divides all its inputs by one number (models/layers/unit_scale.py).
    """

    minimum_frequency: Large = 1
    groups: str = ALL
    pooling: Pooling | None = None
    sequence_reader: Annotated[SequenceReader | None, LEFT_OUT_IF_NONE] = None
    number_encoding: Annotated[NumberEncoding, LEFT_OUT_IF_STANDARDISED] = "standardised"
    number_encodings: Annotated[
        NamedEncodings, Field(exclude_if=lambda encodings: not encodings.names)
    ] = NamedEncodings()
    unit_scale: Annotated[bool, Field(strict=True), LEFT_OUT_IF_EMPTY] = False

    def schema_of(self, dataset: Dataset) -> Schema:
        """Return the schema of the chosen inputs; no data are copied."""
        schema = dataset.schema(self.minimum_frequency, self.groups, self.pooling)
        return self.reading(schema, dataset.groups)

    def reading(self, schema: Schema, groups: Mapping[str, Sequence[str]]) -> Schema:
        """Return a schema with these readers of sequences and encodings of numbers.

        `groups` has the inputs of every group that `number_encodings` names.
        """
        encodings = self.number_encodings.of(schema.numeric, groups, self.number_encoding)
        return schema.read_by(self.sequence_reader, encodings, has_unit_scale=self.unit_scale)

    def view(self, dataset: Dataset) -> tuple[Dataset, Schema]:
        """Return the data with only the chosen inputs, and their schema."""
        return dataset.with_groups(self.groups), self.schema_of(dataset)


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
        if isinstance(built, nn.Module) and not _learns(built):
            raise ConfigurationError(
                f"Model of model {self.model_name} must have parameters to train, got none",
                remedy="give it a layer that has parameters, or an nn.Parameter",
            )
        return built


def _learns(network: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in network.parameters())


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
    sections: dict[str, dict[str, Any]] = {"model": {}, "train": {}, "features": {}}
    for name, value in values.items():
        setting = setting_of(name)
        path = setting.split(".")
        leaf = path.pop() if setting == name else name.removeprefix(f"{setting}.")
        node: dict[str, Any] = sections
        for step in path:
            node = node.setdefault(step, {})
        node[leaf] = value
    return whole_config(model, sections, place)


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


def setting_of(name: str) -> str:
    """Return the setting of a dotted name: without its task, scenario or number."""
    return next((setting for setting in OF_DATA if name.startswith(f"{setting}.")), name)


def known_names(model: str) -> tuple[str, ...]:
    """Return every setting of a configuration of this model by its dotted name."""
    types: dict[str, type[BaseModel]] = {
        "model": config_type(model),
        "train": TrainConfig,
        "features": FeatureConfig,
    }
    return tuple(name for prefix, type_ in types.items() for name in _dotted(type_, prefix))


def _dotted(type_: type[BaseModel], prefix: str) -> list[str]:
    names: list[str] = []
    for field, information in type_.model_fields.items():
        inner = information.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and inner.model_fields:
            names += _dotted(inner, f"{prefix}.{field}")
        else:
            names.append(f"{prefix}.{field}")
    return names


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
                f"{where}: '{name}' is no setting of {model}{did_you_mean(name, known)}"
            )
        elif setting != name and setting in values:
            problems.append(
                f"{where}: '{name}' cannot be set beside {setting}, which is {values[setting]}; "
                "leave one of them out"
            )
    if problems:
        raise ConfigurationError(*problems)
