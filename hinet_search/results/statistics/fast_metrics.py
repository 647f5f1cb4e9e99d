"""Fast metrics: the metric of one cell for many candidate means at once, and which way it rises.

They serve a greedy search that evaluates thousands of means; what is reported is computed by
weighted_metrics. The rows of a cell are sorted with the positives first. A mean is one of logits or
of probabilities (`scale`), in float32, so values agree with weighted_metrics but for rounding: two
scores closer than 2e-7 of their size are a tie. Above MOST_PAIRS pairs in a cell, grouped AUC is
computed on a random sample of them.

`slope` is the derivative of the value in the mean of every row. For AUC, a step function, it is
smoothed: the density of the other class around a row, within SMOOTHING of the ranks on each side.
Shape legend: N rows of a cell, X candidate means, P (positive, negative) pairs within units,
G bins of calibration or groups of rows by unit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hinet_search.results.ensemble_records import Scale
from hinet_search.results.statistics.weighted_metrics import NUM_CALIBRATION_BINS, Floats

SMOOTHING = 1 / 16
MOST_PAIRS = 1_000_000
LEAST = 1e-7  # probabilities stay this far from 0 and 1

Means = NDArray[np.float32]


class FastMetric(Protocol):
    """A metric of one cell."""

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the value of every candidate mean."""
        ...

    def slope(self, mean_N: Means) -> Floats:
        """(N,): the derivative of the value in the mean of every row."""
        ...


@dataclass(frozen=True)
class CellRows:
    """Labels and units of the rows of a cell, positives first."""

    label_N: NDArray[np.uint8]
    unit_N: NDArray[np.int64]

    @property
    def num_positives(self) -> int:
        """Number of positive rows, which are the first."""
        return int(self.label_N.sum())


@dataclass(frozen=True)
class FastAuc:
    """AUC by sorting scores whose last bit is replaced by the label; ties count half."""

    num_positives: int
    num_negatives: int

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the mean of the AUC with ties won and with ties lost."""
        rank_sum_X = (self._rank_sum(mean_XN, 0, 1) + self._rank_sum(mean_XN, 1, 0)) / 2
        lowest = self.num_positives * (self.num_positives - 1) / 2
        value_X: Floats = (rank_sum_X - lowest) / (self.num_positives * self.num_negatives)
        return value_X

    def slope(self, mean_N: Means) -> Floats:
        """(N,): the density of the other class around a row; negative for negatives."""
        num_rows = len(mean_N)
        order_N = np.argsort(mean_N)
        is_positive_N = order_N < self.num_positives
        before_N = np.concatenate([[0], np.cumsum(is_positive_N)])
        reach = max(1, int(num_rows * SMOOTHING))
        low_N = np.maximum(np.arange(num_rows) - reach, 0)
        high_N = np.minimum(np.arange(num_rows) + reach, num_rows - 1)
        positives_N = before_N[high_N + 1] - before_N[low_N]
        negatives_N = high_N + 1 - low_N - positives_N
        sorted_N = mean_N[order_N].astype(np.float64)
        width_N = np.maximum(sorted_N[high_N] - sorted_N[low_N], LEAST)
        slope_N = np.empty(num_rows)
        slope_N[order_N] = np.where(is_positive_N, negatives_N, -positives_N) / width_N
        return slope_N / (self.num_positives * self.num_negatives)

    def _rank_sum(self, mean_XN: Means, bit_of_positives: int, bit_of_negatives: int) -> Floats:
        """(X,): the sum of the ranks of the positives, from 0, with their ties by the last bit."""
        key_XN = (mean_XN + np.float32(0)).view(np.int32)  # the sum is new, and has no -0.0
        key_XN &= ~1
        key_XN[:, : self.num_positives] |= bit_of_positives
        key_XN[:, self.num_positives :] |= bit_of_negatives
        sorted_XN = np.sort(key_XN.view(np.float32), axis=1)
        is_marked_XN = (sorted_XN.view(np.int32) & 1).astype(np.float64)
        rank_N = np.arange(is_marked_XN.shape[1], dtype=np.float64)
        marked_X: Floats = is_marked_XN @ rank_N
        return marked_X if bit_of_positives else rank_N.sum() - marked_X


@dataclass(frozen=True)
class FastGroupedAuc:
    """Grouped AUC over pairs of a positive and a negative row of one unit; weights sum to 1."""

    positive_P: NDArray[np.int64]
    negative_P: NDArray[np.int64]
    weight_P: Floats

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the weight of the pairs in the right order; ties count half."""
        return np.array([self._value(mean_N) for mean_N in mean_XN])

    def slope(self, mean_N: Means) -> Floats:
        """(N,): pairs count by how near they are to a tie, on the scale of the median distance."""
        distance_P = mean_N[self.positive_P].astype(np.float64) - mean_N[self.negative_P]
        scale = max(float(np.median(np.abs(distance_P))), LEAST)
        near_P = self.weight_P * np.exp(-((distance_P / scale) ** 2)) / scale
        num_rows = len(mean_N)
        rising_N = np.bincount(self.positive_P, near_P, num_rows).astype(np.float64)
        falling_N = np.bincount(self.negative_P, near_P, num_rows).astype(np.float64)
        return rising_N - falling_N

    def _value(self, mean_N: Means) -> float:
        positive_P, negative_P = mean_N[self.positive_P], mean_N[self.negative_P]
        won_P = (positive_P > negative_P) + 0.5 * (positive_P == negative_P)
        return float(self.weight_P @ won_P)


@dataclass(frozen=True)
class FastLogLoss:
    """Log loss: the mean of -log p(label)."""

    num_positives: int
    scale: Scale

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the mean loss of every candidate."""
        likely_XN = _probabilities(mean_XN, self.scale)
        negatives_XN = likely_XN[:, self.num_positives :]
        np.subtract(1, negatives_XN, out=negatives_XN)
        value_X: Floats = -np.log(likely_XN).mean(axis=1, dtype=np.float64)
        return value_X

    def slope(self, mean_N: Means) -> Floats:
        """(N,): (p - label) / N for logits, divided by p (1 - p) for probabilities."""
        p_N = _probabilities(mean_N, self.scale).astype(np.float64)
        surprise_N: Floats = _surprise(p_N, self.num_positives)
        if self.scale == "probabilities":
            surprise_N /= p_N * (1 - p_N)
        return surprise_N / len(p_N)


@dataclass(frozen=True)
class FastCalibrationError:
    """Expected calibration error over bins of equally many rows."""

    num_positives: int
    scale: Scale

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the mean |mean probability - share of positives| over bins."""
        error_X: Floats = np.abs(self._gap_of_bins(mean_XN)[0]).sum(axis=1)
        return error_X

    def slope(self, mean_N: Means) -> Floats:
        """(N,): the sign of the gap of a row's bin, in units of its mean."""
        gap_XG, order_XN = self._gap_of_bins(mean_N[None])
        num_rows = len(mean_N)
        sign_N = np.empty(num_rows)
        bin_N = np.arange(num_rows) * NUM_CALIBRATION_BINS // num_rows
        sign_N[order_XN[0]] = np.sign(gap_XG[0])[bin_N]
        if self.scale == "logits":
            p_N = _probabilities(mean_N, self.scale).astype(np.float64)
            sign_N *= p_N * (1 - p_N)
        return sign_N / num_rows

    def _gap_of_bins(self, mean_XN: Means) -> tuple[Floats, NDArray[np.int64]]:
        """(X, G) and (X, N): the sum of p - label of every bin over N, and the order of the rows.

        A row on an edge is divided between its bins.
        """
        order_XN = np.argsort(mean_XN, axis=1)
        surprise_XN = _surprise(_probabilities(mean_XN, self.scale), self.num_positives)
        sorted_XN = np.take_along_axis(surprise_XN, order_XN, axis=1)
        up_to_XN = np.zeros((len(mean_XN), mean_XN.shape[1] + 1))
        np.cumsum(sorted_XN, axis=1, dtype=np.float64, out=up_to_XN[:, 1:])
        num_rows = mean_XN.shape[1]
        edge_G = np.arange(NUM_CALIBRATION_BINS + 1) * num_rows
        whole_G, part_G = np.divmod(edge_G, NUM_CALIBRATION_BINS)
        next_G = np.minimum(whole_G + 1, num_rows)
        share_G = part_G / NUM_CALIBRATION_BINS
        up_to_XG = (1 - share_G) * up_to_XN[:, whole_G] + share_G * up_to_XN[:, next_G]
        return np.diff(up_to_XG, axis=1) / num_rows, order_XN


def _fast_auc(rows: CellRows, _scale: Scale) -> FastMetric | None:
    num_negatives = len(rows.label_N) - rows.num_positives
    has_both = rows.num_positives and num_negatives
    return FastAuc(rows.num_positives, num_negatives) if has_both else None


def _fast_grouped_auc(rows: CellRows, _scale: Scale) -> FastMetric | None:
    """Pair the rows of every unit that has both labels; a unit weighs as much as it has rows."""
    row_N = np.argsort(rows.unit_N, kind="stable")  # positives first within a unit
    first_G, size_G = np.unique(rows.unit_N[row_N], return_index=True, return_counts=True)[1:]
    positives_G = np.add.reduceat(rows.label_N[row_N].astype(np.int64), first_G)
    pairs_G = positives_G * (size_G - positives_G)
    if not pairs_G.any():
        return None
    group_P = np.repeat(np.arange(len(first_G)), pairs_G)
    number_P = np.arange(len(group_P)) - np.repeat(np.cumsum(pairs_G) - pairs_G, pairs_G)
    if len(group_P) > MOST_PAIRS:
        kept = np.random.default_rng(0).choice(len(group_P), MOST_PAIRS, replace=False)
        group_P, number_P = group_P[kept], number_P[kept]
    positives_P = positives_G[group_P]
    weight_P = size_G[group_P] / pairs_G[group_P]
    return FastGroupedAuc(
        row_N[first_G[group_P] + number_P % positives_P],
        row_N[first_G[group_P] + positives_P + number_P // positives_P],
        weight_P / weight_P.sum(),
    )


def _fast_logloss(rows: CellRows, scale: Scale) -> FastMetric | None:
    return FastLogLoss(rows.num_positives, scale) if len(rows.label_N) else None


def _fast_ece(rows: CellRows, scale: Scale) -> FastMetric | None:
    return FastCalibrationError(rows.num_positives, scale) if len(rows.label_N) else None


FAST_METRICS: Mapping[str, Callable[[CellRows, Scale], FastMetric | None]] = {
    "auc": _fast_auc,
    "gauc": _fast_grouped_auc,
    "logloss": _fast_logloss,
    "ece": _fast_ece,
}


def _probabilities(mean: Means, scale: Scale) -> Means:
    """Return new probabilities, away from 0 and 1."""
    p: Means = np.clip(expit(mean) if scale == "logits" else mean, LEAST, 1 - LEAST)
    return p


def _surprise(p: NDArray[Any], num_positives: int) -> NDArray[Any]:
    """(..., N): p - label."""
    surprise = p.copy()
    surprise[..., :num_positives] -= 1
    return surprise
