"""TorchEasyRec: read a pipeline.config, which is protobuf text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinet_search.common.errors import ConfigurationError, shortened
from hinet_search.data.peers.found import (
    FoundConfiguration,
    FoundRows,
    each,
    mappings,
    text_at,
)
from hinet_search.data.peers.rules import (
    READ,
    Carried,
    Rule,
    Unread,
    carry_over,
    count,
    entries_of,
    left,
    positive,
)
from hinet_search.data.peers.text_format import parsed_text_format
from hinet_search.data.peers.torcheasyrec_features import features_of
from hinet_search.data.peers.torcheasyrec_rules import (
    FEATURE,
    NO_MODELS,
    OPTIMISERS,
    PIPELINE,
    SPARSE,
    EasyRecModel,
    model_of,
)
from hinet_search.study.distributions import Value
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import YamlFile, read

NO_SUCH_MODEL = "is no model here, so the study has no arm of yours"
FORMATS = ("ParquetDataset", "CsvDataset")
DEFAULTS = {"train.evaluations_per_pass": 1, "train.patience": 0, "train.clip_norm": 0.0}
OUR_RATE = 1e-3  # of networks, by default
OPTIMISER = "train.embedding_optimiser"
MULTIPLIER = "train.embedding_learning_rate_multiplier"
# Optimisers of embedding tables that we have, and their names here.
EMBEDDING_OPTIMISERS = {
    "adam_optimizer": "lazy_adam",
    "rowwise_adagrad_optimizer": "rowwise_adagrad",
}


def read_torcheasyrec(path: Path) -> FoundConfiguration:
    """Read a pipeline.config; ConfigurationError if it is missing or wrong."""
    pipeline = _Pipeline(read(path, parsed_text_format))
    model, of_model = pipeline.model
    towers = _towers(pipeline, model, of_model)
    known = model_of(model, of_model)
    tasks, unread = _tasks(pipeline, towers, of_model)
    found = features_of(pipeline.file, pipeline.groups, are_made=pipeline.are_features_made)
    if model and known is None:
        unread.append(Unread(f"model {model}", NO_SUCH_MODEL))
    weight, of_weights = _weight(pipeline)
    scenario = text_at(of_model, "domain_input_name", pipeline.place_of("model_config", model))
    return FoundConfiguration(
        library="TorchEasyRec",
        name=path.stem,
        rows=_rows(pipeline, path),
        tasks=tasks,
        inputs=found.inputs,
        their_model=model,
        model="" if known is None else known.model,
        carried=_carried(pipeline, model, known, towers),
        defaults=DEFAULTS,
        unread=(*unread, *of_weights, *found.unread),
        crosses=found.crosses,
        hashed=found.hashed,
        scenario=scenario,
        weight=weight,
    )


@dataclass(frozen=True)
class _Pipeline:
    """The file and its messages, each of them checked to be one."""

    file: YamlFile

    def message(self, *at: str) -> Mapping[str, Any]:
        """Return the message at fields within fields, empty if there is none."""
        value: Any = self.file.tree
        for step in at:
            value = value.get(step) or {}
            if not isinstance(value, dict):
                raise ConfigurationError(
                    f"{self.file.place(at)}: {step} must be one message, "
                    f"got {shortened(repr(value))}"
                )
        return value  # type: ignore[no-any-return]  # a mapping, as was checked

    def place_of(self, *at: str) -> Any:
        """Return what gives the place of a key of the message at fields within fields."""
        return lambda inner: self.file.place((*at, *inner))

    @property
    def are_features_made(self) -> bool:
        """Whether rows have the features that their generator makes; it reads other columns."""
        data = self.message("data_config")
        mode = data.get("fg_mode", "FG_DAG" if data.get("fg_encoded") is False else "FG_NONE")
        return mode in ("FG_NONE", "FG_BUCKETIZE")

    @property
    def groups(self) -> tuple[str, ...] | None:
        """The names of features in groups, which are the inputs; None without groups."""
        at: Location = ("model_config", "feature_groups")
        groups = self.message("model_config").get("feature_groups")
        if groups is None:
            return None
        names: list[str] = []
        for group in mappings(groups, self.file.place(at), "feature_groups"):
            sequences = mappings(group.get("sequence_groups"), self.file.place(at), "groups")
            for holder in (group, *sequences):
                names += [str(name) for name in each(holder.get("feature_names"))]
        return tuple(names)

    @property
    def model(self) -> tuple[str, Mapping[str, Any]]:
        """The field of model_config that is the model, and its message; empty without one."""
        names = [name for name in self.message("model_config") if name not in NO_MODELS]
        if len(names) > 1:
            raise ConfigurationError(
                f"{self.file.place(('model_config', names[1]))}: model_config must have one model, "
                f"got {shortened(', '.join(names))}"
            )
        return (names[0], self.message("model_config", names[0])) if names else ("", {})


def _towers(pipeline: _Pipeline, model: str, of_model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the towers of tasks, each of which has a name of its own and a label."""
    place = pipeline.file.place(("model_config", model, "task_towers"))
    towers = mappings(of_model.get("task_towers"), place, "task_towers")
    if not all(tower.get("tower_name") and tower.get("label_name") for tower in towers):
        raise ConfigurationError(
            f"{place}: task_towers must each have tower_name and label_name, got one without"
        )
    if len({str(tower["tower_name"]) for tower in towers}) < len(towers):
        raise ConfigurationError(
            f"{place}: task_towers must have names of their own, got one twice"
        )
    return towers


def _tasks(
    pipeline: _Pipeline, towers: Sequence[Mapping[str, Any]], of_model: Mapping[str, Any]
) -> tuple[dict[str, str], list[Unread]]:
    """Return the label of each task: of towers, else of label_fields; name labels of no task."""
    place = pipeline.file.place(("data_config", "label_fields"))
    labels = [str(label) for label in each(pipeline.message("data_config").get("label_fields"))]
    tasks = {str(tower["tower_name"]): str(tower["label_name"]) for tower in towers}
    tasks = tasks or {label: label for label in labels}
    if not tasks:
        raise ConfigurationError(f"{place}: label_fields must name a label, got none")
    no_tasks = [label for label in labels if label not in tasks.values()]
    no_tasks = [label for label in no_tasks if label != of_model.get("domain_input_name")]
    why = "is the label of no tower"
    return tasks, [Unread("data_config.label_fields", why, (label,)) for label in no_tasks]


def _weight(pipeline: _Pipeline) -> tuple[str, list[Unread]]:
    """Return the column of weights; several are named, as a row has one weight here."""
    weights = [
        str(name) for name in each(pipeline.message("data_config").get("sample_weight_fields"))
    ]
    if len(weights) == 1:
        return weights[0], []
    why = "a row has one weight for all tasks"
    key = "data_config.sample_weight_fields"
    return "", [Unread(key, why, (weight,)) for weight in weights]


def _rows(pipeline: _Pipeline, path: Path) -> FoundRows:
    """Return where the rows are: those of evaluation are the rows of validation."""
    data = pipeline.message("data_config")
    kind = text_at(data, "dataset_type", pipeline.place_of("data_config"))
    problem = ""
    if kind not in FORMATS:
        problem = f"dataset_type must be one of {' and '.join(FORMATS)}, got {shortened(kind)}"
    elif kind == "CsvDataset" and data.get("with_header") is not True:
        problem = "a CSV table must have a header, got one without (with_header)"
    elif kind == "CsvDataset" and data.get("delimiter", ",") != ",":
        problem = f"delimiter must be a comma, got {shortened(repr(data['delimiter']))}"
    place = pipeline.place_of()
    paths = {
        split: text_at(pipeline.file.tree, f"{name}_input_path", place)
        for split, name in (("train", "train"), ("valid", "eval"))
    }
    given = {split: where for split, where in paths.items() if where}
    absolute = path.resolve().parent
    folders = dict.fromkeys([Path.cwd(), absolute, *absolute.parents[:1]])
    return FoundRows(given, tuple(folders), problem)


def _carried(
    pipeline: _Pipeline,
    model: str,
    known: EasyRecModel | None,
    towers: Sequence[Mapping[str, Any]],
) -> Carried:
    """Apply the rules; of features, those below their kind (`feature_configs.id_feature`)."""
    rules: dict[str, Rule] = {**PIPELINE, **OPTIMISERS}
    if known is not None:
        rules |= {f"model_config.{model}.{key}": rule for key, rule in known.rules.items()}
    elif model:
        rules[f"model_config.{model}"] = left("is of a model that is not here")
        named = [f"model_config.{model}.task_towers.{key}" for key in ("tower_name", "label_name")]
        rules |= dict.fromkeys(named, READ)
    entries = entries_of(pipeline.file)
    for entry in entries:
        if entry.key.startswith("feature_configs."):
            rules[entry.key] = _rule_of_feature(entry.key)
    carried = carry_over(entries, rules)
    of_embeddings, key = _of_embeddings(pipeline, carried.settings)
    carried = carried.adding(known.settings if known else {}).adding(of_embeddings, key)
    of_model = f"model_config.{model}"
    carried = carried.adding(_task_weights(towers), f"{of_model}.task_towers.weight")
    return carried.adding(_levels(pipeline, model), f"{of_model}.extraction_networks")


def _rule_of_feature(key: str) -> Rule:
    """Return the rule of the first step below the kind of a feature that has one."""
    return next((FEATURE[step] for step in key.split(".") if step in FEATURE), Rule())


def _levels(pipeline: _Pipeline, model: str) -> dict[str, Value]:
    """Return the number of levels of PLE, which is that of its networks."""
    if model != "ple":
        return {}
    place = pipeline.file.place(("model_config", model))
    networks = pipeline.message("model_config", model).get("extraction_networks")
    return {"model.num_levels": count(len(mappings(networks, place, "extraction_networks")) or 1)}


def _of_embeddings(
    pipeline: _Pipeline, settings: Mapping[str, Value]
) -> tuple[dict[str, Value], str]:
    """Return the optimiser of embeddings and its rate as a multiple of another, and their key."""
    rate = positive(settings.get("train.learning_rate", OUR_RATE))
    for theirs, ours in EMBEDDING_OPTIMISERS.items():
        own_rate = pipeline.message(*SPARSE.split("."), theirs).get("lr")
        if own_rate is not None:
            multiplier = round(positive(own_rate) / rate, 9)
            of_embeddings: dict[str, Value] = {OPTIMISER: ours, MULTIPLIER: multiplier}
            return of_embeddings, f"{SPARSE}.{theirs}.lr"
    return {}, ""


def _task_weights(towers: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    """Return the weights of tasks that have one."""
    weighted = [tower for tower in towers if tower.get("weight") is not None]
    return {
        f"train.task_weights.{tower['tower_name']}": positive(tower["weight"]) for tower in weighted
    }
