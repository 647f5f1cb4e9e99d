"""FuxiCTR's columns: the features and labels of a data set, and the inputs that they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hinet_search.common.errors import ConfigurationError, did_you_mean, shortened
from hinet_search.data.peers.found import FoundInput, each, mappings, text_at
from hinet_search.data.peers.fuxictr_sections import Section, folders_above
from hinet_search.data.peers.rules import Entry, Unread
from hinet_search.data.raw_values import listed
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import read

FEATURES = "feature_cols"
FEATURE_MAP = "feature_map"
SPLITTER = "^"
LONGEST_LIST = 1000  # of a definition
OF_FEATURES = ("features", "labels")  # of a feature map, read one by one
NOT_USED = "is not in use_features"


@dataclass(frozen=True)
class FuxiColumns:
    """The features of a data set with their entries; `labels` are those of a feature map.

    `are_mapped` says whether there is one.
    """

    specs: Sequence[tuple[str, Mapping[str, Any], str]]  # name, keys, place
    entries: Sequence[Entry]
    labels: Sequence[str] = ()
    are_mapped: bool = False

    @property
    def splitter(self) -> str:
        """What is between the entries of a list by default; lists of encoded rows have nothing."""
        return "" if self.are_mapped else SPLITTER


def columns_of(data: Section, folder: Path, name: str) -> FuxiColumns:
    """Return the features of feature_cols, or else of the feature map beside encoded rows."""
    if "feature_cols" not in data.values:
        return _mapped_columns(data, folder, name)
    items = mappings(data.values["feature_cols"], data.place(("feature_cols",)), "feature_cols")
    specs: list[tuple[str, Mapping[str, Any], str]] = []
    entries: list[Entry] = []
    for at, spec in _placed(data.values, "feature_cols", items):
        section = Section(data.file, (*data.at, *at))
        entries += section.entries(FEATURES)
        specs += [(column, spec, section.place()) for column in _names(spec, section.place())]
    return FuxiColumns(specs, entries)


def _mapped_columns(data: Section, folder: Path, name: str) -> FuxiColumns:
    root = text_at(data.values, "data_root", data.place)
    tried = [base / root / name / "feature_map.json" for base in folders_above(folder)]
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
    top_level = Section(file, ()).entries(FEATURE_MAP)
    entries += [entry for entry in top_level if entry.key.split(".")[1] not in OF_FEATURES]
    features = mappings(file.tree.get("features"), file.place(("features",)), "features")
    for holder, feature in _placed(file.tree, "features", features):
        for column, spec in feature.items():
            at = (*holder, column)
            if not isinstance(spec, dict):
                got = shortened(repr(spec))
                raise ConfigurationError(
                    f"{file.place(at)}: '{column}' must be a mapping of keys, got {got}"
                )
            entries += Section(file, at).entries(FEATURE_MAP)
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


def labels_of(data: Section, of_map: Sequence[str]) -> list[str]:
    """Return the columns of the labels, those of label_col or else of the feature map."""
    place = data.place(("label_col",))
    columns = mappings(data.values.get("label_col"), place, "label_col")
    labels = [name for column in columns for name in _names(column, place)] or list(of_map)
    if not labels:
        raise ConfigurationError(f"{place}: label_col must name a label, got none")
    return labels


def check_used(columns: FuxiColumns, used: Sequence[Any] | None, chosen: Section | None) -> None:
    """Raise ConfigurationError if the experiment uses a feature that there is not."""
    known = [name for name, _, _ in columns.specs]
    unknown = [name for name in used or () if name not in known]
    if unknown and chosen is not None:
        got = shortened(repr(unknown[0]))
        raise ConfigurationError(
            f"{chosen.place(('use_features',))}: use_features must name features, "
            f"got {got}{did_you_mean(str(unknown[0]), known)}"
        )


def inputs_of(
    columns: FuxiColumns, used: Sequence[str] | None
) -> tuple[list[FoundInput], list[Unread]]:
    """Return the inputs that are active and used, and what is said of the others."""
    inputs: dict[str, FoundInput] = {}
    unread: list[Unread] = []
    for name, spec, place in columns.specs:
        if name in inputs:
            raise ConfigurationError(f"{place}: a column is a feature once, got '{name}' twice")
        is_used = used is None or name in used
        found: FoundInput | Unread = Unread(f"feature {name}", NOT_USED)
        if is_used:
            found = _input(name, {"splitter": columns.splitter, **spec}, inputs)
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
        return FoundInput(name, "list", item, _length(spec), str(spec["splitter"]))
    return Unread(f"feature {name}", f"type {shortened(str(kind))} is no input here")


def _length(spec: Mapping[str, Any]) -> int | None:
    length = spec.get("max_len")
    return length if type(length) is int and 1 <= length <= LONGEST_LIST else None


def _lost(found: FoundInput, spec: Mapping[str, Any]) -> Iterator[Unread]:
    """Yield the keys that are read for some features, and not carried over for this one."""
    if spec.get("share_embedding") and not found.item:
        yield Unread(f"feature {found.column}: share_embedding", "it has an embedding of its own")
    if found.kind == "list" and not found.separator and spec.get("padding_idx") is not None:
        why = "counts as an entry: take it out of encoded lists"
        yield Unread(f"feature {found.column}: padding_idx", why, (spec["padding_idx"],))
    if found.kind == "list" and spec.get("max_len") and found.length is None:
        why = f"lists keep their first entries, at most {LONGEST_LIST:,}; here the default, 50"
        yield Unread(f"feature {found.column}: max_len", why, (spec["max_len"],))
