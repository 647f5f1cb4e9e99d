"""Encoding: ids in order of training frequency, and standardised numbers, both fitted on training rows alone.

Shape legend: R rows, F categorical fields, N numeric inputs (features, derived ones, then missing flags).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.checks import not_finite
from hinet_search.features import FeatureDefinition

VALUE, COUNT = "value", "count"
RELATIVE_ROUNDING = 1e-12  # a spread this far below the mean is rounding, not variation


@dataclass(frozen=True)
class Vocabulary:
    """The values of one field that have an id: `table[i]` (value, training count) has id i + 1; 0 is unknown."""

    name: str
    table: pl.DataFrame

    @property
    def size(self) -> int:
        """Number of ids, 0 among them."""
        return len(self.table) + 1


@dataclass(frozen=True)
class Scale:
    """How one numeric feature is standardised; `flagged` adds a 0/1 input for missing values."""

    name: str
    mean: float
    spread: float  # standard deviation on training rows; 0 for a constant, which becomes 0
    flagged: bool


@dataclass(frozen=True)
class Encoding:
    """All that turns raw feature columns into model inputs."""

    vocabularies: tuple[Vocabulary, ...]
    scales: tuple[Scale, ...]

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
    """Vocabularies and scales of training rows; ids seen fewer than `minimum_frequency` times get none.

    `derived` names columns of `frame` that are numeric inputs beside those of the definition. Without `is_train` (R
    booleans) all rows are of training.
    """
    taken = (*features.categorical, *features.numeric, *derived)

    def train(name: str) -> pl.Series:
        return frame[name] if is_train is None else frame[name].filter(is_train)

    return Encoding(
        vocabularies=tuple(_vocabulary(train(name), minimum_frequency) for name in features.categorical),
        scales=tuple(_scale(train(name), taken) for name in (*features.numeric, *derived)),
    )


def encode_ids(frame: pl.DataFrame, encoding: Encoding) -> NDArray[np.int32]:
    """Ids (R, F); 0 for null, for values unseen in training and for values too rare to have an id."""
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
    """Numeric inputs (R, N): mean 0 and standard deviation 1 on training rows, missing values at the mean, then flags."""
    numeric_RN = np.empty((len(frame), len(encoding.numeric_inputs)), dtype=np.float32)
    flag = len(encoding.scales)
    for position, scale in enumerate(encoding.scales):
        values = _finite(frame[scale.name])
        centred = values.fill_null(scale.mean) - scale.mean
        numeric_RN[:, position] = centred / scale.spread if scale.spread else 0.0
        if scale.flagged:
            numeric_RN[:, flag] = values.is_null()
            flag += 1
    return numeric_RN


def known_values(values: pl.Series) -> pl.Series:
    """Values with null where a number is NaN."""
    return values.fill_nan(None) if values.dtype.is_float() else values


def _finite(values: pl.Series) -> pl.Series:
    """Numbers as float64, null where missing or not finite."""
    numbers = values.cast(pl.Float64)
    return numbers.set(not_finite(numbers), None)


def _vocabulary(values: pl.Series, minimum_frequency: int) -> Vocabulary:
    counts = pl.DataFrame({VALUE: known_values(values).drop_nulls()}).group_by(VALUE).agg(pl.len().alias(COUNT))
    kept = counts.filter(pl.col(COUNT) >= minimum_frequency)
    return Vocabulary(values.name, kept.sort(COUNT, VALUE, descending=[True, False]))


def _scale(values: pl.Series, taken: tuple[str, ...]) -> Scale:
    """A flag is added where training rows miss values, unless the table brings a feature of that name."""
    present = _finite(values).drop_nulls()
    flagged = len(present) < len(values) and missing_name(values.name) not in taken
    if present.is_empty():
        return Scale(values.name, 0.0, 0.0, flagged)
    numbers_R = present.to_numpy()
    mean, spread = float(numbers_R.mean()), float(numbers_R.std())
    constant = spread <= RELATIVE_ROUNDING * abs(mean)
    return Scale(values.name, mean, 0.0 if constant else spread, flagged)
