"""Drift: how new rows differ from those that a model learned from, and what chance explains of it.

Every difference has its chance: how often rows of one source differ as much. Holm's procedure
corrects it over all that is compared, so that of a model that is right, and rows that have not
changed, something is marked in at most 5 % of comparisons. Rows of one user are alike, so users are
what is independent; where no user is known, it is the rows.
Shape legend: C rows of a cell, U users, K knots of an input.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogorov

from hinet_search.data.cell_counts import auc
from hinet_search.results.cells import Cell
from hinet_search.results.statistics.clustered import (
    chance_of_count,
    chance_of_sum,
    degrees_of_freedom,
)
from hinet_search.results.statistics.simultaneous import LEVEL, holm
from hinet_search.serving.profile import MAX_ROWS, AmountSpread, Profile, RowsOfUsers

MAX_DISTANCE = 0.1  # between the distributions of an input
MAX_CHANGE = 0.05  # of a share: of a scenario, of values without an id, of far numbers
MAX_RATIO = 1.1  # of predicted to actual positives or amounts, or of actual to predicted
FEWEST_USERS = 5  # in effect, for a cell to be judged
MOST_ROWS = 10_000_000  # of a share: more rows change no digit of its chance

Unit = Literal["users", "rows"]
Floats = NDArray[np.float64]
FAR = 1.0  # standard deviations of training beyond its smallest and largest number


@dataclass(frozen=True)
class ChangedShare:
    """The share of some rows, before and among the new ones.

    `chance` is how often rows of one source differ as much (Fisher's exact test of as many rows as
    the users are worth). Of rows that a model knows less of, fewer are fine: `may_fall`.
    """

    name: str
    before: float
    now: float
    chance: float
    may_fall: bool = False

    @property
    def is_notable(self) -> bool:
        """Whether it has changed by more than chance and more than five points."""
        change = self.now - self.before
        is_large = (change if self.may_fall else abs(change)) > MAX_CHANGE
        return is_large and self.chance <= LEVEL


@dataclass(frozen=True)
class InputDrift:
    """How far the distribution of an input is from that of training rows.

    `chance` is how often samples of one distribution are as far apart (Kolmogorov and Smirnov).
    """

    name: str
    distance: float  # the largest difference of the distribution functions
    chance: float

    @property
    def is_notable(self) -> bool:
        """Whether it is far, and farther than chance explains."""
        return self.distance > MAX_DISTANCE and self.chance <= LEVEL


@dataclass(frozen=True)
class CellOfNewRows:
    """The labels of a cell against its predictions. `auc` is None if a class is missing.

    `total` is the sum of the amounts, in the unit of their column, None if labels are 0 and 1.
    Rows with an amount above 0 are `positives`. `users` is the number of equally active users (or
    rows, where no user is known) that the rows are worth. `chance` is how often the sum of labels
    is as far from a right prediction; None where too few users do not tell.
    """

    scenario: str
    task: str
    rows: int
    positives: int
    predicted: float  # the sum of probabilities, or of expected amounts
    users: float
    chance: float | None
    auc: float | None
    total: float | None = None

    @property
    def observed(self) -> float:
        """The sum of the labels."""
        return float(self.positives) if self.total is None else self.total

    @property
    def is_notable(self) -> bool:
        """Whether predictions and labels differ by more than chance and more than a tenth."""
        low, high = sorted((self.predicted, self.observed))
        is_far = high > MAX_RATIO * low
        return is_far and self.chance is not None and self.chance <= LEVEL


@dataclass(frozen=True)
class Drift:
    """New rows against the training rows of a model.

    `independent` says what is taken as independent, `users` how many equally active users (or rows)
    are as unlike. `far` are the shares of rows whose number is far outside of those of
    training. `unlabelled` names the tasks of which no row has a label.
    """

    model: str
    rows: int
    training_rows: int
    independent: Unit
    users: float
    scenarios: tuple[ChangedShare, ...]
    without_id: tuple[ChangedShare, ...]
    inputs: tuple[InputDrift, ...]
    far: tuple[ChangedShare, ...]
    cells: tuple[CellOfNewRows, ...]
    unlabelled: tuple[str, ...] = ()

    @property
    def is_notable(self) -> bool:
        """Whether anything is."""
        shares = (*self.scenarios, *self.without_id, *self.far)
        is_any_share = any(share.is_notable for share in shares)
        is_any_input = any(each.is_notable for each in self.inputs)
        return is_any_share or is_any_input or any(cell.is_notable for cell in self.cells)


def corrected(drift: Drift, num_comparisons: int = 1) -> Drift:
    """Correct all chances, so that any of them is at most 5 % in at most 5 % of comparisons.

    What rows hold and what they are labelled are two families, each with its part of the 5 %. With
    several comparisons, such as nights, any of all of them is at most 5 % as seldom.
    """
    all_shares = (*drift.scenarios, *drift.without_id, *drift.far)
    of_rows = [share.chance for share in all_shares] + [each.chance for each in drift.inputs]
    of_labels = [cell.chance for cell in drift.cells if cell.chance is not None]
    num_families = num_comparisons * (bool(of_rows) + bool(of_labels))
    rows_after = _after_holm(of_rows, num_families)
    labels_after = _after_holm(of_labels, num_families)
    cells = []
    for cell in drift.cells:
        chance = None if cell.chance is None else next(labels_after)
        cells.append(replace(cell, chance=chance))
    return replace(
        drift,
        scenarios=tuple(replace(each, chance=next(rows_after)) for each in drift.scenarios),
        without_id=tuple(replace(each, chance=next(rows_after)) for each in drift.without_id),
        far=tuple(replace(each, chance=next(rows_after)) for each in drift.far),
        inputs=tuple(replace(each, chance=next(rows_after)) for each in drift.inputs),
        cells=tuple(cells),
    )


def _after_holm(chances: Sequence[float], num_families: int) -> Iterator[float]:
    return iter(step.p_holm for step in holm([num_families * chance for chance in chances]))


def changed(
    name: str,
    before: float,
    num_before: float,
    now: float,
    num_now: float,
    *,
    may_fall: bool = False,
) -> ChangedShare:
    """Compare the share `now` of new rows with the share `before` of others.

    Both numbers are of independent rows.
    """
    from scipy.stats import fisher_exact  # half a second, which the scores of a request do not need

    table = [_counts(before, num_before), _counts(now, num_now)]
    return ChangedShare(name, before, now, float(fisher_exact(table).pvalue), may_fall)


def _counts(share: float, num_rows: float) -> list[int]:
    num_rows = min(max(int(num_rows), 1), MOST_ROWS)
    num_with = round(share * num_rows)
    return [num_with, num_rows - num_with]


def input_drift(
    name: str, share_K: Floats, training_share_K: Floats, num_rows: float, num_training_rows: float
) -> InputDrift:
    """Compare two distribution functions at their knots; the numbers are of independent rows."""
    distance = float(np.abs(share_K - training_share_K).max())
    size = sqrt(1 / max(num_rows, 1) + 1 / max(num_training_rows, 1))
    return InputDrift(name, distance, float(kolmogorov(distance / size)))


def binary_cell(
    cell: Cell, label_C: NDArray[np.uint8], predicted_C: Floats, user_C: NDArray[np.int64]
) -> CellOfNewRows:
    """Compare the positives of a cell with the sum of its probabilities.

    The variance of their difference is at least that of independent rows, and their chance at least
    that of a binomial distribution, which counts where positives are few.
    """
    variance_C = predicted_C * (1 - predicted_C)
    residual_U = _sums(user_C, label_C - predicted_C)
    variance_U = _sums(user_C, variance_C)
    spread_U = _sums(user_C, np.sqrt(variance_C))
    users = degrees_of_freedom(residual_U, spread_U, variance_U)
    positives = int(label_C.sum())
    chance = max(
        chance_of_sum(residual_U, users, float(variance_C.sum())),
        chance_of_count(positives, predicted_C),
    )
    return CellOfNewRows(
        scenario=cell.scenario,
        task=cell.task,
        rows=len(label_C),
        positives=positives,
        predicted=float(predicted_C.sum()),
        users=users,
        chance=chance if users >= FEWEST_USERS else None,
        auc=auc(predicted_C, label_C),
    )


def amount_cell(
    cell: Cell,
    amount_C: Floats,
    expected_C: Floats,
    user_C: NDArray[np.int64],
    spread: AmountSpread,
) -> CellOfNewRows:
    """Compare the amounts of a cell with the sum of what is expected.

    Few large amounts make the sum, and rows that lack them do not show how much it varies: so its
    variance is at least that which amounts of training, and users of training, had.
    """
    residual_U = _sums(user_C, amount_C - expected_C)
    expected_U = _sums(user_C, expected_C)
    square_U = _sums(user_C, expected_C**2)
    scale = spread.of_rows  # of the variance of a row
    users = degrees_of_freedom(residual_U, scale**0.5 * expected_U, scale * square_U)
    chance = None
    if users >= FEWEST_USERS:
        least_variance = spread.least_variance(len(amount_C), expected_U)
        chance = chance_of_sum(residual_U, users, least_variance)
    return CellOfNewRows(
        scenario=cell.scenario,
        task=cell.task,
        rows=len(amount_C),
        positives=int((amount_C > 0).sum()),
        predicted=float(expected_C.sum()),
        users=users,
        chance=chance,
        auc=auc(expected_C, amount_C),
        total=float(amount_C.sum()),
    )


def _sums(user_C: NDArray[np.int64], value_C: Floats) -> Floats:
    """The sum of the values of every user that has rows (U,)."""
    _, number_C = np.unique(user_C, return_inverse=True)
    return np.bincount(number_C, weights=value_C).astype(np.float64)


@dataclass(frozen=True)
class NumberCounts:
    """Counts of rows: `at_most[n][k]` of those whose input n is at most knot k of training.

    `far` counts those whose number is far outside of training.
    """

    num_rows: int
    at_most: Mapping[str, NDArray[np.int64]]
    far: Mapping[str, int]

    def share_at_most(self, name: str) -> NDArray[np.float64]:
        """The distribution function of an input at the knots of training (K,)."""
        return self.at_most[name] / max(self.num_rows, 1)

    def share_far(self, name: str) -> float:
        """The share of rows whose number is far outside of training."""
        return self.far[name] / max(self.num_rows, 1)


def count_numbers(
    profile: Profile, names: Sequence[str], numeric_RN: NDArray[np.float32]
) -> NumberCounts:
    """Count the rows of encoded inputs of these names."""
    at_most = {}
    for name, number_R in zip(names, numeric_RN.T, strict=True):
        value_K = profile.numeric[name].values
        first_R = np.searchsorted(value_K, number_R.astype(np.float64), side="left")
        at_most[name] = np.bincount(first_R, minlength=len(value_K)).cumsum()[: len(value_K)]
    far = dict(zip(names, FarLimits.of(profile, names).num_far(numeric_RN), strict=True))
    return NumberCounts(len(numeric_RN), at_most, far)


def added(counts: Sequence[NumberCounts]) -> NumberCounts:
    """Add up the counts of blocks of rows, at least one."""
    names = counts[0].far
    return NumberCounts(
        sum(each.num_rows for each in counts),
        {name: np.sum([each.at_most[name] for each in counts], axis=0) for name in names},
        {name: sum(each.far[name] for each in counts) for name in names},
    )


def moved_inputs(
    profile: Profile, counts: NumberCounts, num_users: float
) -> tuple[InputDrift, ...]:
    """Compare the distribution of every input with that of training; chances are not corrected.

    The new rows are as unlike as those of `num_users` equally active users.
    """
    train = RowsOfUsers(min(profile.rows, MAX_ROWS), profile.train.num_users)
    new = RowsOfUsers(counts.num_rows, num_users)
    moved = []
    for name in counts.far:
        likeness = profile.likeness("numeric", name)
        known_K = np.array(profile.numeric[name].shares)
        share_K = counts.share_at_most(name)
        moved.append(
            input_drift(name, share_K, known_K, new.worth(likeness), train.worth(likeness))
        )
    return tuple(moved)


def far_numbers(
    profile: Profile, counts: NumberCounts, num_users: float
) -> tuple[ChangedShare, ...]:
    """Compare the share of far numbers with that of training, which has none, by input.

    That the most extreme of training and new rows are all new has the chance of Fisher's test. It
    is doubled, for both ends, and not corrected. Extreme numbers may be those of one user, so rows
    of a user count as equal.
    """
    before = profile.train.worth(1.0)
    shares = (
        changed(name, 0.0, before, counts.share_far(name), num_users, may_fall=True)
        for name in counts.far
    )
    return tuple(replace(share, chance=min(1.0, 2 * share.chance)) for share in shares)


@dataclass(frozen=True)
class FarLimits:
    """The limits of every input, outside of which a number is far from those of training."""

    low_N: NDArray[np.float64]
    high_N: NDArray[np.float64]

    @classmethod
    def of(cls, profile: Profile, names: Sequence[str]) -> "FarLimits":
        """The limits of inputs of these names."""
        known = [profile.numeric[name].values for name in names]
        return cls(
            np.array([values[0] - FAR for values in known], dtype=np.float64),
            np.array([values[-1] + FAR for values in known], dtype=np.float64),
        )

    def num_far(self, numeric_RN: NDArray[np.float32]) -> list[int]:
        """The number of rows whose input is far, by input (N)."""
        is_far_RN = (numeric_RN < self.low_N) | (numeric_RN > self.high_N)
        return [int(count) for count in is_far_RN.sum(axis=0)]
