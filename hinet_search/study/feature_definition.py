"""Feature definition: the input columns of a model, and inputs derived from labels and lists.

statistics   smoothed label rates and row counts of a key (a user, a video, a user in a tab), from
             earlier days
lists        list-valued columns (watched videos, genres), pooled with the item's embedding or one
             of their own
matches      numbers that compare a row's item with the lists: how many are by the same author
events       earlier rows of a key in the log, their label rates and last labels
session      the row's place in the visit of its user
sequences    the last rows of a key before the row, which a model reads one by one
"""

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import chain
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hinet_search.common.errors import did_you_mean
from hinet_search.common.frozen_model import (
    LEFT_OUT_IF_EMPTY,
    LEFT_OUT_IF_NONE,
    Frozen,
    Positive,
    Text,
)
from hinet_search.results.data_record import ALL, AND, NONE, chosen_groups, groups_without
from hinet_search.study.event_definition import (
    EventsDefinition,
    SequenceDefinition,
    SessionDefinition,
)
from hinet_search.study.statistics_definition import StatisticsDefinition

Pooling = Literal["mean", "attention"]
NumberEncoding = Literal["standardised", "bins", "piecewise"]
LEFT_OUT_IF_STANDARDISED = Field(exclude_if=lambda value: value == "standardised")
STATISTICS = "statistics"
LISTS = "lists"
MATCHES = "matches"
EVENTS = "events"
SESSION = "session"
SEQUENCES = "sequences"
# Predefined groups: each is all inputs of that kind.
DERIVED = (STATISTICS, LISTS, MATCHES, EVENTS, SESSION, SEQUENCES)
LOG = "log"
QUANTILE = "quantile"
PARTS: tuple[Literal["sin", "cos"], ...] = ("sin", "cos")  # of a cycle: its two inputs

Finite = Annotated[float, Field(ge=-1e30, le=1e30, allow_inf_nan=False)]


class ListDefinition(Frozen):
    """A column of lists, or of texts that `separator` splits into lists.

    With `item`, a categorical feature, entries are its ids: the list shares its vocabulary and
    embedding. Without it, the list has a vocabulary and embedding of its own. Only the first
    `length` entries are used. A list that is not `pooled` is not an input itself: only `matches`
    use it.
    """

    column: Text
    item: Text | None = None
    length: Annotated[int, Field(ge=1, le=1000)] = 50
    pooled: bool = True
    pooling: Pooling = "mean"
    separator: Text | None = None

    @property
    def own_item(self) -> str:
        """The feature `item` of a list that has one, as lists of matches do."""
        assert self.item is not None, "only called for lists with an item"
        return self.item

    @model_validator(mode="after")
    def _without_item(self) -> "ListDefinition":
        if self.item is None and not self.pooled:
            raise ValueError("a list without 'item' must be pooled: matches need lists of items")
        if self.item is None and self.pooling == "attention":
            raise ValueError("attention is by the row's item: it needs the key 'item'")
        return self


class MatchesDefinition(Frozen):
    """Numbers that compare a row's item with the row's lists.

    `by` names columns of the row: the item or attributes of it. For each of `lists` they give the
    number and the share of entries that agree with the row. `rates` such as
    `{long_watched: watched}` give, for every column of `by`, how often the row's value occurs in
    all users' long_watched lists per occurrence in their watched lists, smoothed. `similarity`
    names lists whose entries are compared with the item by their common users (`factors` of a
    truncated SVD).
    """

    lists: Annotated[tuple[Text, ...], Field(min_length=1)]
    by: Annotated[tuple[Text, ...], Field(min_length=1)]
    rates: dict[Text, Text] = Field(default_factory=dict)
    similarity: tuple[Text, ...] = ()
    smoothing: Positive = 20.0
    factors: Annotated[int, Field(ge=2, le=256)] = 32

    @property
    def named_lists(self) -> tuple[str, ...]:
        """Every list that is used for a number, each once."""
        return tuple(
            dict.fromkeys([*self.lists, *self.rates, *self.rates.values(), *self.similarity])
        )

    @model_validator(mode="after")
    def _distinct(self) -> "MatchesDefinition":
        for key, names in (("lists", self.lists), ("by", self.by), ("similarity", self.similarity)):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(
                    f"matches need every name of '{key}' once, got twice: {', '.join(repeated)}"
                )
        return self


class CycleDefinition(Frozen):
    """A cycle of that length, such as 24 for hours: sine and cosine of 2 pi x / cycle."""

    cycle: Positive


Transform = Literal["log", "quantile"] | CycleDefinition


class FeatureDefinition(Frozen):
    """The input columns of a model, and the inputs derived from others.

    `clip` limits numeric columns to a range, `{income: [0, 1000000]}`: values outside become the
    nearest end. `transforms` are of numeric columns, `{income: log, hour: {cycle: 24}}`, and come
    after `clip`: `log` is sign(x) log(1 + |x|), `quantile` the normal score of a value's rank among
    training rows, and a cycle replaces the column by two inputs.

    `groups` names sets of columns that a search can switch off together;
    `features.groups` of a configuration is `all`, `none` (only ungrouped columns) or names joined
    by `+`. `distinct_by_scenario` names categorical features whose ids every scenario numbers for
    itself: value and scenario together are the category, also as a key of statistics.
    """

    categorical: tuple[Text, ...] = ()
    numeric: tuple[Text, ...] = ()
    statistics: StatisticsDefinition | None = None
    lists: dict[Text, ListDefinition] = Field(default_factory=dict)
    matches: MatchesDefinition | None = None
    events: Annotated[EventsDefinition | None, LEFT_OUT_IF_NONE] = None
    session: Annotated[SessionDefinition | None, LEFT_OUT_IF_NONE] = None
    sequences: Annotated[dict[Text, SequenceDefinition], LEFT_OUT_IF_EMPTY] = Field(
        default_factory=dict, max_length=20
    )
    groups: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    clip: dict[Text, tuple[Finite, Finite]] = Field(default_factory=dict)
    transforms: dict[Text, Transform] = Field(default_factory=dict)
    distinct_by_scenario: tuple[Text, ...] = ()

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names that `features.groups` may join: the defined derived kinds, then the groups."""
        is_defined = {
            STATISTICS: self.statistics is not None,
            LISTS: any(definition.pooled for definition in self.lists.values()),
            MATCHES: self.matches is not None,
            EVENTS: self.events is not None,
            SESSION: self.session is not None,
            SEQUENCES: bool(self.sequences),
        }
        return (*(name for name in DERIVED if is_defined[name]), *self.groups)

    @property
    def has_numbers(self) -> bool:
        """Whether any input is a number, of a column or derived."""
        derived = (self.statistics, self.matches, self.events, self.session)
        return bool(self.numeric) or any(each is not None for each in derived)

    def leaves_inputs(self, groups: str) -> bool:
        """Whether a model has any input with this (valid) value of `features.groups`."""
        chosen = chosen_groups(groups, self.group_names)
        dropped: set[str] = set()
        for group in self.groups.keys() - chosen:
            dropped.update(self.groups[group])
        derived = {STATISTICS, MATCHES, EVENTS, SESSION} & chosen
        return bool(derived or {*self.categorical, *self.numeric} - dropped)

    @property
    def optional_groups(self) -> tuple[str, ...]:
        """The groups without which a model has inputs."""
        return tuple(group for group in self.group_names if self.leaves_inputs_without([group]))

    def leaves_inputs_without(self, left_out: Collection[str]) -> bool:
        """Whether a model has any input without these groups."""
        return self.leaves_inputs(groups_without(left_out, self.group_names))

    @property
    def seen_columns(self) -> frozenset[str]:
        """Every column whose value in a row is an input of the model, itself or as a key."""
        columns = {*self.categorical, *self.numeric}
        for keyed in (self.statistics, self.events):
            if keyed is not None:
                columns.update(*keyed.keys)
        columns.update(*(sequence.key for sequence in self.sequences.values()))
        columns.update(definition.column for definition in self.lists.values())
        if self.matches is not None:
            columns.update(self.matches.by)
        return frozenset(columns)

    def inputs_of(self, column: str) -> tuple[str, ...]:
        """The inputs that a feature becomes, without flags: two for a cycle, else one."""
        is_cycle = isinstance(self.transforms.get(column), CycleDefinition)
        return tuple(cycle_input(column, part) for part in PARTS) if is_cycle else (column,)

    @model_validator(mode="after")
    def _some_and_distinct(self) -> "FeatureDefinition":
        names = [*self.categorical, *self.numeric]
        if not names:
            raise ValueError("features need at least one categorical or numeric column")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"features are named twice: {', '.join(repeated)}")
        return self

    @model_validator(mode="after")
    def _clip_of_numbers(self) -> "FeatureDefinition":
        for name, (low, high) in self.clip.items():
            if name not in self.numeric:
                raise ValueError(f"clip: '{name}' must be one of the numeric features")
            if low >= high:
                must = f"the range of '{name}' must be [LOW, HIGH] with LOW < HIGH"
                raise ValueError(f"clip: {must}, got {[low, high]}")
        return self

    @model_validator(mode="after")
    def _transforms_of_numbers(self) -> "FeatureDefinition":
        for name in self.transforms:
            if name not in self.numeric:
                raise ValueError(
                    f"transforms: '{name}' must be one of the numeric features, got "
                    f"{', '.join(self.numeric) or 'none'}; list it under numeric, or remove its "
                    "transform"
                )
            taken = {*self.categorical, *self.numeric, *self.lists} - {name}
            clashes = sorted(taken.intersection(self.inputs_of(name)))
            if clashes:
                raise ValueError(
                    f"transforms: the cycle of '{name}' adds the input '{clashes[0]}', which must "
                    "not be the name of another feature or list; rename that one"
                )
        return self

    @model_validator(mode="after")
    def _distinct_features(self) -> "FeatureDefinition":
        items = {definition.item for definition in self.lists.values()}
        compared = set(self.matches.by) if self.matches is not None else set()
        clock = self.statistics.clock if self.statistics is not None else None
        for name in self.distinct_by_scenario:
            if name not in self.categorical:
                raise ValueError(
                    f"distinct_by_scenario: '{name}' must be one of the categorical features"
                )
            if name in items | compared:
                raise ValueError(
                    f"distinct_by_scenario: '{name}' must not be the item of a list or a column of "
                    "matches, as entries of lists are of no scenario"
                )
            if name == clock:
                raise ValueError(f"distinct_by_scenario: '{name}' is a clock and no id")
        return self

    @model_validator(mode="after")
    def _lists_of_items(self) -> "FeatureDefinition":
        columns = [definition.column for definition in self.lists.values()]
        for name, definition in self.lists.items():
            if definition.item is not None and definition.item not in self.categorical:
                must = "must be one of the categorical features"
                raise ValueError(f"list {name}: item '{definition.item}' {must}")
            if name in (*self.categorical, *self.numeric):
                raise ValueError(f"list {name}: must not have the name of a feature")
            if definition.separator is not None and columns.count(definition.column) > 1:
                raise ValueError(
                    f"list {name}: column '{definition.column}' has a separator and must be of one "
                    "list only"
                )
        return self

    @model_validator(mode="after")
    def _sequences_of_items(self) -> "FeatureDefinition":
        taken = [*self.categorical, *self.numeric, *self.lists]
        for name, sequence in self.sequences.items():
            for item in sequence.items:
                if item not in self.categorical:
                    raise ValueError(
                        f"sequence {name}: item '{item}' must be one of the categorical features, "
                        f"got {', '.join(self.categorical) or 'none'}"
                        f"{did_you_mean(item, self.categorical)}"
                    )
            clashes = sorted(set(taken).intersection(sequence.part_names(name)))
            if clashes:
                raise ValueError(
                    f"sequence {name}: adds the input '{clashes[0]}', which must not be the name "
                    "of a feature, a list or a part of another sequence; rename the sequence"
                )
            taken += sequence.part_names(name)
        return self

    @model_validator(mode="after")
    def _matches_of_lists(self) -> "FeatureDefinition":
        if self.matches is not None:
            check_matches(self.matches, self.lists)
        return self

    @model_validator(mode="after")
    def _groups_of_columns(self) -> "FeatureDefinition":
        grouped = list(chain.from_iterable(self.groups.values()))
        reserved = [name for name in self.groups if name in (*DERIVED, ALL, NONE)]
        unknown = [name for name in grouped if name not in (*self.categorical, *self.numeric)]
        wrong = [f"'{name}' is the name of a kind of inputs" for name in reserved]
        wrong += [f"'{name}' must not hold '{AND}'" for name in self.groups if AND in name]
        wrong += [f"'{name}' is empty" for name, columns in self.groups.items() if not columns]
        wrong += [f"'{name}' is no feature" for name in unknown]
        repeated = [name for name, number in Counter(grouped).items() if number > 1]
        wrong += [f"'{name}' is in two groups" for name in sorted(repeated)]
        if wrong:
            raise ValueError(f"groups hold features, each once: {'; '.join(dict.fromkeys(wrong))}")
        return self


def check_matches(matches: MatchesDefinition, lists: Mapping[str, ListDefinition]) -> None:
    """Raise ValueError unless matches are made of lists of items that there are."""
    unknown = sorted(set(matches.named_lists) - set(lists))
    if unknown:
        raise ValueError(
            f"matches name no list: {', '.join(unknown)}, known: {', '.join(lists) or 'none'}"
        )
    without_item = [name for name in matches.named_lists if lists[name].item is None]
    if without_item:
        raise ValueError(
            f"matches need lists with the key 'item', {', '.join(without_item)} has none"
        )
    for numerator, denominator in matches.rates.items():
        items = lists[numerator].item, lists[denominator].item
        if len(set(items)) > 1:
            must = f"rate {numerator}: {denominator} must be of lists of one item"
            raise ValueError(f"{must}, got {items[0]} and {items[1]}")


def cycle_input(column: str, part: str) -> str:
    """Return the name of an input of a cycle: `hour sin`."""
    return f"{column} {part}"
