"""TorchEasyRec's features: which columns are inputs, and what is made by code of theirs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hinet_search.common.errors import ConfigurationError, shortened
from hinet_search.data.peers.found import FoundInput, each, mappings
from hinet_search.data.peers.rules import VOCABULARY, Unread
from hinet_search.study.event_definition import key_name
from hinet_search.study.hashed_definition import FEWEST_BUCKETS, MOST_BUCKETS
from hinet_search.study.yaml_file import YamlFile

LONGEST_LIST = 1000  # of a definition
HASHED = "hash_bucket_size"
DELIMITER = ";"  # of the entries of a list, by default
SIDES = ("user", "item", "context", "feature")  # of an expression: `user:age`


@dataclass(frozen=True)
class FoundFeatures:
    """The inputs, the crosses of two of them, and the features that are neither.

    `hashed` has the number of buckets of categorical inputs and crosses.
    """

    inputs: tuple[FoundInput, ...]
    crosses: tuple[tuple[str, str], ...]
    hashed: Mapping[str, int]
    unread: tuple[Unread, ...]


@dataclass(frozen=True)
class _Feature:
    """A feature: its kind (`id_feature`), its message, its place, and the list that it is in.

    `is_made` says whether rows have the features that their generator makes, by their names.
    """

    kind: str
    values: Mapping[str, Any]
    place: str
    is_made: bool
    sequence: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The name by which groups call it."""
        key = "sequence_name" if self.kind == "sequence_feature" else "feature_name"
        name = self.values.get(key)
        if not isinstance(name, str) or not name:
            raise ConfigurationError(
                f"{self.place}: {key} must be a text, got {shortened(repr(name))}"
            )
        return f"{self._prefix}{name}"

    @property
    def _prefix(self) -> str:
        return f"{self.sequence['sequence_name']}__" if self.sequence else ""

    @property
    def table(self) -> str:
        """The name of its embeddings."""
        return str(self.values.get("embedding_name") or f"{self.values['feature_name']}_emb")

    @property
    def column(self) -> str:
        """The column of its expression, or of its name if it has none or is made."""
        expression = self.values.get("expression")
        if self.is_made or expression is None:
            return self.name
        if not isinstance(expression, str):
            got = shortened(repr(expression))
            raise ConfigurationError(f"{self.place}: expression must be a text, got {got}")
        side, colon, column = expression.partition(":")
        return f"{self._prefix}{column if colon and side in SIDES else expression}"


def features_of(file: YamlFile, groups: Collection[str] | None, *, are_made: bool) -> FoundFeatures:
    """Return the features that are in a group; all of them if there are no groups.

    `are_made` says whether rows have the features that their generator makes.
    """
    inputs: dict[str, FoundInput] = {}
    tables: dict[str, str] = {}
    crosses: list[tuple[str, str]] = []
    hashed: dict[str, int] = {}
    features, unread = _grouped(list(_features(file, are_made=are_made)), groups)
    for feature in features:
        pair = _pair(feature, inputs, crosses)
        found = _input(feature, tables)
        field = key_name(pair) if pair else _new_category(found, inputs)
        hashed |= _buckets(feature, field)
        unread += _rehashed(feature, field)
        if pair:
            crosses.append(pair)
        elif isinstance(found, FoundInput):
            if found.column in inputs:
                unread.append(
                    Unread(f"feature {feature.name}", f"column {found.column} is one already")
                )
            inputs.setdefault(found.column, found)
            if found.kind == "categorical":
                tables.setdefault(feature.table, found.column)
            unread += _lost(feature, found)
        else:
            unread.append(found)
    return FoundFeatures(tuple(inputs.values()), tuple(crosses), hashed, tuple(unread))


def _grouped(
    features: Sequence[_Feature], groups: Collection[str] | None
) -> tuple[Sequence[_Feature], list[Unread]]:
    """Return the features that are in a group, and what is said of all others."""
    known = [feature.name for feature in features]
    if groups is None:
        return features, []
    why = {name: "is in a group, and is no feature" for name in groups if name not in known}
    why |= {name: "is in no group of features" for name in known if name not in groups}
    unread = [Unread(f"feature {name}", reason) for name, reason in why.items()]
    return [feature for feature in features if feature.name in groups], unread


def _features(file: YamlFile, *, are_made: bool) -> Iterator[_Feature]:
    """Yield the features in order, those in a list one by one."""
    place = file.place(("feature_configs",))
    for index, holder in enumerate(mappings(file.tree.get("feature_configs"), place, "features")):
        at = file.place(("feature_configs", index))
        for kind, values in holder.items():
            for message in mappings(values, at, str(kind)):
                feature = _Feature(str(kind), message, at, are_made)
                if kind != "sequence_feature":
                    yield feature
                    continue
                assert feature.name
                for inner in mappings(message.get("features"), at, "features"):
                    for inner_kind, of in inner.items():
                        for part in mappings(of, at, str(inner_kind)):
                            yield _Feature(str(inner_kind), part, at, are_made, message)


def _pair(
    feature: _Feature, inputs: Mapping[str, FoundInput], known: Sequence[tuple[str, str]]
) -> tuple[str, str] | None:
    """Return two categorical columns whose combination is new; None for anything else."""
    if feature.kind != "combo_feature" or feature.sequence or feature.is_made:
        return None
    columns = [str(each).rpartition(":")[2] for each in each(feature.values.get("expression"))]
    kinds = [inputs[column].kind for column in columns if column in inputs]
    is_pair = kinds == ["categorical", "categorical"] and len(set(columns)) == 2
    is_new = set(columns) not in [set(pair) for pair in known]
    return (columns[0], columns[1]) if is_pair and is_new else None


def _input(feature: _Feature, tables: Mapping[str, str]) -> FoundInput | Unread:
    if feature.values.get("stub_type") is True:
        return Unread(f"feature {feature.name}", "is a step of their feature generator")
    kind = feature.kind.removeprefix("sequence_")
    if kind not in ("id_feature", "raw_feature"):
        remedy = (
            "name its column in the definition" if feature.is_made else "write it into the rows"
        )
        return Unread(f"feature {feature.name}", f"{kind} is made by their code: {remedy}")
    is_list = feature.sequence is not None or kind != feature.kind
    if kind == "raw_feature":
        return _number(feature, is_list=is_list)
    return _list(feature, tables) if is_list else _category(feature)


def _new_category(found: FoundInput | Unread, known: Mapping[str, FoundInput]) -> str:
    """Return the categorical column that an input is if it is the first of it, or nothing."""
    if isinstance(found, Unread) or found.kind != "categorical" or found.column in known:
        return ""
    return found.column


def _buckets(feature: _Feature, field: str) -> dict[str, int]:
    """Return the number of buckets of a categorical field, if it has as many as there may be."""
    size = feature.values.get(HASHED)
    if not field or type(size) is not int or not FEWEST_BUCKETS <= size <= MOST_BUCKETS:
        return {}
    return {field: size}


def _rehashed(feature: _Feature, field: str) -> Iterator[Unread]:
    """Yield what becomes of hashed ids, which are others here in any case."""
    size = feature.values.get(HASHED)
    if size is not None:
        is_hashed = bool(_buckets(feature, field))
        why = "hashes are others here, and so are the values that share a row"
        yield Unread(f"feature {feature.name}: {HASHED}", why if is_hashed else VOCABULARY, (size,))


def _number(feature: _Feature, *, is_list: bool) -> FoundInput | Unread:
    if is_list or feature.values.get("value_dim", 1) != 1:
        return Unread(f"feature {feature.name}", "vectors of numbers are no input here")
    return FoundInput(feature.column, "numeric")


def _category(feature: _Feature) -> FoundInput:
    """Return a category; with a separator it has several values, which are a list."""
    separator = feature.values.get("separator")
    if not isinstance(separator, str) or not separator:
        return FoundInput(feature.column, "categorical")
    return FoundInput(feature.column, "list", separator=separator)


def _list(feature: _Feature, tables: Mapping[str, str]) -> FoundInput:
    """Return a list, with the embedding of the input that its entries are ids of."""
    holder = feature.values if feature.sequence is None else feature.sequence
    length = holder.get("sequence_length")
    is_length = type(length) is int and 1 <= length <= LONGEST_LIST
    return FoundInput(
        feature.column,
        "list",
        tables.get(feature.table, "") if feature.sequence else "",
        length if is_length else None,
        str(holder.get("sequence_delim", DELIMITER)),
    )


def _lost(feature: _Feature, found: FoundInput) -> Iterator[Unread]:
    """Yield what is read of some features, and not carried over for this one."""
    holder = feature.values if feature.sequence is None else feature.sequence
    length = holder.get("sequence_length")
    if found.kind == "list" and found.length is None and length is not None:
        why = f"lists keep their first entries, at most {LONGEST_LIST:,}; here the default, 50"
        yield Unread(f"feature {feature.name}: sequence_length", why, (length,))
    if found.item and not feature.values.get("embedding_name"):
        yield Unread(f"feature {feature.name}", f"shares the embedding of {found.item} here")
    separator = feature.values.get("separator")
    if separator is not None and separator != found.separator:
        why = "an entry of a list is one value" if found.kind == "list" else "a number is one value"
        yield Unread(f"feature {feature.name}: separator", why, (separator,))
