"""Number inputs: clip, transform and standardise numbers, all columns at once.

Training, `predict` and requests take their numbers from here.
Shape legend: C columns of numbers, I inputs without flags, R rows, B rows of a block, N inputs
(flags come last).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.encode import Encoding
from hinet_search.data.numbers import LARGEST
from hinet_search.data.transforms import transformed

ROWS_AT_ONCE = 2**12  # few enough to stay in the cache of the processor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NumberInputs:
    """Standardises numbers by the scales of an encoding, which are all of these columns."""

    encoding: Encoding
    column_I: NDArray[np.intp]  # the column of every input
    is_flagged_I: NDArray[np.bool_]
    is_constant_I: NDArray[np.bool_]  # it becomes 0
    low_I1: Floats
    high_I1: Floats
    largest_I1: Floats  # numbers beyond count as missing
    mean_I1: Floats
    spread_I1: Floats

    def encode(self, number_CR: Floats) -> NDArray[np.float32]:
        """Return the inputs (R, N) of numbers, NaN where missing.

        A missing number is at the mean; one too far from training for float32 becomes infinite.
        """
        input_IR = number_CR[self.column_I]
        input_IR[~(np.abs(input_IR) <= self.largest_I1)] = np.nan
        input_IR = np.clip(input_IR, self.low_I1, self.high_I1)
        for row, scale in enumerate(self.encoding.scales):
            if scale.transform is not None:
                knots = self.encoding.knots.get(scale.column)
                input_IR[row] = transformed(input_IR[row], scale.transform, knots)
        is_missing_IR = np.isnan(input_IR)
        centred_IR = np.where(is_missing_IR, 0.0, input_IR - self.mean_I1)
        centred_IR[self.is_constant_I] = 0.0
        with np.errstate(over="ignore"):
            standard_IR = (centred_IR / self.spread_I1).astype(np.float32)
        flags = is_missing_IR[self.is_flagged_I].astype(np.float32)
        return np.ascontiguousarray(np.concatenate([standard_IR, flags]).T)


def number_inputs(columns: Sequence[str], encoding: Encoding) -> NumberInputs:
    """Return the inputs of numeric columns in this order."""
    scales = encoding.scales
    clips = [scale.clip or (-np.inf, np.inf) for scale in scales]
    clip_I2 = np.array(clips, dtype=np.float64).reshape(-1, 2)
    spread_I1 = _column([scale.spread for scale in scales])
    has_clip_I1 = np.array([scale.clip is not None for scale in scales])[:, np.newaxis]
    return NumberInputs(
        encoding=encoding,
        column_I=np.array([columns.index(scale.column) for scale in scales], dtype=np.intp),
        is_flagged_I=np.array([scale.flagged for scale in scales], dtype=np.bool_),
        is_constant_I=spread_I1[:, 0] == 0,
        low_I1=clip_I2[:, :1],
        high_I1=clip_I2[:, 1:],
        largest_I1=np.where(has_clip_I1, np.finfo(np.float64).max, LARGEST),
        mean_I1=_column([scale.mean for scale in scales]),
        spread_I1=np.where(spread_I1 == 0, 1.0, spread_I1),
    )


def encode_numbers(frame: pl.DataFrame, encoding: Encoding) -> NDArray[np.float32]:
    """Return the numeric inputs (R, N) of a table that has the columns of all scales."""
    input_RN = np.empty((len(frame), len(encoding.numeric_inputs)), dtype=np.float32)
    if not encoding.scales:
        return input_RN
    columns = list(dict.fromkeys(scale.column for scale in encoding.scales))
    inputs = number_inputs(columns, encoding)
    numbers = frame.select(columns)
    for start in range(0, len(frame), ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        number_CB = [column.cast(pl.Float64).to_numpy() for column in numbers[block]]
        input_RN[block] = inputs.encode(np.array(number_CB))
    return input_RN


def _column(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)[:, np.newaxis]
