"""Numbers: find the values of a numeric column that a model can use, and report the others.

A model computes in float32, so a value beyond LARGEST is infinite to it, unless `clip` limits it.
Shape legend: R rows.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.study.feature_definition import FeatureDefinition

LARGEST = float(np.finfo(np.float32).max)
SQUASHED = 1e-3  # of the spread: below this, all values but a few outliers are nearly one value
ROUNDINGS = 16  # times the spacing of float64: a difference that rounding can make
MAX_EXAMPLES = 5

Range = tuple[float, float]


def not_finite(values: pl.Series) -> pl.Series:
    """Whether each value is NaN or infinite; null is neither."""
    if not values.dtype.is_float():
        return pl.repeat(False, len(values), dtype=pl.Boolean, eager=True)
    return (~values.is_finite()).fill_null(value=False)


def unusable(values: pl.Series, clip: Range | None) -> pl.Series:
    """Whether each value is NaN, infinite or, without a range to clip to, beyond LARGEST."""
    wrong = not_finite(values)
    return wrong if clip is not None else wrong | _outside(values, (-LARGEST, LARGEST))


def usable(values: pl.Series, clip: Range | None) -> pl.Series:
    """Numbers as float64, clipped to their range; null where missing or unusable."""
    numbers = values.cast(pl.Float64)
    numbers = numbers.set(unusable(numbers, clip), None)
    return numbers if clip is None else numbers.clip(*clip)


def number_problems(
    features: FeatureDefinition, frame: pl.DataFrame, row_R: NDArray[np.uint64]
) -> list[str]:
    """Problems of numeric features: NaN, infinity, and values too large for float32."""
    problems: list[str] = []
    for name in features.numeric:
        problems += _not_finite_problem(frame[name], row_R)
        if name not in features.clip:
            problems += limit_problems(frame[name], (-LARGEST, LARGEST), row_R)
    return problems


def _not_finite_problem(values: pl.Series, row_R: NDArray[np.uint64]) -> Iterator[str]:
    wrong_R = not_finite(values).to_numpy()
    if wrong_R.any():
        yield (
            f"data.features.numeric: column '{values.name}' must be finite, got NaN or infinity in "
            f"{rows_and_first(int(wrong_R.sum()), row_R[wrong_R])}; "
            "set not_finite: impute or drop"
        )


def limit_problems(values: pl.Series, limits: Range, row_R: NDArray[np.uint64]) -> Iterator[str]:
    """Report finite values of a numeric feature outside the limits, and the range of the others."""
    outside = _outside(values, limits)
    if not outside.any():
        return
    low, high = limits
    inside = values.filter(~outside & ~not_finite(values)).drop_nulls()
    inside_R = inside.cast(pl.Float64).to_numpy()
    span = f"[{inside_R.min():.6g}, {inside_R.max():.6g}]" if inside_R.size else "[LOW, HIGH]"
    yield (
        f"data.features.numeric: column '{values.name}' must lie between {low:.2g} and {high:.2g}, "
        f"got {farthest(values.filter(outside)):.6g} in "
        f"{rows_and_first(int(outside.sum()), row_R[outside.to_numpy()])}; "
        "write null for what is missing, or "
        "give its range, that of the others is "
        f"features: {{clip: {{{values.name}: {span}}}}}"
    )


def farthest(values: pl.Series) -> float:
    """The value that is farthest from 0."""
    number_R = values.cast(pl.Float64).to_numpy()
    return float(number_R[np.abs(number_R).argmax()])


def squash_warning(values: pl.Series, inputs: pl.Series, mean: float, spread: float) -> str:
    """Warn if usable training values, or all but a few outliers, become nearly one number.

    Empty when they do not. `inputs` are the transformed values, with their mean and spread.
    """
    number_R, input_R = values.drop_nulls().to_numpy(), inputs.drop_nulls().to_numpy()
    if number_R.size == 0:
        return ""
    if not spread:
        return _constant_warning(values.name, number_R)
    distance_R = np.abs(input_R - mean)
    is_outlier_R = distance_R > distance_R.max() / 2
    other_R = number_R[~is_outlier_R]
    if other_R.size == 0 or not 0 < input_R[~is_outlier_R].std() < SQUASHED * spread:
        return ""
    return (
        f"{values.name}: {rows_in_words(int(is_outlier_R.sum()))} of train lie so far out (up to "
        f"{number_R[distance_R.argmax()]:.6g}) that to a model all others are nearly one value; "
        "write null for what is missing, or give the range of the others under clip: "
        f"[{other_R.min():.6g}, {other_R.max():.6g}]"
    )


def _constant_warning(name: str, number_R: NDArray[np.float64]) -> str:
    """Warn if values that count as constant differ by more than rounding."""
    if np.ptp(number_R) <= ROUNDINGS * np.spacing(np.abs(number_R).max()):
        return ""
    return (
        f"{name}: values like {number_R[0]:.6g} differ by so little for their size that they count "
        "as constant; subtract what they have in common"
    )


def rows_in_words(count: int) -> str:
    """`1 row`, `2,571 rows`."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def rows_and_first(count: int, row_R: Sequence[int] | NDArray[np.uint64]) -> str:
    """`2 rows (first in row 3, 8)`."""
    first = ", ".join(f"{row:,}" for row in row_R[:MAX_EXAMPLES])
    return f"{rows_in_words(count)} (first in row {first})"


def _outside(values: pl.Series, limits: Range) -> pl.Series:
    """Whether each value is finite and outside the limits."""
    numbers = values.cast(pl.Float64)
    return ((numbers < limits[0]) | (numbers > limits[1])).fill_null(value=False) & ~not_finite(
        numbers
    )
