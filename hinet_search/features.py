"""Features: the columns a model may see, and the inputs that are made of labels and of lists before it sees them.

statistics   smoothed label rates and row counts of a key (a user, a video, a user in a tab), from earlier days
lists        list-valued columns (watched videos), pooled with the item's embedding
matches      numbers that compare a row's item with the lists: how many of them are by the same author
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hinet_search.frozen import Frozen, Text

Pooling = Literal["mean", "attention"]
STATISTICS, LISTS, MATCHES = "statistics", "lists", "matches"
DERIVED = (STATISTICS, LISTS, MATCHES)  # groups that need not be named: each is all inputs of that kind
ALL, NONE, AND = "all", "none", "+"

Key = Text | tuple[Text, ...]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class StatisticsDefinition(Frozen):
    """Target statistics: per key and task a smoothed label rate, per key the number of rows it rests on.

    A key is a column or several together. With `clock`, a column whose values are days in order, a row counts labels of
    strictly earlier days; without it training rows are counted out of fold. `smoothing` is the number of rows of the
    mean rate that are added to every key.
    """

    by: Annotated[tuple[Key, ...], Field(min_length=1)]
    clock: Text | None = None
    smoothing: Positive = 20.0
    folds: Annotated[int, Field(ge=2, le=100)] = 5

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Every key as its columns."""
        return tuple((key,) if isinstance(key, str) else key for key in self.by)

    @model_validator(mode="after")
    def _distinct(self) -> "StatisticsDefinition":
        twice = sorted({key_name(key) for key in self.keys if self.keys.count(key) > 1 or len(set(key)) < len(key)})
        if twice or () in self.keys:
            raise ValueError(
                f"statistics need every key once, of different columns: {', '.join(twice) or 'one is empty'}"
            )
        return self


class ListDefinition(Frozen):
    """A column of lists of ids of the categorical feature `item`, with which it shares vocabulary and embedding.

    The first `length` entries count. A list that is not `pooled` is no input of its own: it feeds `matches` only.
    """

    column: Text
    item: Text
    length: Annotated[int, Field(ge=1, le=1000)] = 50
    pooled: bool = True
    pooling: Pooling = "mean"


class MatchesDefinition(Frozen):
    """Numbers that compare a row's item with the row's lists.

    `by`: columns of the row, the item itself or an attribute of it; for each of `lists`, how many entries agree with
    the row, and which share of the list that is. `rates`: `{long_watched: watched}` gives, for every column of `by`,
    how often all users' long_watched lists hold the row's value per time their watched lists do, smoothed. `similarity`
    names lists whose entries are compared with the item by who has them in common (`factors` of a truncated SVD).
    """

    lists: Annotated[tuple[Text, ...], Field(min_length=1)]
    by: Annotated[tuple[Text, ...], Field(min_length=1)]
    rates: dict[Text, Text] = Field(default_factory=dict)
    similarity: tuple[Text, ...] = ()
    smoothing: Positive = 20.0
    factors: Annotated[int, Field(ge=2, le=256)] = 32

    @property
    def named_lists(self) -> tuple[str, ...]:
        """Every list that numbers are made of, each once."""
        return tuple(dict.fromkeys([*self.lists, *self.rates, *self.rates.values(), *self.similarity]))

    @model_validator(mode="after")
    def _distinct(self) -> "MatchesDefinition":
        for key, names in (("lists", self.lists), ("by", self.by), ("similarity", self.similarity)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"matches need every name of '{key}' once, got twice: {', '.join(twice)}")
        return self


class FeatureDefinition(Frozen):
    """The columns a model may see and what is made of others.

    `groups` names sets of columns that a search can switch off together; `features.groups` of a configuration is `all`,
    `none` (ungrouped columns alone) or names joined by `+`.
    """

    categorical: tuple[Text, ...] = ()
    numeric: tuple[Text, ...] = ()
    statistics: StatisticsDefinition | None = None
    lists: dict[Text, ListDefinition] = Field(default_factory=dict)
    matches: MatchesDefinition | None = None
    groups: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names that `features.groups` may join: the derived kinds that are defined, then the named groups."""
        has = (self.statistics is not None, any(one.pooled for one in self.lists.values()), self.matches is not None)
        return (*(name for name, there in zip(DERIVED, has, strict=True) if there), *self.groups)

    def leaves_inputs(self, groups: str) -> bool:
        """Whether a model sees anything with this value of `features.groups`, whose names are known."""
        chosen = chosen_groups(groups, self.group_names)
        dropped = {name for group, names in self.groups.items() if group not in chosen for name in names}
        return bool({STATISTICS, MATCHES} & chosen or {*self.categorical, *self.numeric} - dropped)

    @property
    def seen_columns(self) -> frozenset[str]:
        """Every column whose value of the row itself reaches a model, as it is or as a key."""
        keys = self.statistics.keys if self.statistics else ()
        by = self.matches.by if self.matches else ()
        lists = (one.column for one in self.lists.values())
        return frozenset([*self.categorical, *self.numeric, *(name for key in keys for name in key), *by, *lists])

    @model_validator(mode="after")
    def _some_and_distinct(self) -> "FeatureDefinition":
        names = [*self.categorical, *self.numeric]
        if not names:
            raise ValueError("features need at least one categorical or numeric column")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"features are named twice: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _lists_of_items(self) -> "FeatureDefinition":
        for name, one in self.lists.items():
            if one.item not in self.categorical:
                raise ValueError(f"list {name}: item '{one.item}' must be one of the categorical features")
            if name in (*self.categorical, *self.numeric):
                raise ValueError(f"list {name}: must not have the name of a feature")
        return self

    @model_validator(mode="after")
    def _matches_of_lists(self) -> "FeatureDefinition":
        if self.matches is not None:
            unknown = sorted(set(self.matches.named_lists) - set(self.lists))
            if unknown:
                raise ValueError(
                    f"matches name no list: {', '.join(unknown)}, known: {', '.join(self.lists) or 'none'}"
                )
            self._rates_of_one_item(self.matches)
        return self

    def _rates_of_one_item(self, matches: MatchesDefinition) -> None:
        for of, among in matches.rates.items():
            items = self.lists[of].item, self.lists[among].item
            if len(set(items)) > 1:
                raise ValueError(f"rate {of}: {among} must be of lists of one item, got {items[0]} and {items[1]}")

    @model_validator(mode="after")
    def _groups_of_columns(self) -> "FeatureDefinition":
        grouped = [column for columns in self.groups.values() for column in columns]
        wrong = [f"'{name}' is the name of a kind of inputs" for name in self.groups if name in (*DERIVED, ALL, NONE)]
        wrong += [f"'{name}' must not hold '{AND}'" for name in self.groups if AND in name]
        wrong += [f"'{name}' is empty" for name, columns in self.groups.items() if not columns]
        wrong += [f"'{name}' is no feature" for name in grouped if name not in (*self.categorical, *self.numeric)]
        wrong += [f"'{name}' is in two groups" for name in sorted(set(grouped)) if grouped.count(name) > 1]
        if wrong:
            raise ValueError(f"groups hold features, each once: {'; '.join(dict.fromkeys(wrong))}")
        return self


def key_name(key: tuple[str, ...]) -> str:
    """The name of a key in its inputs: `user_id`, `user_id x tab`."""
    return " x ".join(key)


def chosen_groups(groups: str, known: tuple[str, ...]) -> frozenset[str]:
    """The groups that `features.groups` means; the names are known."""
    if groups in (ALL, NONE):
        return frozenset(known if groups == ALL else ())
    return frozenset(groups.split(AND))
