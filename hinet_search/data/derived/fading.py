"""Fading sums: sums over earlier rows of a key in which a row counts half after each half-life.

Sums of whole segments are not subtracted from one another, as sums of windows are: after many
half-lives nothing but rounding errors would be left. They are added in pairs that double in length,
so the sum of a row depends on the rows of its key up to it, and on nothing else.

Shape legend: V values, N rows sorted by key and time, S rows that ask.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FadingSums:
    """For each row the sums `sum_VN` of its key's values up to it, as of the row's own time."""

    sum_VN: Floats
    time_N: NDArray[Any]
    half_life: float

    def before(self, position_S: Integers, start_S: Integers, time_S: NDArray[Any]) -> Floats:
        """The sums (V, S) of the rows from a start up to before a position, as of a time.

        Between start and position are rows of one key only.
        """
        has_S = position_S > start_S
        last_S = position_S[has_S] - 1
        sum_VS = np.zeros((len(self.sum_VN), len(position_S)))
        left_S = _left(time_S[has_S] - self.time_N[last_S], self.half_life)
        sum_VS[:, has_S] = self.sum_VN[:, last_S] * left_S
        return sum_VS


def fading_sums(
    value_VN: NDArray[Any], time_N: NDArray[Any], start_N: Integers, half_life: float
) -> FadingSums:
    """Add the values of each key; `start_N` is the position of the first row of a row's key."""
    sum_VN = value_VN.astype(np.float64)
    position_N = np.arange(len(time_N))
    back_N = position_N - start_N
    step = 1
    while step <= back_N.max(initial=0):
        late = position_N[back_N >= step]
        left = _left(time_N[late] - time_N[late - step], half_life)
        sum_VN[:, late] += left * sum_VN[:, late - step]
        step *= 2
    return FadingSums(sum_VN, time_N, half_life)


def _left(age: NDArray[Any], half_life: float) -> Floats:
    """What is left of a value of that age."""
    return np.exp2(-age / half_life)
