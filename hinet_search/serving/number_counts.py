"""Number counts: where the numeric inputs of new rows lie among those of training, and how far off.

Shape legend: R rows, N numeric inputs, K knots of an input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.serving.drift import ChangedShare, InputDrift, changed, input_drift
from hinet_search.serving.profile import MAX_ROWS, Distribution, Profile, RowsOfUsers

FAR = 1.0  # standard deviations of training beyond its smallest and largest number


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
    numbers = dict(zip(names, numeric_RN.T, strict=True))
    return NumberCounts(
        len(numeric_RN),
        {name: _num_at_most(number_R, profile.numeric[name]) for name, number_R in numbers.items()},
        dict(zip(names, FarLimits.of(profile, names).num_far(numeric_RN), strict=True)),
    )


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


def _num_at_most(number_R: NDArray[np.float32], known: Distribution) -> NDArray[np.int64]:
    num_knots = len(known.values)
    first_R = np.searchsorted(known.values, number_R.astype(np.float64), side="left")
    at_most_K: NDArray[np.int64] = np.bincount(first_R, minlength=num_knots).cumsum()[:num_knots]
    return at_most_K


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
