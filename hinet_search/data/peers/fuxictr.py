"""FuxiCTR: read a folder with its dataset_config.yaml and model_config.yaml."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hinet_search.common.errors import ConfigurationError, did_you_mean, shortened
from hinet_search.data.peers.found import (
    SPLITS,
    FoundConfiguration,
    FoundInput,
    FoundRows,
    each,
    mappings,
    text_at,
)
from hinet_search.data.peers.fuxictr_rules import COLUMN, DATASET, MODELS, TRAINING
from hinet_search.data.peers.rules import (
    READ,
    UNKNOWN,
    Carried,
    Entry,
    Rule,
    Unread,
    carry_over,
    entries_of,
    same,
)
from hinet_search.data.raw_values import listed
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import YamlFile, read

BASE = "Base"  # keys of all experiments of a file
FORMATS = ("csv", "parquet")
SPLITTER = "^"  # of lists, by default
LONGEST_LIST = 1000  # of a definition
NOT_USED = "is not in use_features"
EVERY_EPOCH = {"train.evaluations_per_pass": 1}
NO_SUCH_MODEL = "is no model here, so the study has no arm of yours"


@dataclass(frozen=True)
class Section:
    """A mapping of a file: an experiment or a data set."""

    file: YamlFile
    at: Location

    @property
    def values(self) -> Mapping[str, Any]:
        """The mapping."""
        value: Any = self.file.tree
        for step in self.at:
            value = value[step]
        return value  # type: ignore[no-any-return]  # checked where sections are made

    def place(self, at: Location = ()) -> str:
        """Return the place of a key of the mapping."""
        return self.file.place((*self.at, *at))

    def entries(self, key: str = "") -> list[Entry]:
        """Return the entries, each below `key` if there is one."""
        entries = entries_of(self.file, self.at)
        return [replace(entry, key=f"{key}.{entry.key}") if key else entry for entry in entries]


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
    chosen = _experiment(folder, experiment)
    settings = {} if chosen is None else _settings(chosen)
    data = _dataset(folder, dataset, settings.get("dataset_id"))
    name = str(data.at[0])
    columns = _columns(data, folder, name)
    labels = _labels(data, columns.labels)
    used = each(settings.get("use_features")) or None
    _check_used(columns, used, chosen)
    inputs, unread = _inputs(columns.specs, used)
    carried = _carried(data, columns, chosen, len(labels))
    model = str(settings.get("model", ""))
    if model and model not in MODELS:
        unread.append(Unread(f"model {model}", NO_SUCH_MODEL))
    return FoundConfiguration(
        library="FuxiCTR",
        name=name,
        rows=_rows(data, folder),
        tasks={label: label for label in labels},
        inputs=tuple(inputs),
        their_model=model,
        model=MODELS[model].model if model in MODELS else "",
        carried=carried,
        unread=tuple(unread),
        user=_user(settings, chosen),
    )


def _sections(folder: Path, stem: str) -> dict[str, Section]:
    """Return the sections of STEM.yaml, or of all files in a folder of that name."""
    alone = [folder / f"{stem}.yaml", folder / f"{stem}.yml"]
    files = [file for file in alone if file.is_file()][:1]
    if not files:
        files = sorted([*folder.glob(f"{stem}/*.yaml"), *folder.glob(f"{stem}/*.yml")])
    sections = {}
    for path in files:
        file = read(path)
        for name, values in file.tree.items():
            if not isinstance(values, dict):
                got = shortened(repr(values))
                raise ConfigurationError(
                    f"{file.place((name,))}: '{name}' must be a mapping of keys, got {got}"
                )
            sections[str(name)] = Section(file, (name,))
    return sections


def _experiment(folder: Path, name: str | None) -> Section | None:
    """Return the chosen experiment; None if the folder has none at all."""
    sections = _sections(folder, "model_config")
    known = [each for each in sections if each != BASE]
    if not sections and name is None:
        return None
    return sections[_chosen(known, name, folder / "model_config.yaml", "--experiment")]


def _dataset(folder: Path, given: str | None, of_experiment: Any) -> Section:
    """Return the data set that is given, else that of the experiment, else the only one."""
    sections = _sections(folder, "dataset_config")
    if given is None and str(of_experiment) in sections:
        given = str(of_experiment)
    return sections[_chosen(list(sections), given, folder / "dataset_config.yaml", "--dataset")]


def _chosen(known: Sequence[str], given: str | None, path: Path, option: str) -> str:
    """Return the given name, or the only one."""
    if not known:
        raise ConfigurationError(
            f"{path}: must have a section for {option}, found none",
            remedy="name the folder that holds dataset_config.yaml and model_config.yaml",
        )
    chosen = known[0] if given is None and len(known) == 1 else given
    if chosen is None or chosen not in known:
        got = "got none" if chosen is None else f"got '{chosen}'{did_you_mean(chosen, known)}"
        raise ConfigurationError(f"{option} must be one of {listed(known)}, {got}")
    return chosen


def _base(chosen: Section) -> Section | None:
    """Return the keys of all experiments of its file."""
    if not isinstance(chosen.file.tree.get(BASE), dict):
        return None
    return Section(chosen.file, (BASE,))


def _settings(chosen: Section) -> dict[str, Any]:
    """Return the keys of an experiment and those of all."""
    base = _base(chosen)
    return {**(base.values if base else {}), **chosen.values}


@dataclass(frozen=True)
class FuxiColumns:
    """The features of a data set with their entries; `labels` are those of a feature map.

    `are_mapped` says whether there is one.
    """

    specs: Sequence[tuple[str, Mapping[str, Any], str]]  # name, keys, place
    entries: Sequence[Entry]
    labels: Sequence[str] = ()
    are_mapped: bool = False


def _columns(data: Section, folder: Path, name: str) -> FuxiColumns:
    """Return the features of feature_cols, or else of the feature map beside encoded rows."""
    if "feature_cols" not in data.values:
        return _mapped_columns(data, folder, name)
    items = mappings(data.values["feature_cols"], data.place(("feature_cols",)), "feature_cols")
    specs: list[tuple[str, Mapping[str, Any], str]] = []
    entries: list[Entry] = []
    for at, spec in _placed(data.values, "feature_cols", items):
        section = Section(data.file, (*data.at, *at))
        entries += section.entries("feature_cols")
        specs += [(column, spec, section.place()) for column in _names(spec, section.place())]
    return FuxiColumns(specs, entries)


def _mapped_columns(data: Section, folder: Path, name: str) -> FuxiColumns:
    root = text_at(data.values, "data_root", data.place)
    tried = [base / root / name / "feature_map.json" for base in _folders(folder)]
    found = [path for path in tried if path.is_file()]
    if not found:
        raise ConfigurationError(
            f"{data.place()}: '{name}' must have feature_cols, or a feature_map.json below its "
            f"data_root, found none in any of {listed([str(path.parent) for path in tried])}",
            remedy="write feature_cols and label_col, or say the command where their trainer runs",
        )
    file = read(found[0])
    specs: list[tuple[str, Mapping[str, Any], str]] = []
    entries: list[Entry] = []
    features = mappings(file.tree.get("features"), file.place(("features",)), "features")
    for holder, feature in _placed(file.tree, "features", features):
        for column, spec in feature.items():
            at = (*holder, column)
            if not isinstance(spec, dict):
                got = shortened(repr(spec))
                raise ConfigurationError(
                    f"{file.place(at)}: '{column}' must be a mapping of keys, got {got}"
                )
            entries += Section(file, at).entries("feature_map")
            specs.append((str(column), spec, file.place(at)))
    labels = [str(label) for label in each(file.tree.get("labels"))]
    return FuxiColumns(specs, entries, labels, are_mapped=True)


def _placed(
    mapping: Mapping[str, Any], key: str, items: Sequence[dict[str, Any]]
) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Yield the items of a key with their locations, whether it is a list or the only one."""
    is_list = isinstance(mapping[key], list)
    for index, item in enumerate(items):
        yield ((key, index) if is_list else (key,)), item


def _names(spec: Mapping[str, Any], place: str) -> list[str]:
    """Return the names of the columns that share a feature's keys."""
    names = each(spec.get("name"))
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigurationError(
            f"{place}: name must be a text or a list of texts, got {shortened(repr(names))}"
        )
    return names


def _labels(data: Section, of_map: Sequence[str]) -> list[str]:
    place = data.place(("label_col",))
    columns = mappings(data.values.get("label_col"), place, "label_col")
    labels = [name for column in columns for name in _names(column, place)] or list(of_map)
    if not labels:
        raise ConfigurationError(f"{place}: label_col must name a label, got none")
    return labels


def _check_used(columns: FuxiColumns, used: Sequence[Any] | None, chosen: Section | None) -> None:
    """Raise ConfigurationError if the experiment uses a feature that there is not."""
    known = [name for name, _, _ in columns.specs]
    unknown = [name for name in used or () if name not in known]
    if unknown and chosen is not None:
        got = shortened(repr(unknown[0]))
        raise ConfigurationError(
            f"{chosen.place(('use_features',))}: use_features must name features, "
            f"got {got}{did_you_mean(str(unknown[0]), known)}"
        )


def _inputs(
    specs: Sequence[tuple[str, Mapping[str, Any], str]], used: Sequence[str] | None
) -> tuple[list[FoundInput], list[Unread]]:
    """Return the inputs that are active and used, and what is said of the others."""
    inputs: dict[str, FoundInput] = {}
    unread: list[Unread] = []
    for name, spec, place in specs:
        if name in inputs:
            raise ConfigurationError(f"{place}: a column is a feature once, got '{name}' twice")
        is_used = used is None or name in used
        found = _input(name, spec, inputs) if is_used else Unread(f"feature {name}", NOT_USED)
        if isinstance(found, FoundInput):
            inputs[name] = found
            unread += _lost(found, spec)
        else:
            unread.append(found)
    return list(inputs.values()), unread


def _input(
    name: str, spec: Mapping[str, Any], known: Mapping[str, FoundInput]
) -> FoundInput | Unread:
    kind = spec.get("type")
    if spec.get("active") is False or kind == "meta":
        return Unread(f"feature {name}", "is no input there either")
    if spec.get("preprocess"):
        how = shortened(str(spec["preprocess"]))
        return Unread(f"feature {name}", f"is made by their code ({how}): write it into the rows")
    if kind == "numeric" or spec.get("category_processor") == "quantile_bucket":
        return FoundInput(name, "numeric")
    if kind == "categorical":
        return FoundInput(name, "categorical")
    if kind == "sequence":
        shared = known.get(str(spec.get("share_embedding")))
        item = shared.column if shared and shared.kind == "categorical" else ""
        separator = str(spec.get("splitter", SPLITTER))
        return FoundInput(name, "list", item, _length(spec), separator)
    return Unread(f"feature {name}", f"type {shortened(str(kind))} is no input here")


def _length(spec: Mapping[str, Any]) -> int | None:
    length = spec.get("max_len")
    return length if type(length) is int and 1 <= length <= LONGEST_LIST else None


def _lost(found: FoundInput, spec: Mapping[str, Any]) -> Iterator[Unread]:
    """Yield the keys that are read for some features, and not carried over for this one."""
    if spec.get("share_embedding") and not found.item:
        yield Unread(f"feature {found.column}: share_embedding", "it has an embedding of its own")
    if found.kind == "list" and spec.get("max_len") and found.length is None:
        why = f"lists keep their first entries, at most {LONGEST_LIST:,}; here the default, 50"
        yield Unread(f"feature {found.column}: max_len", why, (spec["max_len"],))


def _carried(
    data: Section, columns: FuxiColumns, chosen: Section | None, num_labels: int
) -> Carried:
    """Apply the rules of the data set, its features and the experiment."""
    rules: dict[str, Rule] = {**DATASET, **TRAINING}
    if columns.are_mapped:
        rules["data_root"] = READ
    rules["num_tasks"] = same(num_labels, why="every label is a task")
    rules |= {f"{of}.{key}": rule for of in COLUMN_KEYS for key, rule in COLUMN.items()}
    top_level = [entry for entry in data.entries() if not entry.key.startswith("feature_cols")]
    entries = [*top_level, *columns.entries]
    settings: dict[str, Any] = {}
    constants: Mapping[str, Any] = {}
    if chosen is not None:
        settings = _settings(chosen)
        base = _base(chosen)
        own = chosen.entries()
        hidden = set(chosen.values)
        common = base.entries() if base else []
        entries += [entry for entry in common if entry.key.partition(".")[0] not in hidden]
        entries += own
    model = MODELS.get(str(settings.get("model", "")))
    if model is not None:
        rules |= model.rules(settings)
        constants = {**EVERY_EPOCH, **model.settings}
    of_model = f"{UNKNOWN}, or is one of the model" if chosen and model is None else UNKNOWN
    carried = carry_over(entries, rules, of_model)
    return carried.adding(constants)


COLUMN_KEYS = ("feature_cols", "feature_map")


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
    return FoundRows(paths, tuple(_folders(folder)), problem)


def _folders(folder: Path) -> list[Path]:
    """Return where relative paths may start: their scripts run in a folder above."""
    absolute = folder.resolve()
    return list(dict.fromkeys([Path.cwd(), *absolute.parents[:2], absolute]))


def _user(settings: Mapping[str, Any], chosen: Section | None) -> str:
    """Return the column of group_id: their GAUC is of its groups, ours of users."""
    return "" if chosen is None else text_at(settings, "group_id", chosen.place)
