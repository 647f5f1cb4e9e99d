"""Setting names of every model (`train.*`, `features.*`), known before torch is imported."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from hinet_search.common.errors import ConfigurationError, gone_or_similar
from hinet_search.common.frozen_model import Frozen
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import NUMBER_ENCODINGS, ResolvedStudy
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import validated_at
from hinet_search.training.feature_config import FeatureConfig
from hinet_search.training.train_config import TrainConfig

# Settings of which a task, scenario or number of the data is the last part of the name.
OF_DATA = ("train.task_weights", "train.scenario_weights", NUMBER_ENCODINGS)


class EveryModel(Frozen):
    """The settings that do not depend on the model."""

    train: TrainConfig = TrainConfig()
    features: FeatureConfig = FeatureConfig()


def setting_of(name: str) -> str:
    """Return the setting of a dotted name: without its task, scenario or number."""
    return next((setting for setting in OF_DATA if name.startswith(f"{setting}.")), name)


def names_of(config: type[BaseModel], prefix: str) -> tuple[str, ...]:
    """Return the settings of a configuration by their dotted names after `prefix`."""
    names: list[str] = []
    for field, information in config.model_fields.items():
        inner = information.annotation
        name = f"{prefix}.{field}"
        if isinstance(inner, type) and issubclass(inner, BaseModel) and inner.model_fields:
            names += names_of(inner, name)
        else:
            names.append(name)
    return tuple(names)


OF_EVERY_MODEL = (*names_of(TrainConfig, "train"), *names_of(FeatureConfig, "features"))


def nested(values: Mapping[str, Value]) -> dict[str, Any]:
    """Return flat dotted `values` as a mapping of mappings."""
    sections: dict[str, Any] = {}
    for name, value in values.items():
        setting = setting_of(name)
        path = setting.split(".")
        leaf = path.pop() if setting == name else name.removeprefix(f"{setting}.")
        node = sections
        for step in path:
            node = node.setdefault(step, {})
        node[leaf] = value
    return sections


def refuse_wrong_settings(study: ResolvedStudy) -> None:
    """Raise ConfigurationError for what a study fixes of every model and no model can have.

    Its settings of models are checked once their files are imported.
    """
    fixed = {
        name: value
        for name, value in study.spec.fixed.items()
        if name.startswith(("train.", "features."))
    }
    wrong = settings_of_no_model(study, fixed, OF_EVERY_MODEL)
    if wrong:
        raise ConfigurationError(*wrong.values())

    def place(location: Location) -> str:
        steps = [str(step) for step in location]
        names = [".".join(steps[:end]) for end in range(len(steps), 0, -1)]
        return study.file.place(("fixed", next(name for name in names if name in fixed)))

    validated_at(EveryModel, nested(fixed), place)


def settings_of_no_model(
    study: ResolvedStudy, fixed: Iterable[str], known: Iterable[str]
) -> dict[str, str]:
    """Tell of every setting that the study fixes and no arm's model has, by name."""
    return {
        name: f"{study.file.place(('fixed', name))}: "
        f"'{name}' is a setting of no arm's model{gone_or_similar(name, known)}"
        for name in fixed
        if setting_of(name) not in known
    }
