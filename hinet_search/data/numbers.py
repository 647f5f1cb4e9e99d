"""Numbers: find the values of a numeric column that a model can use, and report the others.

A model computes in float32, so a value beyond LARGEST is infinite to it, unless `clip` limits it.
In a column of texts a number is written with a decimal point, `12`, `-3.5` or `1e5`; spaces around
it do not count. A text without any other character is a missing value.
Shape legend: R rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import shortened
from hinet_search.data.mapped import blocks_of, mapped_array
from hinet_search.data.raw_values import TEXTS
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.study.feature_definition import FeatureDefinition

LARGEST = float(np.finfo(np.float32).max)
SQUASHED = 1e-3  # of the spread: below this, all values but a few outliers are nearly one value
ROUNDINGS = 16  # times the spacing of float64: a difference that rounding can make
MAX_EXAMPLES = 5

Floats = NDArray[np.float64]
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
    return numbers if clip is None else numbers.clip(clip[0], clip[1])


def mean_and_deviation(number_R: Floats) -> tuple[float, float]:
    """Mean and standard deviation of numbers (R,); the numbers are overwritten to save memory."""
    mean = number_R.mean()
    number_R -= mean
    number_R *= number_R
    return float(mean), float(np.sqrt(number_R.mean()))


def number_problems(
    features: FeatureDefinition, frame: pl.DataFrame, row_R: NDArray[np.uint64]
) -> list[str]:
    """Problems of numeric features: NaN, infinity, and values too large for float32."""
    problems: list[str] = []
    for name in features.numeric:
        wrong = _rows_where(not_finite, frame[name], row_R)
        if wrong:
            problems.append(
                f"data.features.numeric: column '{name}' must be finite, got NaN or infinity in "
                f"{wrong}; set not_finite: impute or drop"
            )
        if name not in features.clip:
            problems += limit_problems(frame[name], (-LARGEST, LARGEST), row_R)
    return problems


def _rows_where(
    is_wrong: Callable[[pl.Series], pl.Series], values: pl.Series, row_R: NDArray[np.uint64]
) -> str:
    """The rows with wrong values in words; empty if there is none."""
    count = 0
    first: list[int] = []
    for block in blocks_of(len(values)):
        is_wrong_B = is_wrong(values[block])
        count += int(is_wrong_B.sum())
        some = is_wrong_B.arg_true().head(MAX_EXAMPLES - len(first)).to_numpy()
        first += row_R[block][some].tolist()
    return rows_and_first(count, first) if count else ""


def limit_problems(
    values: pl.Series, limits: Range, row_R: NDArray[np.uint64], *, usable_only: bool = False
) -> list[str]:
    """Report finite values of a numeric feature outside the limits, and the range of the others.

    With `usable_only`, values beyond LARGEST count as missing.
    """

    def is_outside(values_B: pl.Series) -> pl.Series:
        return _outside(usable(values_B, None) if usable_only else values_B, limits)

    wrong = _rows_where(is_outside, values, row_R)
    if not wrong:
        return []
    outside = pl.concat(
        values[block].filter(is_outside(values[block])) for block in blocks_of(len(values))
    )
    low, high = limits
    problem = (
        f"data.features.numeric: column '{values.name}' must lie between {low:.2g} and {high:.2g}, "
        f"got {farthest(outside):.6g} in {wrong}; write null for what is missing, or give its "
        "range, that of the others is "
        f"features: {{clip: {{{values.name}: {_range_inside(values, limits)}}}}}"
    )
    return [problem]


def _range_inside(values: pl.Series, limits: Range) -> str:
    """The range of the values inside the limits, in words."""
    lows = []
    highs = []
    for block in blocks_of(len(values)):
        numbers = usable(values[block], None)
        number_R = numbers.filter(~_outside(numbers, limits)).drop_nulls().to_numpy()
        if number_R.size:
            lows.append(number_R.min())
            highs.append(number_R.max())
    if not lows:
        return "[LOW, HIGH]"
    return f"[{min(lows):.6g}, {max(highs):.6g}]"


def farthest(values: pl.Series) -> float:
    """The value that is farthest from 0."""
    number_R = values.cast(pl.Float64).to_numpy()
    return float(number_R[np.abs(number_R).argmax()])


def squash_warning(
    name: str, number_R: Floats, input_R: Floats, mean: float, spread: float, cache: Path | None
) -> str:
    """Warn if usable training values, or all but a few outliers, become nearly one number.

    Empty when they do not. `input_R` are the transformed values, with their mean and spread.
    Arrays of many rows are mapped from a file in the folder `cache`.
    """
    if number_R.size == 0:
        return ""
    if not spread:
        if _is_one_value(number_R):
            return ""
        return (
            f"{name}: values like {number_R[0]:.6g} differ by so little for their size that they "
            "count as constant; subtract what they have in common"
        )
    return _outlier_warning(name, number_R, input_R, (mean, spread), cache)


def _outlier_warning(
    name: str, number_R: Floats, input_R: Floats, moments: tuple[float, float], cache: Path | None
) -> str:
    """Warn if some values lie so far out that the others are nearly one number, but are not one."""
    mean, spread = moments
    farthest_row = _farthest_row(input_R, mean)
    limit = np.abs(input_R[farthest_row] - mean) / 2
    blocks = list(blocks_of(input_R.size))
    is_outlier_R = mapped_array((np.abs(input_R[block] - mean) > limit for block in blocks), cache)
    num_outliers = sum(int(is_outlier_R[block].sum()) for block in blocks)
    if num_outliers == input_R.size:
        return ""
    others = (input_R[block][~is_outlier_R[block]] for block in blocks)
    _, deviation = mean_and_deviation(mapped_array(others, cache))
    if not 0 < deviation < SQUASHED * spread:
        return ""
    other_R = mapped_array((number_R[block][~is_outlier_R[block]] for block in blocks), cache)
    if _is_one_value(other_R):
        return ""
    return (
        f"{name}: values of {rows_in_words(num_outliers)} of train lie so far out (up to "
        f"{number_R[farthest_row]:.6g}) that to a model all others are nearly one value; "
        "write null for what is missing, or give the range of the others under clip: "
        f"[{other_R.min():.6g}, {other_R.max():.6g}]"
    )


def _is_one_value(number_R: Floats) -> bool:
    """Whether all numbers are the same, up to rounding."""
    low = number_R.min()
    high = number_R.max()
    return bool(high - low <= ROUNDINGS * np.spacing(max(abs(low), abs(high))))


def _farthest_row(number_R: Floats, mean: float) -> int:
    """The first of the rows that are farthest from the mean."""
    row = 0
    largest = -1.0
    for block in blocks_of(number_R.size):
        distance_R = np.abs(number_R[block] - mean)
        in_block = int(distance_R.argmax())
        if distance_R[in_block] > largest:
            row = block.start + in_block
            largest = distance_R[in_block]
    return row


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


@dataclass(frozen=True)
class WrongTexts:
    """Texts of a column that are no numbers: their rows, and the first one with its row."""

    column: str
    num_rows: int
    first: str
    first_row: int

    @property
    def in_words(self) -> str:
        """`got 'abc' in 2 rows (first in row 7)`."""
        rows = rows_in_words(self.num_rows)
        return f"got {shortened(repr(self.first))} in {rows} (first in row {self.first_row:,})"


def text_columns(names: Iterable[str], types: Mapping[str, pl.DataType]) -> list[str]:
    """Those of the names that are columns of text."""
    return [name for name in names if isinstance(types.get(name), TEXTS)]


def parsed(name: str) -> pl.Expr:
    """The numbers of a text column as float64; null for a text that is blank or no number."""
    return _stripped(name).cast(pl.Float64, strict=False)


def is_no_number(name: str) -> pl.Expr:
    """Whether a text column has a text that is neither blank nor a number."""
    return parsed(name).is_null() & (_stripped(name).str.len_bytes() > 0).fill_null(value=False)


def wrong_texts(rows: pl.LazyFrame, columns: Iterable[str]) -> list[WrongTexts]:
    """Report the text columns with a text that is no number; `rows` have a ROW_NUMBER."""
    names = list(columns)
    if not names:
        return []
    facts: list[pl.Expr] = []
    for place, name in enumerate(names):
        is_wrong = is_no_number(name)
        first = pl.col(ROW_NUMBER).filter(is_wrong).arg_min()
        facts += [
            is_wrong.sum().alias(f"count {place}"),
            pl.col(ROW_NUMBER).filter(is_wrong).min().alias(f"row {place}"),
            pl.col(name).cast(pl.String).filter(is_wrong).get(first).alias(f"text {place}"),
        ]
    got = rows.select(facts).collect(engine="streaming").row(0, named=True)
    return [
        WrongTexts(name, got[f"count {place}"], got[f"text {place}"], got[f"row {place}"])
        for place, name in enumerate(names)
        if got[f"count {place}"]
    ]


def _stripped(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.strip_chars()
