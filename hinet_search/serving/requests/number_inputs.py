"""Number inputs: standardise the numbers of a request, all columns at once.

The numbers are those of `data.encode.encode_numbers`, which works on the columns of a table.
Shape legend: C numeric columns, I inputs without flags, R rows, N inputs (flags come last).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.encode import Encoding, Scale
from hinet_search.data.numbers import LARGEST
from hinet_search.data.transforms import transformed_numbers

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NumberInputs:
    """Standardises numbers by the scales of an encoding, which are all of numeric columns."""

    encoding: Encoding
    column_I: NDArray[np.intp]  # the column of every input
    is_flagged_I: NDArray[np.bool_]
    low_I1: Floats
    high_I1: Floats
    largest_I1: Floats  # numbers beyond are imputed
    mean_I1: Floats
    spread_I1: Floats

    def encode(self, number_CR: Floats) -> NDArray[np.float32]:
        """Return the inputs (R, N) of numbers, NaN where missing."""
        input_IR = number_CR[self.column_I]
        input_IR[~(np.abs(input_IR) <= self.largest_I1)] = np.nan
        input_IR = np.clip(input_IR, self.low_I1, self.high_I1)
        for row, scale in enumerate(self.encoding.scales):
            if scale.transform is not None:
                knots = self.encoding.knots.get(scale.column)
                input_IR[row] = transformed_numbers(input_IR[row], scale.transform, knots)
        is_missing_IR = np.isnan(input_IR)
        centred_IR = np.where(is_missing_IR, 0.0, input_IR - self.mean_I1)
        with np.errstate(over="ignore"):  # a number too far from training becomes infinite
            standard_IR = (centred_IR / self.spread_I1).astype(np.float32)
        flags = is_missing_IR[self.is_flagged_I].astype(np.float32)
        return np.ascontiguousarray(np.concatenate([standard_IR, flags]).T)


def number_inputs(numeric: Sequence[str], encoding: Encoding) -> NumberInputs:
    """Return the inputs of the numeric columns in this order."""
    scales = encoding.scales
    clips = [scale.clip or (-np.inf, np.inf) for scale in scales]
    low_high_2I = np.array(clips, dtype=np.float64).reshape(-1, 2).T
    return NumberInputs(
        encoding,
        np.array([numeric.index(scale.column) for scale in scales], dtype=np.intp),
        np.array([scale.flagged for scale in scales], dtype=np.bool_),
        low_high_2I[0][:, np.newaxis],
        low_high_2I[1][:, np.newaxis],
        _column([np.finfo(np.float64).max if scale.clip else LARGEST for scale in scales]),
        _column([scale.mean for scale in scales]),
        _column([_divisor(scale) for scale in scales]),
    )


def _divisor(scale: Scale) -> float:
    """The spread; of a constant infinity, as it becomes 0."""
    return scale.spread or np.inf


def _column(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)[:, np.newaxis]
