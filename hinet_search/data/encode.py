"""Encoding: ids in order of training frequency and standardised numbers, fitted on training rows.

Numbers are clipped, transformed and then standardised; training and `predict` take them from here.

Shape legend: R rows, F categorical fields, N numeric inputs (features, derived inputs, then flags
for missing values), B rows of a block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property
from math import expm1, log1p
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.frozen_model import LEFT_OUT_IF_NONE
from hinet_search.data.mapped import blocks_of, mapped_array
from hinet_search.data.numbers import LARGEST, Range, mean_and_deviation, usable
from hinet_search.data.raw_values import known_column, known_values
from hinet_search.data.reading import OWN
from hinet_search.data.schema import missing_name
from hinet_search.data.transforms import (
    InputTransform,
    Knots,
    Wave,
    fit_knots,
    input_transforms,
    inputs_of,
    transformed,
)
from hinet_search.study.feature_definition import LOG, QUANTILE, FeatureDefinition

VALUE = "value"
COUNT = "count"
IS_TRAIN = f"{OWN}is train"
RELATIVE_ROUNDING = 1e-12  # a spread this far below the mean is rounding, not variation
FARTHEST = 1e18  # spreads from the mean: a little less than the square root of the largest float32
LARGE_VOCABULARY = 2**19  # as many values as a block has rows
ROWS_AT_ONCE = 2**12  # few enough to stay in the cache of the processor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Vocabulary:
    """The values of a field that have an id: row i of `table` (value, training count) has id i + 1.

    Id 0 is unknown.
    """

    name: str
    table: pl.DataFrame

    @property
    def size(self) -> int:
        """Number of ids, including 0."""
        return len(self.table) + 1

    @cached_property
    def in_order(self) -> tuple[pl.Series, pl.Series]:
        """The values in their order and the id of each, sorted once for all blocks of rows."""
        order = self.table[VALUE].arg_sort()
        return self.table[VALUE].gather(order), (order + 1).cast(pl.Int32)


@dataclass(frozen=True)
class Scale:
    """How one numeric input is standardised; `flagged` adds a 0/1 input for missing values.

    A value outside the range `clip` counts as its nearest end. Mean and spread are of transformed
    training values. A scale without a transform is written as before there were transforms.
    """

    name: str
    mean: float
    spread: float  # standard deviation on training rows; 0 for a constant, which becomes 0
    flagged: bool
    clip: Range | None = None
    transform: Annotated[InputTransform | None, LEFT_OUT_IF_NONE] = None

    @property
    def column(self) -> str:
        """The column of the input, whose name it has unless the input is one of a cycle."""
        return self.transform.column if isinstance(self.transform, Wave) else self.name

    @property
    def limits(self) -> Range:
        """The range in which values must lie so that a model can square its input.

        Values with a `clip` need no check.
        """
        is_bounded = self.transform is not None and self.transform != LOG
        if not self.spread or is_bounded:
            return -LARGEST, LARGEST
        reach = FARTHEST * self.spread
        low = self.mean - reach
        high = self.mean + reach
        if self.transform == LOG:
            low = _before_log(low)
            high = _before_log(high)
        return max(-LARGEST, low), min(LARGEST, high)


@dataclass(frozen=True)
class Encoding:
    """Everything needed to turn raw feature columns into model inputs."""

    vocabularies: tuple[Vocabulary, ...]
    scales: tuple[Scale, ...]
    knots: Mapping[str, Knots] = dataclass_field(default_factory=dict)  # of columns with `quantile`
    # Of lists with a vocabulary of their own, then of labels and gaps of sequences.
    list_vocabularies: tuple[Vocabulary, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the categorical fields."""
        return tuple(vocabulary.name for vocabulary in self.vocabularies)

    @property
    def all_vocabularies(self) -> tuple[Vocabulary, ...]:
        """The vocabularies of the categorical fields, then of lists, in the order of a Schema."""
        return (*self.vocabularies, *self.list_vocabularies)

    @property
    def numeric_inputs(self) -> tuple[str, ...]:
        """Names of the N numeric inputs."""
        flags = tuple(missing_name(scale.column) for scale in self.scales if scale.flagged)
        return (*(scale.name for scale in self.scales), *flags)


@dataclass(frozen=True)
class TrainingRows:
    """The rows of `frame` that are training rows, all without `is_train` (R booleans).

    Arrays of many rows are mapped from files in the folder `cache`; without one they are in memory.
    """

    frame: pl.DataFrame
    is_train: pl.Series | None = None
    cache: Path | None = None

    @property
    def num_rows(self) -> int:
        """The number of training rows."""
        return len(self.frame) if self.is_train is None else int(self.is_train.sum())

    def counts(self, name: str) -> pl.DataFrame:
        """The distinct values of a column, and how many rows have each; without null and NaN."""
        keys = known_column(name, self.frame[name].dtype)
        known = self.of_train(name).select(keys.alias(VALUE)).drop_nulls()
        counts = known.group_by(VALUE).agg(pl.len().alias(COUNT))
        return counts.collect(engine="streaming")

    def of_train(self, name: str) -> pl.LazyFrame:
        """A column of the training rows."""
        rows = self.frame.select(name)
        if self.is_train is None:
            return rows.lazy()
        return rows.with_columns(self.is_train.alias(IS_TRAIN)).lazy().filter(IS_TRAIN)

    def numbers(self, name: str, clip: Range | None) -> NDArray[np.float64]:
        """The usable values of a numeric column, in the order of the rows; an array of its own."""

        def numbers_of(block: slice) -> NDArray[np.float64]:
            values = self.frame[name][block]
            if self.is_train is not None:
                values = values.filter(self.is_train[block])
            return usable(values, clip).drop_nulls().to_numpy()

        return mapped_array(map(numbers_of, blocks_of(len(self.frame))), self.cache)


def fit_encoding(
    rows: TrainingRows,
    features: FeatureDefinition,
    minimum_frequency: int = 1,
    derived: Sequence[str] = (),
) -> Encoding:
    """Fit vocabularies and scales on training rows.

    Values seen fewer than `minimum_frequency` times get no id. `derived` names further columns
    of the rows that are numeric inputs.
    """
    input_names = (*features.categorical, *features.numeric, *derived)
    vocabularies = tuple(
        vocabulary_of(name, rows.counts(name), minimum_frequency) for name in features.categorical
    )
    scales: list[Scale] = []
    knots: dict[str, Knots] = {}
    for name in (*features.numeric, *derived):
        clip = features.clip.get(name)
        transform = features.transforms.get(name)
        number_R = rows.numbers(name, clip)
        # The table may have a feature of the flag's name; then it flags its missing values itself.
        has_missing = number_R.size < rows.num_rows
        has_flag = has_missing and missing_name(name) not in input_names
        if transform == QUANTILE:
            knots[name] = fit_knots(number_R, rows.cache)
        for number, (input_name, each) in enumerate(input_transforms(name, transform)):
            input_R = inputs_of(number_R, each, knots.get(name), rows.cache)
            mean, spread = _mean_and_spread(input_R, each)
            scales.append(Scale(input_name, mean, spread, has_flag and number == 0, clip, each))
    return Encoding(vocabularies, tuple(scales), knots)


def encode_ids(frame: pl.DataFrame, encoding: Encoding) -> NDArray[np.int32]:
    """Ids (R, F); 0 for null and for values that are unseen in training or too rare for an id."""
    ids_RF = np.empty((len(frame), len(encoding.vocabularies)), dtype=np.int32)
    for field, vocabulary in enumerate(encoding.vocabularies):
        ids_RF[:, field] = ids_of(frame[vocabulary.name], vocabulary)
    return ids_RF


def ids_of(values: pl.Series, vocabulary: Vocabulary) -> NDArray[np.int32]:
    """The id of each value (R,), as `encode_ids` gives it."""
    known = known_values(values)
    table = vocabulary.table
    if vocabulary.size > LARGE_VOCABULARY and known.dtype == table[VALUE].dtype:
        distinct = known.unique()
        # replace_strict would number all values of a vocabulary for every block of rows.
        sorted_values, sorted_ids = vocabulary.in_order
        place = sorted_values.search_sorted(distinct).clip(0, len(sorted_values) - 1)
        is_known = (sorted_values.gather(place) == distinct).fill_null(value=False)
        ids = sorted_ids.gather(place) * is_known.cast(pl.Int32)
    else:
        distinct = table[VALUE]
        ids = pl.Series(np.arange(1, vocabulary.size, dtype=np.int32))
    return known.replace_strict(distinct, ids, default=0, return_dtype=pl.Int32).to_numpy()


def vocabulary_of(name: str, counts: pl.DataFrame, minimum_frequency: int) -> Vocabulary:
    """The vocabulary of a table of distinct values and their training counts."""
    frequent = counts.filter(pl.col(COUNT) >= minimum_frequency)
    in_order = frequent.sort(COUNT, VALUE, descending=[True, False])
    return Vocabulary(name, in_order)


def encode_numbers(frame: pl.DataFrame, encoding: Encoding) -> NDArray[np.float32]:
    """Return the numeric inputs (R, N) of a table that has the columns of all scales.

    A missing number is at the mean; one too far from training for float32 becomes infinite.
    """
    input_RN = np.empty((len(frame), len(encoding.numeric_inputs)), dtype=np.float32)
    if not encoding.scales:
        return input_RN
    for start in range(0, len(frame), ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        inputs = []
        flags = []
        for scale in encoding.scales:
            number_B = frame[scale.column][block].cast(pl.Float64).to_numpy()
            input_B = _transformed_numbers(number_B, scale, encoding.knots.get(scale.column))
            is_missing_B = np.isnan(input_B)
            inputs.append(_standardised(input_B, is_missing_B, scale))
            if scale.flagged:
                flags.append(is_missing_B)
        input_RN[block] = np.array([*inputs, *flags], dtype=np.float32).T
    return input_RN


def _transformed_numbers(number_B: Floats, scale: Scale, knots: Knots | None) -> Floats:
    """Numbers clipped and transformed; NaN where they are missing or unusable."""
    largest = LARGEST if scale.clip is None else np.finfo(np.float64).max
    number_B = np.where(np.abs(number_B) <= largest, number_B, np.nan)
    if scale.clip is not None:
        number_B = number_B.clip(*scale.clip)
    if scale.transform is None:
        return number_B
    return transformed(number_B, scale.transform, knots)


def _standardised(
    input_B: Floats, is_missing_B: NDArray[np.bool_], scale: Scale
) -> NDArray[np.float32]:
    """Inputs less their mean, in units of their spread; 0 where missing, and of a constant."""
    if not scale.spread:
        return np.zeros(input_B.size, dtype=np.float32)
    centred_B = np.where(is_missing_B, 0.0, input_B - scale.mean)
    with np.errstate(over="ignore"):
        return (centred_B / scale.spread).astype(np.float32)


def _mean_and_spread(
    input_R: NDArray[np.float64], transform: InputTransform | None
) -> tuple[float, float]:
    """Mean and spread of transformed training values, which it overwrites; 0 for a constant."""
    if not input_R.size:
        return 0.0, 0.0
    mean, spread = mean_and_deviation(input_R)
    size = 1.0 if isinstance(transform, Wave) else abs(mean)  # sin(pi) is a rounding away from 0
    if spread <= RELATIVE_ROUNDING * size:
        return mean, 0.0
    return mean, spread


def _before_log(value: float) -> float:
    """The number whose `log` is the value, at most LARGEST in size."""
    size = min(abs(value), log1p(LARGEST))
    return expm1(size) if value >= 0 else -expm1(size)
