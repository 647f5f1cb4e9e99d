"""Fast metrics: the metric of one cell for many candidate means at once, and which way it rises.

They serve a greedy search that evaluates thousands of means; what is reported is computed by
weighted_metrics. The rows of a cell are sorted with the largest labels first. A mean is one of
logits or of probabilities (`scale`), of amounts one of logs or of expected amounts. It is in
float32, so values agree with weighted_metrics but for rounding: two scores closer than 2e-7 of
their size are a tie. Above MOST_PAIRS pairs in a cell, grouped AUC is computed on a random sample
of them.

`slope` is the derivative of the value in the mean of every row. For AUC, a step function, it is
smoothed: the density of the other class around a row, within SMOOTHING of the ranks on each side;
of amounts, every row around counts by the difference of amounts.
Shape legend: N rows of a cell, X candidate means, P pairs of rows with different labels within
units, K ties of amounts within units, G bins of calibration or groups of rows by unit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from hinet_search.results.ensemble_records import Scale
from hinet_search.results.families import POISSON
from hinet_search.results.statistics.calibration_error import NUM_CALIBRATION_BINS
from hinet_search.results.statistics.cell_rows import LEAST, CellRows, Means
from hinet_search.results.statistics.weighted_metrics import Floats

SMOOTHING = 1 / 16
MOST_PAIRS = 1_000_000
ALL_BITS = 0x7FFFFFFF  # of a float32 of at least 0


class FastMetric(Protocol):
    """A metric of one cell."""

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the value of every candidate mean."""
        ...

    def slope(self, mean_N: Means) -> Floats:
        """(N,): the derivative of the value in the mean of every row."""
        ...


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
        is_positive_N = np.arange(len(mean_N)) < self.num_positives
        return _density(mean_N, is_positive_N) / (self.num_positives * self.num_negatives)

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
class FastAmountAuc:
    """AUC of amounts (amount_auc.py) by sorting scores together with amounts; ties count half.

    `most` is the sum of the differences of all pairs.
    """

    amount_N: NDArray[np.float32]
    most: float

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the mean of the AUC with ties won and with ties lost."""
        won_X = (self._excess(mean_XN, 0) + self._excess(mean_XN, ALL_BITS)) / 2
        value_X: Floats = (1 + won_X / self.most) / 2
        return value_X

    def slope(self, mean_N: Means) -> Floats:
        """(N,): by how much the amount of a row exceeds those of the rows around it, in sum."""
        return _density(mean_N, self.amount_N) / self.most

    def _excess(self, mean_XN: Means, flipped: int) -> Floats:
        """(X,): the sum of amount x (rows below - rows above), with ties in order of amounts.

        With ALL_BITS flipped, ties are in the reverse order.
        """
        bits_XN = (mean_XN + np.float32(0)).view(np.int32)  # the sum is new, and has no -0.0
        bits_XN ^= (bits_XN >> 31) & ALL_BITS  # integers in the order of the scores
        key_XN = bits_XN.astype(np.int64) << 32
        key_XN |= self.amount_N.view(np.int32) ^ flipped
        key_XN.sort(axis=1)
        amount_bits_XN = (key_XN & ALL_BITS) ^ flipped
        amount_XN = amount_bits_XN.astype(np.int32).view(np.float32).astype(np.float64)
        num_rows = len(self.amount_N)
        below_less_above_N = 2 * np.arange(num_rows, dtype=np.float64) - (num_rows - 1)
        excess_X: Floats = amount_XN @ below_less_above_N
        return excess_X


@dataclass(frozen=True)
class FastGroupedAuc:
    """Grouped AUC over pairs of rows of one unit, the first with a larger label than the second.

    Weights sum to 1.
    """

    higher_P: NDArray[np.int64]
    lower_P: NDArray[np.int64]
    weight_P: Floats

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the weight of the pairs in the right order; ties count half."""
        return np.array([self._value(mean_N) for mean_N in mean_XN])

    def slope(self, mean_N: Means) -> Floats:
        """(N,): pairs count by how near they are to a tie, on the scale of the median distance."""
        distance_P = mean_N[self.higher_P].astype(np.float64) - mean_N[self.lower_P]
        scale = max(float(np.median(np.abs(distance_P))), LEAST)
        near_P = self.weight_P * np.exp(-((distance_P / scale) ** 2)) / scale
        num_rows = len(mean_N)
        rising_N = np.bincount(self.higher_P, near_P, num_rows).astype(np.float64)
        falling_N = np.bincount(self.lower_P, near_P, num_rows).astype(np.float64)
        return rising_N - falling_N

    def _value(self, mean_N: Means) -> float:
        higher_P, lower_P = mean_N[self.higher_P], mean_N[self.lower_P]
        won_P = (higher_P > lower_P) + 0.5 * (higher_P == lower_P)
        return float(self.weight_P @ won_P)


@dataclass(frozen=True)
class FastLogLoss:
    """Log loss: the mean of -log p(label)."""

    rows: CellRows
    scale: Scale

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the mean loss of every candidate."""
        likely_XN = self.rows.expected(mean_XN, self.scale)
        negatives_XN = likely_XN[:, self.rows.num_positives :]
        np.subtract(1, negatives_XN, out=negatives_XN)
        value_X: Floats = -np.log(likely_XN).mean(axis=1, dtype=np.float64)
        return value_X

    def slope(self, mean_N: Means) -> Floats:
        """(N,): the derivative in the mean of every row."""
        return self.rows.slope_of_loss(mean_N, self.scale)


@dataclass(frozen=True)
class FastDeviance:
    """The log loss of amounts: half their mean Poisson deviance."""

    rows: CellRows
    scale: Scale

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the mean loss of every candidate."""
        expected_XN = self.rows.expected(mean_XN, self.scale)
        log_XN = mean_XN if self.scale == "logits" else np.log(expected_XN)
        loss_XN = expected_XN - self.rows.label_N * log_XN
        amount_N = self.rows.label_N.astype(np.float64)
        least = float((amount_N - xlogy(amount_N, amount_N)).mean())
        value_X: Floats = loss_XN.mean(axis=1, dtype=np.float64) - least
        return value_X

    def slope(self, mean_N: Means) -> Floats:
        """(N,): the derivative in the mean of every row."""
        return self.rows.slope_of_loss(mean_N, self.scale)


@dataclass(frozen=True)
class FastError:
    """RMSE (`power` 2) or MAE (1) of expected amounts, in the unit of their column."""

    rows: CellRows
    scale: Scale
    power: int

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the error of every candidate."""
        error_XN = np.abs(self.rows.expected(mean_XN, self.scale) - self.rows.label_N)
        mean_X = (error_XN.astype(np.float64) ** self.power).mean(axis=1)
        value_X: Floats = self.rows.amount * mean_X ** (1 / self.power)
        return value_X

    def slope(self, mean_N: Means) -> Floats:
        """(N,): the derivative in the mean of every row."""
        expected_N = self.rows.expected(mean_N, self.scale).astype(np.float64)
        surprise_N = expected_N - self.rows.label_N
        if self.power == 1:
            slope_N = np.sign(surprise_N)
        else:
            slope_N = surprise_N / max(float(np.sqrt((surprise_N**2).mean())), LEAST)
        if self.scale == "logits":
            slope_N *= self.rows.family.variance(expected_N)
        return self.rows.amount * slope_N / len(mean_N)


@dataclass(frozen=True)
class FastCalibrationError:
    """Expected calibration error over bins of equally many rows."""

    rows: CellRows
    scale: Scale

    def values(self, mean_XN: Means) -> Floats:
        """(X,): the mean |mean expected label - mean label| over bins."""
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
            expected_N = self.rows.expected(mean_N, self.scale).astype(np.float64)
            sign_N *= self.rows.family.variance(expected_N)
        return sign_N / num_rows

    def _gap_of_bins(self, mean_XN: Means) -> tuple[Floats, NDArray[np.int64]]:
        """(X, G) and (X, N): the sum of expected - label of every bin over N, and the rows' order.

        A row on an edge is divided between its bins.
        """
        order_XN = np.argsort(mean_XN, axis=1)
        surprise_XN = self.rows.expected(mean_XN, self.scale) - self.rows.label_N
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


def _density(mean_N: Means, label_N: NDArray[Any]) -> Floats:
    """(N,): the sum of label - other label over the rows around each, by the width they span."""
    num_rows = len(mean_N)
    order_N = np.argsort(mean_N)
    sorted_label_N = label_N[order_N].astype(np.float64)
    before_N = np.concatenate([[0.0], np.cumsum(sorted_label_N)])
    reach = max(1, int(num_rows * SMOOTHING))
    low_N = np.maximum(np.arange(num_rows) - reach, 0)
    high_N = np.minimum(np.arange(num_rows) + reach, num_rows - 1)
    total_N = before_N[high_N + 1] - before_N[low_N]
    excess_N = (high_N + 1 - low_N) * sorted_label_N - total_N
    sorted_N = mean_N[order_N].astype(np.float64)
    width_N = np.maximum(sorted_N[high_N] - sorted_N[low_N], LEAST)
    density_N = np.empty(num_rows)
    density_N[order_N] = excess_N / width_N
    return density_N


def _fast_auc(rows: CellRows, _scale: Scale) -> FastMetric | None:
    if rows.family is POISSON:
        return _fast_amount_auc(rows)
    num_negatives = len(rows.label_N) - rows.num_positives
    has_both = rows.num_positives and num_negatives
    return FastAuc(rows.num_positives, num_negatives) if has_both else None


def _fast_amount_auc(rows: CellRows) -> FastMetric | None:
    amount_N = rows.label_N + np.float32(0)  # without -0.0
    if not len(amount_N) or amount_N[0] == amount_N[-1]:
        return None
    below_less_above_N = len(amount_N) - 1 - 2 * np.arange(len(amount_N), dtype=np.float64)
    return FastAmountAuc(amount_N, float(amount_N @ below_less_above_N))


def _fast_grouped_auc(rows: CellRows, _scale: Scale) -> FastMetric | None:
    """Pair the rows of every unit that has both labels; a unit weighs as much as it has rows."""
    if rows.family is POISSON:
        return _fast_grouped_amount_auc(rows)
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


def _fast_grouped_amount_auc(rows: CellRows) -> FastMetric | None:
    """Pair the rows of every unit whose amounts differ; pairs of a unit weigh by difference."""
    if not len(rows.label_N):
        return None
    row_N = np.argsort(rows.unit_N, kind="stable")  # largest amounts first within a unit
    unit_N, amount_N = rows.unit_N[row_N], rows.label_N[row_N].astype(np.float64)
    new_unit_N = np.diff(unit_N, prepend=-1) != 0
    first_G = np.flatnonzero(new_unit_N)
    size_G = np.diff(first_G, append=len(row_N))
    group_N = np.cumsum(new_unit_N) - 1
    new_tie_N = new_unit_N | (np.diff(amount_N, prepend=np.nan) != 0)
    first_K = np.flatnonzero(new_tie_N)
    next_N = np.append(first_K, len(row_N))[np.cumsum(new_tie_N)]
    lower_N = (first_G + size_G)[group_N] - next_N  # rows of the unit with smaller amounts
    up_to_N = np.cumsum(lower_N)
    if not up_to_N[-1]:
        return None
    number_P = _sampled(int(up_to_N[-1]))
    higher_P = np.searchsorted(up_to_N, number_P, side="right")
    lower_P = next_N[higher_P] + number_P - (up_to_N - lower_N)[higher_P]
    place_N = np.arange(len(row_N)) - first_G[group_N]
    most_G = np.add.reduceat(amount_N * (size_G[group_N] - 1 - 2 * place_N), first_G)
    group_P = group_N[higher_P]
    weight_P = (amount_N[higher_P] - amount_N[lower_P]) * size_G[group_P] / most_G[group_P]
    return FastGroupedAuc(row_N[higher_P], row_N[lower_P], weight_P / weight_P.sum())


def _sampled(num_pairs: int) -> NDArray[np.int64]:
    """(P,): the numbers of all pairs, or of a random sample if there are more than MOST_PAIRS."""
    if num_pairs <= MOST_PAIRS:
        return np.arange(num_pairs)
    return np.random.default_rng(0).choice(num_pairs, MOST_PAIRS, replace=False)


def _fast_logloss(rows: CellRows, scale: Scale) -> FastMetric | None:
    if not len(rows.label_N):
        return None
    return FastDeviance(rows, scale) if rows.family is POISSON else FastLogLoss(rows, scale)


def _fast_ece(rows: CellRows, scale: Scale) -> FastMetric | None:
    return FastCalibrationError(rows, scale) if len(rows.label_N) else None


def _fast_rmse(rows: CellRows, scale: Scale) -> FastMetric | None:
    return _fast_error(rows, scale, 2)


def _fast_mae(rows: CellRows, scale: Scale) -> FastMetric | None:
    return _fast_error(rows, scale, 1)


def _fast_error(rows: CellRows, scale: Scale, power: int) -> FastMetric | None:
    has_amounts = rows.family is POISSON and len(rows.label_N)
    return FastError(rows, scale, power) if has_amounts else None


FAST_METRICS: Mapping[str, Callable[[CellRows, Scale], FastMetric | None]] = {
    "auc": _fast_auc,
    "gauc": _fast_grouped_auc,
    "logloss": _fast_logloss,
    "ece": _fast_ece,
    "rmse": _fast_rmse,
    "mae": _fast_mae,
}
