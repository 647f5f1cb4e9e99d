"""Inputs: what an exported model reads of a row, and whether new rows have it.

Columns are named as in the study's table. Labels, split and outcomes are none of them.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import polars as pl

from hinet_search.data.checks import INTEGERS, TEXTS, rows_in_words
from hinet_search.data.encode import Scale
from hinet_search.data.matching import as_text, listed
from hinet_search.errors import did_you_mean
from hinet_search.features import ListDefinition, MatchesDefinition, StatisticsDefinition
from hinet_search.frozen import Frozen, Text

Types = Mapping[str, pl.DataType]

MAX_EXAMPLES = 5


class ScenarioInput(Frozen):
    """The column of the scenario, and the name of the scenario of every value (as text) that the model knows."""

    column: Text
    values: dict[str, Text]

    @property
    def names(self) -> tuple[str, ...]:
        """Scenarios in the model's order."""
        return tuple(dict.fromkeys(self.values.values()))


class Inputs(Frozen):
    """What the model reads of a row, and what it tells of it.

    `numeric` are columns; `scales` are of all numeric inputs, those that are made of other columns too. `keys` are the
    columns that are copied beside the scores, where new rows have them.
    """

    scenario: ScenarioInput
    tasks: tuple[Text, ...]
    categorical: tuple[Text, ...]
    numeric: tuple[Text, ...]
    scales: tuple[Scale, ...]
    statistics: StatisticsDefinition | None = None
    lists: dict[Text, ListDefinition]
    matches: MatchesDefinition | None = None
    not_finite: Literal["refuse", "impute"]
    keys: tuple[Text, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        return tuple(dict.fromkeys([*self.compared, *self.numeric]))

    @property
    def compared(self) -> tuple[str, ...]:
        """Those whose values are compared with values of training rows, whose types they must have."""
        return tuple(dict.fromkeys(self._compared()))

    def _compared(self) -> Iterator[str]:
        yield self.scenario.column
        yield from self.categorical
        if self.statistics is not None:
            yield from (column for key in self.statistics.keys for column in key)
            yield from [self.statistics.clock] if self.statistics.clock else []
        yield from (one.column for one in self.lists.values())
        if self.matches is not None:
            yield from self.matches.by
            yield from (self.lists[name].item for name in self.matches.similarity)


def fitted(rows: pl.LazyFrame, types: Types) -> pl.LazyFrame:
    """Columns of `types` in these types, whose kinds they have: whole numbers of another size, categories as text."""
    return rows.with_columns(pl.col(name).cast(dtype, strict=False) for name, dtype in types.items())


def raw_types(inputs: Inputs, found: Types) -> dict[str, pl.DataType]:
    """The types that new rows are read in: those of the study's table, numbers as float64, categories as text."""
    return {name: _plain(found[name]) if name in inputs.compared else pl.Float64() for name in inputs.columns}


def column_problems(inputs: Inputs, types: Types, found: Types) -> list[str]:
    """Columns that new rows lack, or have in another kind of type than the study's table."""
    missing = [
        f"column '{name}' is not in the rows{did_you_mean(name, found)}" for name in inputs.columns if name not in found
    ]
    wrong = [
        f"column '{name}' must hold {_in_words(types[name])} as in training, got {found[name]}; cast it"
        for name in _unlike(inputs, types, found)
    ]
    no_number = [
        f"column '{name}' must hold numbers, got {found[name]}; cast it" for name in _no_numbers(inputs, found)
    ]
    return [*missing, *wrong, *no_number]


def misread(inputs: Inputs, types: Types, found: Types) -> dict[str, pl.DataType]:
    """Columns of CSV files that do not look like what they are, with their types: an empty one, a text of digits alone."""
    unlike = (*_unlike(inputs, types, found), *_no_numbers(inputs, found))
    return {name: types[name] for name in unlike if _is_said_by_text(types[name])}


def _unlike(inputs: Inputs, types: Types, found: Types) -> list[str]:
    """Columns that are compared and have another kind of type."""
    return [
        name
        for name in inputs.compared
        if name in found and found[name] != pl.Null and _kind(_plain(found[name])) != _kind(types[name])
    ]


def _no_numbers(inputs: Inputs, found: Types) -> list[str]:
    return [
        name
        for name in inputs.numeric
        if name in found and not (found[name].is_numeric() or found[name] in (pl.Boolean, pl.Null))
    ]


def _is_said_by_text(dtype: pl.DataType) -> bool:
    """Whether a text can mean one value of the type alone; a moment without its zone cannot, and a list is no text."""
    is_moment = isinstance(dtype, pl.Datetime) and dtype.time_zone is None
    return dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Date) or is_moment


def value_problems(inputs: Inputs, rows: pl.LazyFrame) -> list[str]:
    """Scenarios that the model does not know, and numbers that are not finite; two passes over the rows, streamed."""
    return [*_scenario_problems(inputs.scenario, rows), *_number_problems(inputs, rows)]


def _scenario_problems(scenario: ScenarioInput, rows: pl.LazyFrame) -> list[str]:
    counts = rows.group_by(scenario.column).agg(pl.len().alias("rows of a scenario")).collect(engine="streaming")
    texts, numbers = as_text(counts[scenario.column]).to_list(), counts["rows of a scenario"].to_list()
    unknown = {text: number for text, number in zip(texts, numbers, strict=True) if text not in scenario.values}
    if not unknown:
        return []
    worst = sorted(unknown, key=lambda text: -unknown[text])
    shown = listed([f"{'nothing' if text is None else repr(text)} ({rows_in_words(unknown[text])})" for text in worst])
    known = listed([repr(value) for value in scenario.values])
    return [f"column '{scenario.column}' must hold scenarios of the model, {known}, got {shown}; leave other rows out"]


def _number_problems(inputs: Inputs, rows: pl.LazyFrame) -> list[str]:
    if inputs.not_finite == "impute" or not inputs.numeric:
        return []
    wrong = {name: ~pl.col(name).cast(pl.Float64).is_finite().fill_null(value=True) for name in inputs.numeric}
    asked = [wrong[name].sum().alias(name) for name in inputs.numeric]
    counts = rows.select(asked).collect(engine="streaming").row(0, named=True)
    return [
        f"column '{name}' must be finite, got NaN or infinity in {rows_in_words(count)} (first in row "
        f"{', '.join(f'{row:,}' for row in _first(rows, wrong[name]))}); write null for what is missing"
        for name, count in counts.items()
        if count
    ]


def _first(rows: pl.LazyFrame, wrong: pl.Expr) -> list[int]:
    """Numbers of the first rows where something is wrong, from 0."""
    places = rows.select(wrong.arg_true().head(MAX_EXAMPLES).alias("row")).collect(engine="streaming")
    return [int(place) for place in places["row"]]


def _plain(dtype: pl.DataType) -> pl.DataType:
    """Categories are text."""
    if isinstance(dtype, pl.List):
        return pl.List(_plain(dtype.inner))  # type: ignore[arg-type]  # the inner type of a schema is an instance
    return pl.String() if isinstance(dtype, pl.Categorical | pl.Enum) else dtype


def _kind(dtype: pl.DataType) -> object:
    """Whole numbers are of one kind whatever their size; moments of one zone too; any other type is a kind of its own."""
    if isinstance(dtype, pl.List):
        return ("list", _kind(dtype.inner))  # type: ignore[arg-type]  # likewise
    if isinstance(dtype, pl.Datetime):
        return ("moment", dtype.time_zone)
    return next((kind for kind in (INTEGERS, TEXTS) if dtype in kind), dtype)


def _in_words(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"lists of {_in_words(dtype.inner)}"  # type: ignore[arg-type]  # likewise
    return "whole numbers" if dtype in INTEGERS else "text" if dtype in TEXTS else str(dtype)
