"""FuxiCTR: read a folder with its dataset_config.yaml and model_config.yaml."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hinet_search.common.errors import ConfigurationError, shortened
from hinet_search.data.peers.found import SPLITS, FoundConfiguration, FoundRows, each, text_at
from hinet_search.data.peers.fuxictr_columns import (
    FEATURE_MAP,
    FEATURES,
    FuxiColumns,
    check_used,
    columns_of,
    inputs_of,
    labels_of,
)
from hinet_search.data.peers.fuxictr_rules import COLUMN, DATASET, ENCODED, MODELS, TRAINING
from hinet_search.data.peers.fuxictr_sections import (
    Section,
    dataset_of,
    experiment_entries,
    experiment_of,
    folders_above,
    settings_of,
)
from hinet_search.data.peers.rules import READ, UNKNOWN, Carried, Rule, Unread, carry_over, same

FORMATS = ("csv", "parquet")
DEFAULTS = {"train.evaluations_per_pass": 1, "train.patience": 2, "train.clip_norm": 10.0}
NO_SUCH_MODEL = "is no model here, so the study has no arm of yours"


def read_fuxictr(
    folder: Path, dataset: str | None = None, experiment: str | None = None
) -> FoundConfiguration:
    """Read a data set and an experiment of a folder; of several, by their names.

    ConfigurationError if a file is missing or wrong, or if several are there and none is named.
    """
    if not folder.is_dir():
        raise ConfigurationError(
            "--from-fuxictr must be a folder with dataset_config.yaml, "
            f"got {shortened(str(folder))}"
        )
    chosen = experiment_of(folder, experiment)
    settings = {} if chosen is None else settings_of(chosen)
    data = dataset_of(folder, dataset, settings.get("dataset_id"))
    name = str(data.at[0])
    columns = columns_of(data, folder, name)
    labels = labels_of(data, columns.labels)
    used = each(settings.get("use_features")) or None
    check_used(columns, used, chosen)
    inputs, unread = inputs_of(columns, used)
    carried = _carried(data, columns, chosen, len(labels))
    model = str(settings.get("model", ""))
    named = name if dataset else settings.get("dataset_id")
    return FoundConfiguration(
        library="FuxiCTR",
        name=name,
        rows=_rows(data, folder),
        tasks={label: label for label in labels},
        inputs=tuple(inputs),
        their_model=model,
        model=MODELS[model].model if model in MODELS else "",
        carried=carried,
        defaults=DEFAULTS,
        unread=(*unread, *_absent(model, named, name)),
        user=_user(settings, chosen),
    )


def _absent(model: str, named: Any, data_set: str) -> Iterator[Unread]:
    """Yield the model that is not here, and the data set that is named and not there."""
    if model and model not in MODELS:
        yield Unread(f"model {model}", NO_SUCH_MODEL)
    if named is not None and str(named) != data_set:
        yield Unread("dataset_id", f"is not there; {data_set} is the only data set", (named,))


def _carried(
    data: Section, columns: FuxiColumns, chosen: Section | None, num_labels: int
) -> Carried:
    """Apply the rules of the data set, its features and the experiment."""
    rules: dict[str, Rule] = {**DATASET, **TRAINING}
    if columns.are_mapped:
        rules["data_root"] = READ
    rules["num_tasks"] = same(num_labels, why="every label is a task")
    rules |= {f"{FEATURES}.{key}": rule for key, rule in COLUMN.items()}
    rules |= {f"{FEATURE_MAP}.{key}": rule for key, rule in {**COLUMN, **ENCODED}.items()}
    top_level = [entry for entry in data.entries() if entry.top_key != FEATURES]
    entries = [*top_level, *columns.entries]
    settings: dict[str, Any] = {}
    constants: Mapping[str, Any] = {}
    if chosen is not None:
        settings = settings_of(chosen)
        entries += experiment_entries(chosen)
    model = MODELS.get(str(settings.get("model", "")))
    if model is not None:
        rules |= model.rules(settings)
        constants = model.settings
    of_model = f"{UNKNOWN}, or is one of the model" if chosen and model is None else UNKNOWN
    carried = carry_over(entries, rules, of_model)
    return carried.adding(constants)


def _rows(data: Section, folder: Path) -> FoundRows:
    """Return where the rows are; a path without the suffix of the format is a folder there."""
    kind = text_at(data.values, "data_format", data.place) or "csv"
    problem = ""
    if kind not in FORMATS:
        problem = f"data_format must be csv or parquet to be read here, got {shortened(kind)}"
    elif data.values.get("sep", ",") != ",":
        problem = f"sep must be a comma, got {shortened(repr(data.values['sep']))}"
    paths = {}
    for split in SPLITS:
        path = text_at(data.values, f"{split}_data", data.place)
        if path:
            paths[split] = path if path.endswith(kind) else f"{path}/*.{kind}"
    return FoundRows(paths, tuple(folders_above(folder)), problem)


def _user(settings: Mapping[str, Any], chosen: Section | None) -> str:
    """Return the column of group_id: their GAUC is of its groups, ours of users."""
    return "" if chosen is None else text_at(settings, "group_id", chosen.place)
