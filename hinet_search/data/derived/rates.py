"""Rates: the smoothed rate of a key's labels minus that of all keys, from whole numbers.

Shape legend: S rows that count, or several such axes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.derived.event_log import Integers

Floats = NDArray[np.float64]


def rate(
    num_S: Integers,
    sum_S: Integers,
    num_of_all: int | Integers,
    sum_of_all: int | Integers,
    parts: int,
    smoothing: float,
) -> Floats:
    """The rate (p + smoothing * P / N) / (n + smoothing) - P / N, 0 without a counted row.

    It is (p * N - n * P) / (N * (n + smoothing)) of n rows and the sum p of their labels, N and P
    being those of all keys. Sums are in `parts` of their unit. The products are exact, or are
    rounded alike (of amounts, in float64), so a key with exactly the mean rate gets exactly 0, not
    a rounding error that would be standardised.
    """
    kind: Any = np.float64 if parts > 1 else np.int64  # products of parts may need more bits
    all_num = np.asarray(num_of_all).astype(kind)
    all_sum = np.asarray(sum_of_all).astype(kind)
    excess_S = sum_S.astype(kind) * all_num - num_S.astype(kind) * all_sum
    rate_S = excess_S / (parts * np.maximum(num_of_all, 1) * (num_S + smoothing))
    return np.where(num_S > 0, rate_S, 0.0)
