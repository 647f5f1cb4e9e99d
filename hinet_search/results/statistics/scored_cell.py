"""Scored cell: rows with scores, sorted once for all metrics of a cell and all weights of its rows.

A weight says how often a unit counts: a user with all of its rows, or a row. Without weights every
row counts once. Scores and labels then become one 64-bit key (31 bits of user, 32 of score, 1 of
label), so that a single sort of integers orders users, scores and labels together, without a gather
afterwards.
Shape legend: C rows of a cell, U units of the split, B resamplings, K ties (distinct scores, or
pairs of user and score), P ties with a label above 0, L rows with one, G users, X rows or users.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import Cell, Labels, of_kind
from hinet_search.results.families import BERNOULLI, Family

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Sort = Callable[[NDArray[np.uint64]], NDArray[np.uint64]]
Prepared = Callable[[Floats | None], Floats]  # weight_UB, None for all rows once, -> value_B

SIGN = np.uint32(0x80000000)
SIGN_SHIFT = np.uint32(31)
USER_SHIFT = np.uint64(33)
SCORE_SHIFT = np.uint64(1)


@dataclass(frozen=True)
class Ties:
    """The distinct scores of a cell, lowest first, with the weight of their rows.

    Sums of labels are those of the ties with a label above 0, whose numbers are `place_P`.
    """

    score_K: Floats
    rows_KB: Floats
    place_P: Places
    total_PB: Floats

    @property
    def totals(self) -> Floats:
        """(K, B): the sum of labels of every tie."""
        total_KB = np.zeros_like(self.rows_KB)
        total_KB[self.place_P] = self.total_PB
        return total_KB


@dataclass(frozen=True)
class UserTies:
    """The distinct scores within each user, lowest first, with their rows and sums of labels."""

    unit_G: Places
    first_G: Places  # its first tie
    rows_K: Floats
    total_K: Floats

    @cached_property
    def num_rows(self) -> Floats:
        """(G,): the rows of every user."""
        return self.sums(self.rows_K)

    @cached_property
    def rows_below(self) -> Floats:
        """(K,): the rows of the user with a lower score."""
        before_K = np.cumsum(self.rows_K) - self.rows_K
        return before_K - self.of_user(before_K[self.first_G])

    def of_user(self, value_G: Floats) -> Floats:
        """(K,): the value of the user of every tie."""
        return np.repeat(value_G, np.diff(self.first_G, append=len(self.rows_K)))

    @cached_property
    def first_positives(self) -> "FirstPositives":
        """The tie in which each user's first row with a label of 1 is, by descending score."""
        place_K = np.where(self.total_K > 0, np.arange(len(self.total_K)), -1)
        tie_G = np.maximum.reduceat(place_K, self.first_G)
        above_K = self.of_user(self.num_rows) - self.rows_below - self.rows_K
        total_G = self.sums(self.total_K)
        return FirstPositives(
            above_G=above_K[tie_G],
            rows_G=self.rows_K[tie_G],
            positives_G=self.total_K[tie_G],
            labels_differ_G=(total_G > 0) & (total_G < self.num_rows),
        )

    def sums(self, value_K: Floats) -> Floats:
        """(G,): the sum over the ties of every user."""
        total_G: Floats = np.add.reduceat(value_K, self.first_G)
        return total_G


@dataclass(frozen=True)
class FirstPositives:
    """Rows above the tie of each user's first positive row, and rows and positives of that tie.

    They mean something where labels of 0 and 1 differ.
    """

    above_G: Floats
    rows_G: Floats
    positives_G: Floats
    labels_differ_G: NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredCell:
    """Score, label and unit of the rows of one (scenario, task); scores must be finite.

    A negative unit stands for a row without a user. Scores are logits, of amounts logs of expected
    amounts, as `family` says; `amount` is what a label of 1 stands for. Where units are groups of
    rows, weights are of users, and `user_of_units` has the user of each.
    """

    score_C: NDArray[Any]
    label_C: Labels
    unit_C: NDArray[Any]
    num_units: int = 0  # U; needed for weights only
    family: Family = BERNOULLI
    amount: float = 1.0
    sort: Sort = np.sort
    user_of_units: Places | None = None

    def ties(self, weight_UB: Floats | None) -> Ties:
        """Count the rows by score; the cell must have one."""
        return self._ties_once if weight_UB is None else self._sorted.ties(weight_UB)

    @cached_property
    def has_users(self) -> bool:
        """Whether some row has a user."""
        return bool((self.unit_C >= 0).any())

    @cached_property
    def users(self) -> UserTies:
        """Count the rows of each user by score; some row must have a user."""
        is_known_C = self.unit_C >= 0
        known = slice(None) if is_known_C.all() else is_known_C
        user_C = self.unit_C[known].astype(np.uint64)
        key_C = (user_C << USER_SHIFT) | self._keys[known]
        counted = self._count(key_C, self.label_C[known])
        user_K = (counted.key_K >> USER_SHIFT).astype(np.int64)
        first_G = np.flatnonzero(_differs_from_previous(user_K))
        return UserTies(user_K[first_G], first_G, counted.rows_K, counted.total_K)

    def by_groups(self, group_C: NDArray[Any]) -> "ScoredCell":
        """The same rows with groups as units, each of one user; a row in none is its own."""
        own_C = -1 - np.arange(len(group_C))
        group_G, unit_C = np.unique(np.where(group_C < 0, own_C, group_C), return_inverse=True)
        user_G = np.zeros(len(group_G), np.int64)
        user_G[unit_C] = self.unit_C
        return replace(self, unit_C=unit_C, num_units=len(group_G), user_of_units=user_G)

    @cached_property
    def by_labels(self) -> "ScoredCell":
        """The same rows with their labels as scores: the best order."""
        kind = np.result_type(self.label_C, np.float32)
        return replace(self, score_C=self.label_C.astype(kind))

    @cached_property
    def expected(self) -> Floats:
        """(C,): the expected labels."""
        expected_C: Floats = self.family.mean(self.score_C.astype(np.float64))
        return expected_C

    @cached_property
    def losses(self) -> Floats:
        """(C,): what each row costs."""
        return self.family.loss(self.score_C.astype(np.float64), self.label_C.astype(np.float64))

    @cached_property
    def _codes(self) -> "_Codes":
        score_C = self.score_C
        if score_C.dtype == np.float32:
            return _Codes(_ordered_bits(score_C), _scores_of_bits)
        distinct_K, rank_C = np.unique(score_C.astype(np.float64), return_inverse=True)
        return _Codes(rank_C.astype(np.uint32), lambda rank_K: distinct_K[rank_K])

    @cached_property
    def _keys(self) -> NDArray[np.uint64]:
        return self._codes.code_C.astype(np.uint64) << SCORE_SHIFT

    @cached_property
    def _ties_once(self) -> Ties:
        counted = self._count(self._keys, self.label_C)
        place_P = np.flatnonzero(counted.total_K)
        return Ties(
            score_K=self._codes.scores((counted.key_K >> SCORE_SHIFT).astype(np.uint32)),
            rows_KB=counted.rows_K[:, np.newaxis],
            place_P=place_P,
            total_PB=counted.total_K[place_P, np.newaxis],
        )

    @cached_property
    def _sorted(self) -> "_SortedRows":
        order_C = np.argsort(self._codes.code_C)
        code_C = self._codes.code_C[order_C]
        label_C = self.label_C[order_C]
        is_first_C = _differs_from_previous(code_C)
        tie_C = np.cumsum(is_first_C) - 1
        labelled_L = np.flatnonzero(label_C > 0)
        first_K = np.flatnonzero(is_first_C)
        return _SortedRows(
            score_K=self._codes.scores(code_C[first_K]),
            first_K=first_K,
            unit_C=self.unit_C[order_C],
            tie_L=tie_C[labelled_L],
            unit_L=self.unit_C[order_C[labelled_L]],
            label_L=label_C[labelled_L].astype(np.float64),
        )

    def _count(self, key_R: NDArray[np.uint64], label_R: Labels) -> "_Counted":
        """Count rows and sum labels of equal keys, in their order."""
        if self.family is BERNOULLI:
            with_label_R = self.sort(key_R | label_R.astype(np.uint64))
            sorted_R = with_label_R >> SCORE_SHIFT
            label_R = with_label_R & np.uint64(1)
        else:
            order_R = np.argsort(key_R)
            sorted_R = key_R[order_R] >> SCORE_SHIFT
            label_R = label_R[order_R].astype(np.float64)
        first_K = np.flatnonzero(_differs_from_previous(sorted_R))
        return _Counted(
            key_K=sorted_R[first_K] << SCORE_SHIFT,
            rows_K=np.diff(first_K, append=len(sorted_R)).astype(np.float64),
            total_K=np.add.reduceat(label_R, first_K).astype(np.float64),
        )


def scored_cell(
    cell: Cell,
    score_C: NDArray[Any],
    label_C: Labels,
    unit_C: NDArray[Any],
    *,
    num_units: int = 0,
    sort: Sort = np.sort,
) -> ScoredCell:
    """Return the rows of a cell with their scores; labels may be a column of amounts and of 0/1."""
    kind_C = of_kind(label_C, is_amount=cell.unit is not None)
    return ScoredCell(score_C, kind_C, unit_C, num_units, cell.family, cell.unit or 1.0, sort)


@dataclass(frozen=True)
class _Counted:
    """Rows and sums of labels of equal keys."""

    key_K: NDArray[np.uint64]
    rows_K: Floats
    total_K: Floats


@dataclass(frozen=True)
class _SortedRows:
    """Rows in ascending order of score, those with a label above 0 also by themselves."""

    score_K: Floats
    first_K: Places
    unit_C: NDArray[Any]
    tie_L: Places
    unit_L: NDArray[Any]
    label_L: Floats

    @cached_property
    def _first_of_ties(self) -> Places:
        return np.flatnonzero(_differs_from_previous(self.tie_L))

    def ties(self, weight_UB: Floats) -> Ties:
        """Return the ties under these weights."""
        rows_CB = weight_UB[self.unit_C]
        total_LB = weight_UB[self.unit_L]
        total_LB *= self.label_L[:, np.newaxis]
        if len(self.first_K) == len(self.unit_C):  # no ties
            return Ties(self.score_K, rows_CB, self.tie_L, total_LB)
        return Ties(
            score_K=self.score_K,
            rows_KB=np.add.reduceat(rows_CB, self.first_K, axis=0),
            place_P=self.tie_L[self._first_of_ties],
            total_PB=np.add.reduceat(total_LB, self._first_of_ties, axis=0),
        )


@dataclass(frozen=True)
class _Codes:
    """Scores as 32-bit integers in the same order, and how to get a score back."""

    code_C: NDArray[np.uint32]
    scores: Callable[[NDArray[np.uint32]], Floats]


def _ordered_bits(score_C: NDArray[np.float32]) -> NDArray[np.uint32]:
    """As integers, floats of one sign are ordered: flip negative ones, and put others above."""
    bits_C = (score_C + np.float32(0)).view(np.uint32)  # adding zero turns -0.0 into 0.0
    # All bits of negative ones, else the sign.
    flipped_C: NDArray[np.uint32] = np.negative(bits_C >> SIGN_SHIFT) | SIGN
    return bits_C ^ flipped_C


def _scores_of_bits(ordered_K: NDArray[np.uint32]) -> Floats:
    """Undo `_ordered_bits`."""
    flipped_K = ((ordered_K >> SIGN_SHIFT) - np.uint32(1)) | SIGN
    return (ordered_K ^ flipped_K).view(np.float32).astype(np.float64)


@dataclass(frozen=True, eq=False)
class RatioOfSums:
    """A prepared metric that is a sum over rows or users, divided by another."""

    above_X: Floats
    below_X: Floats
    unit_X: NDArray[Any]
    num_units: int

    def __call__(self, weight_UB: Floats | None) -> Floats:
        """(B,): the ratio; NaN where the divisor is 0."""
        if weight_UB is None:
            return ratio(self.above_X.sum(keepdims=True), self.below_X.sum(keepdims=True))
        above_U, below_U = self._by_unit
        return ratio(above_U @ weight_UB, below_U @ weight_UB)

    @cached_property
    def _by_unit(self) -> tuple[Floats, Floats]:
        above_U = sums_by_unit(self.unit_X, self.above_X, self.num_units)
        return above_U, sums_by_unit(self.unit_X, self.below_X, self.num_units)


def mean_over_rows(cell: ScoredCell, value_C: Floats) -> Prepared:
    """Return the mean of the values of the rows."""
    ones_C = np.broadcast_to(np.float64(1), len(value_C))
    return RatioOfSums(value_C, ones_C, cell.unit_C, cell.num_units)


def mean_over_users(cell: ScoredCell, value_G: Floats) -> Prepared:
    """Return the mean over users weighted by their rows, without users whose value is NaN.

    A user that is drawn twice counts twice; its value stays.
    """
    users = cell.users
    has_value_G = ~np.isnan(value_G)
    rows_G = users.num_rows[has_value_G]
    total_G = rows_G * value_G[has_value_G]
    return RatioOfSums(total_G, rows_G, users.unit_G[has_value_G], cell.num_units)


def sums_by_unit(unit_X: NDArray[Any], value_X: Floats, num_units: int) -> Floats:
    """(U,): the sum of the values of every unit."""
    return np.bincount(unit_X, value_X, num_units).astype(np.float64)


def no_value(weight_UB: Floats | None) -> Floats:
    """(B,): NaN, the metric of a cell that has none."""
    return np.full(1 if weight_UB is None else weight_UB.shape[1], np.nan)


def ratio(above_X: Floats, below_X: Floats) -> Floats:
    """Divide; NaN where the divisor is not above 0."""
    ratio_X: Floats = np.divide(
        above_X, below_X, out=np.full(len(below_X), np.nan), where=below_X > 0
    )
    return ratio_X


def _differs_from_previous(sorted_C: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark each value that differs from the one before it; the first is marked too."""
    return np.append(True, sorted_C[1:] != sorted_C[:-1])[: len(sorted_C)]
