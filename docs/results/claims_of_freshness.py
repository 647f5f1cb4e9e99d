"""Claims of freshness: how often older inputs that cost nothing are said to cost (claims.py).

The same models score the same made-up rows twice, with inputs that are wrong about users and rows
in ways of their own, and equally much. Scores are resampled and compared by the product.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from claims import Tables, all_answered
from claims_of_users import CELLS, SEEDS, Users, as_arm
from numpy.typing import NDArray

from hinet_search.results.contrasts import SMALL_EFFECT
from hinet_search.results.staleness import lost_by
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.statistics.resampling import ScoredRows
from hinet_search.results.statistics.welch import ArmValues


@dataclass(frozen=True)
class Freshness:
    """Rows of `users`; with fresh inputs a model has `gain` less wrong than with older ones.

    `of_row` is the standard deviation of what inputs have wrong about a row, `Users.known` about a
    user, and `Users.seeds` what a seed has wrong with both inputs alike.
    """

    users: Users
    of_row: float = 0.5

    def lost(self, draw: np.random.Generator) -> Difference:
        """What the product says that older inputs cost."""
        users = self.users
        user_R = users.users_of_rows(draw)
        truth_R = draw.normal(size=users.count)[user_R] + draw.normal(size=len(user_R))
        labels_R = users.labels(truth_R, draw)
        seeds_SR = draw.normal(size=(SEEDS, len(user_R))) * users.seeds
        fresh, stale = (
            truth_R + part * self._wrong(user_R, draw) + seeds_SR for part in (1 - users.gain, 1.0)
        )
        return lost_by(*(self._scored(side, labels_R, user_R) for side in (fresh, stale)))

    def _wrong(self, user_R: NDArray[np.int32], draw: np.random.Generator) -> NDArray[np.float64]:
        of_user_R = draw.normal(size=self.users.count)[user_R] * self.users.known
        return of_user_R + draw.normal(size=len(user_R)) * self.of_row

    def _scored(
        self,
        logit_SR: NDArray[np.float64],
        labels_R: NDArray[np.generic],
        user_R: NDArray[np.int32],
    ) -> ArmValues:
        scored = ScoredRows(
            logit_SR[:, :, np.newaxis].astype(np.float32),
            labels_R[:, np.newaxis],
            np.zeros(len(user_R), np.int16),
            user_R,
            CELLS,
        )
        return as_arm(scored, self.users.headline)


@dataclass(frozen=True)
class FreshnessQuestion:
    """How often the interval is above nothing, or above what the trust card warns from."""

    words: str
    freshness: Freshness
    above: float = 0.0
    limit: float | None = 0.05
    part: float = 1.0

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether a study says so."""
        lost = self.freshness.lost(draw)
        return not lost.lacks and lost.low is not None and lost.low > self.above


def tables(studies: int) -> Tables:
    """Return the tables of this file."""
    return all_answered(asked(), studies)


def asked() -> Mapping[str, Sequence[FreshnessQuestion]]:
    """Return all questions, by title."""
    return {
        "Older inputs that cost nothing are said to cost something": [*_free()],
        "Older inputs that cost something are found": [*_dear()],
    }


def _free() -> Iterator[FreshnessQuestion]:
    for count, heavy in ((20, False), (50, True), (200, False), (200, True)):
        rows = "Pareto-distributed rows" if heavy else "20 rows each"
        for headline in ("macro_auc", "logloss"):
            words = f"{count} users with {rows}, {headline}"
            of = Freshness(Users(count, heavy, headline=headline))
            yield FreshnessQuestion(f"{words}: an interval above 0", of)
            if headline == "macro_auc":
                yield FreshnessQuestion(f"{words}: a warning", of, above=SMALL_EFFECT)


def _dear() -> Iterator[FreshnessQuestion]:
    for gain in (0.1, 0.3):
        of = Freshness(Users(200, gain=gain))
        words = f"200 users with 20 rows each, fresh inputs {gain:.0%} less wrong: a warning"
        yield FreshnessQuestion(words, of, SMALL_EFFECT, None, 0.3)
