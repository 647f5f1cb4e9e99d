"""Claims over users: how often two equal models are called different (claims.py).

The models differ by what they know of each user, and of each item if there are items. Their scores
of synthetic rows are resampled and compared by the product.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.results.cells import make_cells
from hinet_search.results.contrasts import judged
from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.resampling import (
    ScoredRows,
    objective_values,
    prepare,
    resampled,
    units_of_rows,
)
from hinet_search.results.statistics.welch import ArmValues

SEEDS = 5
CELLS = make_cells(("all",), ("task",))
MOST_ROWS = 2000  # of a user
MANY = 5000  # users whose rows tell which model is better on these items

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Users:
    """Rows of `count` users: 20 of each, or a Pareto-distributed number (`heavy`).

    With `items` each row has one of so many, whose rows are by Zipf's law. Users that are `hidden`
    have rows that are alike, but no column.
    """

    count: int
    heavy: bool = False
    amount: float = 0.0  # standard deviation of the logs of amounts; 0 where labels are 0 and 1
    headline: str = "macro_auc"
    gain: float = 0.0  # share of the other's error that the first model does without
    known: float = 0.7  # standard deviation of what a model has wrong about a user
    seeds: float = 0.3  # and of what a seed has wrong about a row
    items: int = 0
    known_of_items: float = 0.7
    hidden: bool = False

    def users_of_rows(self, draw: np.random.Generator) -> NDArray[np.int32]:
        """(R,): the user of every row."""
        rows_U = np.full(self.count, 20)
        if self.heavy:
            rows_U = np.clip((draw.pareto(1.1, self.count) * 5).astype(int), 2, MOST_ROWS)
        return np.repeat(np.arange(self.count, dtype=np.int32), rows_U)

    def labels(self, truth_R: Values, draw: np.random.Generator) -> NDArray[np.generic]:
        """(R,): labels of rows whose logit, or standardised log of the amount, is `truth_R`."""
        if not self.amount:
            return (draw.random(len(truth_R)) < 1 / (1 + np.exp(-truth_R))).astype(np.uint8)
        log_R = (truth_R + draw.normal(size=len(truth_R))) * self.amount
        return np.exp(log_R - 1.5 * self.amount**2).astype(np.float32)

    def wrong_of_items(self, draw: np.random.Generator) -> Values:
        """(2, I): what either model has wrong about every item."""
        return draw.normal(size=(2, self.items)) * self.known_of_items

    def scored(self, wrong_2I: Values, draw: np.random.Generator) -> list[ScoredRows]:
        """Return the scores of two models on the same rows."""
        user_R = self.users_of_rows(draw)
        wrong_2R = np.zeros((2, len(user_R)))
        if self.items:
            popular_I = 1 / np.arange(1, self.items + 1)
            item_R = draw.choice(self.items, size=len(user_R), p=popular_I / popular_I.sum())
            wrong_2R = wrong_2I[:, item_R]
        truth_R = draw.normal(size=self.count)[user_R] + draw.normal(size=len(user_R))
        labels_R = self.labels(truth_R, draw)
        models = []
        knowns = self.known * (1 - self.gain), self.known
        for of_items_R, known in zip(wrong_2R, knowns, strict=True):
            wrong_R = draw.normal(size=self.count)[user_R] * known + of_items_R
            noise_SR = draw.normal(size=(SEEDS, len(user_R))) * self.seeds
            logit_SR = truth_R + wrong_R + noise_SR
            if self.amount:
                logit_SR = logit_SR * self.amount - 0.5 * self.amount**2
            scores = ScoredRows(
                logit_SR[:, :, np.newaxis].astype(np.float32),
                labels_R[:, np.newaxis],
                np.zeros(len(user_R), np.int16),
                np.full_like(user_R, -1) if self.hidden else user_R,
                [replace(cell, unit=1.0 if self.amount else None) for cell in CELLS],
            )
            models.append(scores)
        return models

    def difference(self, wrong_2I: Values, draw: np.random.Generator) -> float:
        """Return by how much the first model is better on these items, over many users."""
        many = replace(self, count=MANY)
        ours, theirs = (
            values_by_seed(scored, self.headline) for scored in many.scored(wrong_2I, draw)
        )
        return float(np.mean(ours) - np.mean(theirs))


def values_by_seed(scored: ScoredRows, headline: str) -> list[float]:
    """Return the headline measure of every seed."""
    objective = objective_named(headline)
    unit_R, num_units = units_of_rows(scored.user_R)
    prepared = prepare(scored, unit_R, num_units, objective.metric)
    rows_C1 = prepared.rows_UC.sum(axis=0)[:, np.newaxis]
    value_SC1 = prepared.values(np.ones((num_units, 1)))
    values: list[float] = objective_values(objective, prepared.cells, rows_C1, value_SC1)[
        :, 0
    ].tolist()
    return values


def as_arm(scored: ScoredRows, headline: str) -> ArmValues:
    """Return the scores as values by seed and resampling, as summaries keep them."""
    objective = objective_named(headline)
    values = values_by_seed(scored, headline)
    drawn = resampled(scored, headline=headline, seed=3)
    sign = 1 if objective.maximize else -1
    return ArmValues(
        tuple(sign * value for value in values),
        tuple(sign * value for value in drawn.headline),
        drawn.num_units,
        is_root=objective.metric.is_root,
        of_users=drawn.unit == "users",
    )


@dataclass(frozen=True)
class UserQuestion:
    """How often two models are called different; a limit where they are equal.

    `on_these_items` asks how often the one is called better that is worse on the items of the rows.
    With `as_units` rows count as users would.
    """

    words: str
    users: Users
    limit: float | None = 0.05
    part: float = 1.0
    on_these_items: bool = False
    as_units: bool = False

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether a study claims a difference."""
        wrong_2I = self.users.wrong_of_items(draw)
        sides = [as_arm(each, self.users.headline) for each in self.users.scored(wrong_2I, draw)]
        ours, theirs = (replace(side, of_users=side.of_users or self.as_units) for side in sides)
        mark = judged([("other", ours, theirs)], "users")[0].mark
        if self.on_these_items and mark in ("better", "worse"):
            return (self.users.difference(wrong_2I, draw) > 0) != (mark == "better")
        return mark in ("better", "worse")


def asked() -> Mapping[str, Sequence[UserQuestion]]:
    """Return all questions, by title."""
    return {
        "A false claim about two equal models, over users": [*equal_models()],
        "Rows of users without a column, and of few items": [*hidden_users(), *crossed_items()],
        "A difference is found, over users": [*unequal_models()],
    }


def equal_models() -> Iterator[UserQuestion]:
    """Ask of two models that know users equally well."""
    for count, heavy, part in (
        (20, False, 1.0),
        (50, False, 1.0),
        (20, True, 1.0),
        (50, True, 1.0),
        (200, True, 0.3),
    ):
        rows = "Pareto-distributed rows" if heavy else "20 rows each"
        for headline in ("macro_auc", "logloss"):
            said = f"{count} users with {rows}, {headline}"
            yield UserQuestion(said, Users(count, heavy, headline=headline), part=part)
    for metric in ("rmse", "mae"):
        for count, spread in ((50, 1.5), (200, 1.0), (200, 1.5)):
            users = Users(count, amount=spread, headline=f"{metric}[all/task]")
            said = f"{count} users with 20 rows each, amounts lognormal ({spread:g}), {metric}"
            yield UserQuestion(said, users)


def hidden_users() -> Iterator[UserQuestion]:
    """Ask of two equal models on rows of users that the table does not name."""
    hidden = Users(200, hidden=True)
    said = "200 users with 20 rows each, no user column"
    yield UserQuestion(said, hidden, 0.0)
    yield UserQuestion(f"{said}: if rows counted as users", hidden, None, as_units=True)


def crossed_items() -> Iterator[UserQuestion]:
    """Ask of two models that know users and items equally well, on average over all items."""
    for wrong in (0.2, 0.7):
        users = Users(200, items=30, known_of_items=wrong)
        said = f"200 users crossed with 30 Zipf items, {wrong:g} wrong about an item"
        yield UserQuestion(f"{said}: false on these items", users, on_these_items=True)
        yield UserQuestion(f"{said}: false of all items", users, None)


def unequal_models() -> Iterator[UserQuestion]:
    """Ask of a model that has less wrong about users than the other."""
    for words, users in (
        ("macro_auc", Users(200, gain=0.5)),
        (
            "rmse of amounts, lognormal (0.5)",
            Users(200, amount=0.5, headline="rmse[all/task]", gain=0.5),
        ),
        (
            "rmse of amounts, lognormal (1)",
            Users(200, amount=1.0, headline="rmse[all/task]", gain=0.5),
        ),
    ):
        yield UserQuestion(f"200 users with 20 rows each, {words}", users, None, 0.3)
