"""Encoding: ids in order of training frequency and standardised numbers, fitted on training rows.

Shape legend: R rows, F categorical fields, N numeric inputs (features, derived inputs, then flags
for missing values).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.numbers import LARGEST, Range, usable
from hinet_search.study.feature_definition import FeatureDefinition

VALUE, COUNT = "value", "count"
RELATIVE_ROUNDING = 1e-12  # a spread this far below the mean is rounding, not variation
FARTHEST = 1e18  # spreads from the mean: a little less than the square root of the largest float32


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


@dataclass(frozen=True)
class Scale:
    """How one numeric feature is standardised; `flagged` adds a 0/1 input for missing values.

    A value outside the range `clip` counts as its nearest end.
    """

    name: str
    mean: float
    spread: float  # standard deviation on training rows; 0 for a constant, which becomes 0
    flagged: bool
    clip: Range | None = None

    @property
    def limits(self) -> Range:
        """The range in which values must lie so that a model can square its input.

        Values with a `clip` need no check.
        """
        if not self.spread:
            return -LARGEST, LARGEST
        reach = FARTHEST * self.spread
        return max(-LARGEST, self.mean - reach), min(LARGEST, self.mean + reach)


@dataclass(frozen=True)
class Encoding:
    """Everything needed to turn raw feature columns into model inputs."""

    vocabularies: tuple[Vocabulary, ...]
    scales: tuple[Scale, ...]
    list_vocabularies: tuple[Vocabulary, ...] = ()  # of lists with a vocabulary of their own

    @property
    def all_vocabularies(self) -> tuple[Vocabulary, ...]:
        """The vocabularies of the categorical fields, then those of lists, as a Schema has them."""
        return (*self.vocabularies, *self.list_vocabularies)

    @property
    def numeric_inputs(self) -> tuple[str, ...]:
        """Names of the N numeric inputs."""
        flags = tuple(missing_name(scale.name) for scale in self.scales if scale.flagged)
        return (*(scale.name for scale in self.scales), *flags)


def missing_name(feature: str) -> str:
    """Name of the input that is 1 where a numeric feature is missing."""
    return f"{feature}_missing"


def fit_encoding(
    frame: pl.DataFrame,
    features: FeatureDefinition,
    minimum_frequency: int = 1,
    derived: Sequence[str] = (),
    is_train: pl.Series | None = None,
) -> Encoding:
    """Fit vocabularies and scales on training rows.

    Values seen fewer than `minimum_frequency` times get no id. `derived` names further columns of
    `frame` that are numeric inputs. Without `is_train` (R booleans) all rows are training rows.
    """
    input_names = (*features.categorical, *features.numeric, *derived)

    def train(name: str) -> pl.Series:
        return frame[name] if is_train is None else frame[name].filter(is_train)

    vocabularies = [_vocabulary(train(name), minimum_frequency) for name in features.categorical]
    scales = [
        _scale(train(name), input_names, features.clip.get(name))
        for name in (*features.numeric, *derived)
    ]
    return Encoding(tuple(vocabularies), tuple(scales))


def encode_ids(frame: pl.DataFrame, encoding: Encoding) -> NDArray[np.int32]:
    """Ids (R, F); 0 for null and for values that are unseen in training or too rare for an id."""
    ids_RF = np.empty((len(frame), len(encoding.vocabularies)), dtype=np.int32)
    for field, vocabulary in enumerate(encoding.vocabularies):
        ids_RF[:, field] = ids_of(frame[vocabulary.name], vocabulary)
    return ids_RF


def ids_of(values: pl.Series, vocabulary: Vocabulary) -> NDArray[np.int32]:
    """The id of each value (R,), as `encode_ids` gives it."""
    known = known_values(values).replace_strict(
        vocabulary.table[VALUE],
        pl.Series(np.arange(1, vocabulary.size, dtype=np.int32)),
        default=0,
        return_dtype=pl.Int32,
    )
    return known.to_numpy()


def encode_numbers(frame: pl.DataFrame, encoding: Encoding) -> NDArray[np.float32]:
    """Numeric inputs (R, N), with mean 0 and standard deviation 1 on training rows.

    A missing value is at the mean. The flags for missing values come last.
    """
    numeric_RN = np.empty((len(frame), len(encoding.numeric_inputs)), dtype=np.float32)
    flag = len(encoding.scales)
    for position, scale in enumerate(encoding.scales):
        values = usable(frame[scale.name], scale.clip)
        centred = values.fill_null(scale.mean) - scale.mean
        numeric_RN[:, position] = centred / scale.spread if scale.spread else 0.0
        if scale.flagged:
            numeric_RN[:, flag] = values.is_null()
            flag += 1
    return numeric_RN


def known_values(values: pl.Series) -> pl.Series:
    """The values, with null in place of NaN."""
    return values.fill_nan(None) if values.dtype.is_float() else values


def _vocabulary(values: pl.Series, minimum_frequency: int) -> Vocabulary:
    counts = (
        pl.DataFrame({VALUE: known_values(values).drop_nulls()})
        .group_by(VALUE)
        .agg(pl.len().alias(COUNT))
    )
    return vocabulary_of(values.name, counts, minimum_frequency)


def vocabulary_of(name: str, counts: pl.DataFrame, minimum_frequency: int) -> Vocabulary:
    """The vocabulary of a table of distinct values and their training counts."""
    frequent = counts.filter(pl.col(COUNT) >= minimum_frequency)
    return Vocabulary(name, frequent.sort(COUNT, VALUE, descending=[True, False]))


def _scale(values: pl.Series, input_names: tuple[str, ...], clip: Range | None) -> Scale:
    """Fit a scale; flag missing values unless the table already has an input of the flag's name."""
    present = usable(values, clip).drop_nulls()
    flagged = len(present) < len(values) and missing_name(values.name) not in input_names
    if present.is_empty():
        return Scale(values.name, 0.0, 0.0, flagged, clip)
    numbers_R = present.to_numpy()
    mean, spread = float(numbers_R.mean()), float(numbers_R.std())
    constant = spread <= RELATIVE_ROUNDING * abs(mean)
    return Scale(values.name, mean, 0.0 if constant else spread, flagged, clip)
