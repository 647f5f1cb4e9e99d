"""Claims of monitor: how often it marks something of a model that is right, and finds what is not.

`python docs/results/claims_of_monitor.py` makes days of rows whose users are alike in their labels,
scenarios and inputs, and compares each with training by the functions of `hinet-search monitor`.
Two tasks of six scenarios, and 20 numeric inputs. Shape legend: R rows, U users, N inputs.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from claims import part_of
from claims_rows import Row
from numpy.typing import NDArray
from scipy.special import expit

from hinet_search.results.cells import Cell
from hinet_search.results.statistics.clustered import equal_users, likeness
from hinet_search.results.statistics.resampling import units_of_rows
from hinet_search.serving.drift import (
    CellOfNewRows,
    Drift,
    amount_cell,
    binary_cell,
    corrected,
    count_numbers,
    far_numbers,
    moved_inputs,
)
from hinet_search.serving.monitor import share_of_scenario
from hinet_search.serving.profile import (
    AmountSpread,
    Profile,
    RowsOfUsers,
    UsersOfTraining,
    amount_spread,
    distribution,
    likeness_of_numbers,
)

SCENARIOS = tuple(f"scenario {number}" for number in range(6))
NUM_TASKS, NUM_INPUTS = 2, 20
MOST_ROWS = 2000  # of a user
TRAINED_EVERY = 10  # days: a training is dearer than a day
POINTS, WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
WEIGHTS = WEIGHTS / WEIGHTS.sum()

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Days:
    """What made rows are like.

    Of every day there are `users` of `rows` rows each, or with numbers of rows of a heavy tail.
    `taste` is the standard deviation of a user's own logit (or log of amounts), `own` the share of
    an input's variance, and of rows in a scenario, that is the user's. Where `knows_users` is
    false, no user is told. In the first cell a probability (or amount) is off by the factor `off`,
    the first input by `moved` standard deviations. `noise` is the deviation of logs of amounts,
    None for tasks of 0 and 1.
    """

    users: int
    rows: int
    heavy: bool = False
    taste: float = 1.0
    own: float = 0.5
    base: float = -2.5
    off: float = 1.0
    moved: float = 0.0
    noise: float | None = None
    tail: bool = False  # inputs of a heavy tail
    knows_users: bool = True
    of_training: int = 2000  # users

    def user_of_rows(self, draw: np.random.Generator, num_users: int) -> NDArray[np.int32]:
        """The user of every row (R,)."""
        rows_U = np.full(num_users, self.rows)
        if self.heavy:
            drawn_U = draw.pareto(1.1, num_users) * self.rows / 2
            rows_U = np.clip(drawn_U.astype(int), 1, MOST_ROWS)
        return np.repeat(np.arange(num_users, dtype=np.int32), rows_U)

    def scenario_of_rows(
        self, draw: np.random.Generator, user_R: NDArray[np.int32]
    ) -> NDArray[np.int64]:
        """The scenario of every row (R,), often that of its user."""
        home_R = draw.integers(len(SCENARIOS), size=user_R.max() + 1)[user_R]
        other_R = draw.integers(len(SCENARIOS), size=len(user_R))
        return np.where(draw.random(len(user_R)) < self.own, home_R, other_R)

    def inputs_of_rows(
        self, draw: np.random.Generator, user_R: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Numeric inputs (R, N), standardised."""
        of_user_RN = draw.normal(size=(user_R.max() + 1, NUM_INPUTS))[user_R]
        of_row_RN = draw.normal(size=(len(user_R), NUM_INPUTS))
        input_RN = self.own**0.5 * of_user_RN + (1 - self.own) ** 0.5 * of_row_RN
        if self.tail:
            mean, deviation = np.exp(1.125), ((np.exp(2.25) - 1) * np.exp(2.25)) ** 0.5
            input_RN = (np.exp(1.5 * input_RN) - mean) / deviation
        input_RN[:, 0] += self.moved
        return input_RN.astype(np.float32)

    def labels_of_rows(
        self, draw: np.random.Generator, user_R: NDArray[np.int32]
    ) -> tuple[Floats, Floats]:
        """What is right to predict, and the labels (R,), of one task."""
        taste_R = self.taste * draw.normal(size=user_R.max() + 1)[user_R]
        known_R = draw.normal(size=len(user_R))
        if self.noise is None:
            logit_R = self.base + known_R
            tastes = self.taste * POINTS
            predicted_R = (expit(logit_R[:, None] + tastes) * WEIGHTS).sum(axis=1)
            return predicted_R, (draw.random(len(user_R)) < expit(logit_R + taste_R)).astype(float)
        noise_R = self.noise * draw.normal(size=len(user_R)) - self.noise**2 / 2
        expected_R = np.exp(known_R / 2 + self.taste**2 / 2)
        is_bought_R = draw.random(len(user_R)) < 0.5
        return expected_R, 2 * is_bought_R * np.exp(known_R / 2 + taste_R + noise_R)


def trained(days: Days, draw: np.random.Generator) -> Profile:
    """Return the profile of rows of training, as an export has it."""
    user_R = days.user_of_rows(draw, days.of_training)
    unit_R, _ = units_of_rows(user_R)
    scenario_R = days.scenario_of_rows(draw, user_R)
    input_RN = replace(days, moved=0.0).inputs_of_rows(draw, user_R)
    names = tuple(f"input {number}" for number in range(NUM_INPUTS))
    worth = equal_users(user_R)
    users = UsersOfTraining(
        train=worth,
        valid=worth,
        scenarios={
            name: likeness(scenario_R == number, unit_R) for number, name in enumerate(SCENARIOS)
        },
        numeric={
            name: likeness_of_numbers(input_RN[:, number], unit_R)
            for number, name in enumerate(names)
        },
    )
    share_M = np.bincount(scenario_R, minlength=len(SCENARIOS)) / len(scenario_R)
    return Profile(
        rows=len(user_R),
        scenarios=dict(zip(SCENARIOS, share_M.tolist(), strict=True)),
        numeric={name: distribution(input_RN[:, number]) for number, name in enumerate(names)},
        valid_rows=len(user_R),
        without_id={},
        tasks={},
        users=users if days.knows_users else None,
        amounts=_amounts(days, draw, user_R),
    )


def _amounts(
    days: Days, draw: np.random.Generator, user_R: NDArray[np.int32]
) -> dict[str, AmountSpread]:
    if days.noise is None:
        return {}
    _, amount_R = days.labels_of_rows(draw, user_R)
    return {"task": amount_spread(amount_R, user_R)}


def day(days: Days, profile: Profile, draw: np.random.Generator) -> Drift:
    """Return what monitor says of a day of new rows."""
    user_R = days.user_of_rows(draw, days.users)
    scenario_R = days.scenario_of_rows(draw, user_R)
    input_RN = days.inputs_of_rows(draw, user_R)
    told_R = user_R if days.knows_users else np.full(len(user_R), -1, dtype=np.int32)
    new = RowsOfUsers(len(user_R), equal_users(told_R))
    share_M = np.bincount(scenario_R, minlength=len(SCENARIOS)) / len(scenario_R)
    counts = count_numbers(profile, tuple(profile.numeric), input_RN)
    drift = Drift(
        model="made up",
        rows=len(user_R),
        training_rows=profile.rows,
        independent="users" if days.knows_users else "rows",
        users=new.num_users,
        scenarios=tuple(
            share_of_scenario(profile, name, float(now), new)
            for name, now in zip(SCENARIOS, share_M, strict=True)
        ),
        without_id=(),
        inputs=moved_inputs(profile, counts, new.num_users),
        far=far_numbers(profile, counts, new.num_users),
        cells=tuple(_cells(days, profile, draw, (user_R, units_of_rows(told_R)[0]), scenario_R)),
    )
    return corrected(drift)


def _cells(
    days: Days,
    profile: Profile,
    draw: np.random.Generator,
    users: tuple[NDArray[np.int32], NDArray[np.int64]],
    scenario_R: NDArray[np.int64],
) -> Iterator[CellOfNewRows]:
    user_R, unit_R = users
    for task in range(NUM_TASKS):
        predicted_R, label_R = days.labels_of_rows(draw, user_R)
        for number, name in enumerate(SCENARIOS):
            rows = scenario_R == number
            if not rows.any():
                continue
            cell, is_off = Cell(name, "task", number, task), task == 0 and number == 0
            predicted_C = predicted_R[rows] / (days.off if is_off else 1.0)
            if days.noise is None:
                yield binary_cell(cell, label_R[rows].astype(np.uint8), predicted_C, unit_R[rows])
            else:
                spread = profile.amounts["task"]
                yield amount_cell(cell, label_R[rows], predicted_C, unit_R[rows], spread)


def anything(drift: Drift) -> bool:
    """Return whether anything is marked as more than chance."""
    return drift.is_notable and drift.independent == "users"


def first_cell(drift: Drift) -> bool:
    """Return whether the first cell is marked."""
    return drift.cells[0].is_notable


def first_input(drift: Drift) -> bool:
    """Return whether the first input is marked."""
    return drift.inputs[0].is_notable


Happened = Callable[[Drift], bool]


@dataclass(frozen=True)
class Question:
    """A count of days, and the largest share that it may have; None where there is no limit."""

    words: str
    days: Days
    happened: Happened
    limit: float | None = None


ROWS_ALONE = Days(3000, 1, own=0.0, taste=1.0)
EVEN = Days(300, 20)
FEW = Days(150, 80)
HEAVY = Days(300, 20, heavy=True)
HEAVIER = Days(2000, 20, heavy=True, of_training=4000)


def questions() -> Iterator[Question]:
    """Ask for marks of a model that is right, and for those of one that is not."""
    for words, days in (
        ("3,000 users of a row", ROWS_ALONE),
        ("300 users of 20 rows", EVEN),
        ("150 users of 80 rows", FEW),
        ("80 users of 80 rows", Days(80, 80)),
        ("300 users, Pareto", HEAVY),
        ("2,000 users, Pareto", HEAVIER),
        ("300 users of 20 rows, inputs of a heavy tail", replace(EVEN, tail=True)),
        ("300 users, Pareto, inputs of a heavy tail", replace(HEAVY, tail=True)),
        ("150 users of 80 rows, 300 of training", replace(FEW, of_training=300)),
        ("300 users of 20 rows, strong tastes", replace(EVEN, taste=2.0)),
        ("300 users of 20 rows, rare positives", replace(EVEN, base=-5.0)),
    ):
        yield Question(f"anything of a right model: {words}", days, anything, 0.05)
    for words, days in (
        ("3,000 users of a row", ROWS_ALONE),
        ("300 users of 20 rows", EVEN),
        ("150 users of 80 rows", FEW),
        ("2,000 users, Pareto", HEAVIER),
    ):
        of_amounts = replace(days, taste=0.7, noise=0.7)
        yield Question(f"anything of right amounts: {words}", of_amounts, anything, 0.05)
        wild = replace(of_amounts, noise=1.2)
        yield Question(f"anything of right amounts, wild: {words}", wild, anything, 0.05)
    unknown = replace(FEW, knows_users=False)
    yield Question("`!!` where no user is told: 150 users of 80 rows", unknown, anything, 0.0)
    yield Question("`??` where no user is told: 150 users of 80 rows", unknown, _any_mark)
    for words, days in (
        ("300 users of 20 rows", EVEN),
        ("300 users of 60 rows, in all scenarios", Days(300, 60, own=0.0)),
        ("300 users of 60 rows, in all scenarios, tastes .5", Days(300, 60, own=0.0, taste=0.5)),
        ("300 users of 20 rows, 20 % positives", replace(EVEN, base=-1.7)),
        ("2,000 users, Pareto", HEAVIER),
    ):
        yield Question(f"a cell off by 1.3: {words}", replace(days, off=1.3), first_cell)
    yield Question("a cell off by 1.5: 300 users of 20 rows", replace(EVEN, off=1.5), first_cell)
    yield Question(
        "amounts off by 1.5: 300 users of 60 rows",
        Days(300, 60, taste=0.7, noise=0.7, off=1.5),
        first_cell,
    )
    yield Question(
        "an input moved by .5: 300 users of 20 rows", replace(EVEN, moved=0.5), first_input
    )
    yield Question("an input moved by .5: 2,000, Pareto", replace(HEAVIER, moved=0.5), first_input)


def _any_mark(drift: Drift) -> bool:
    return drift.is_notable


def claims_of_monitor(studies: int, only: str = "", seed: int = 0) -> Iterator[Row]:
    """Answer the questions whose words hold `only`, with a training and a day per study."""
    for question in questions():
        if only not in question.words:
            continue
        draw = np.random.default_rng(seed)
        count = 0
        for number in range(studies):
            if number % TRAINED_EVERY == 0:
                profile = trained(question.days, draw)
            count += question.happened(day(question.days, profile, draw))
        yield Row(question.words, *part_of(count, studies), studies, question.limit)


def tables(studies: int) -> dict[str, list[Row]]:
    """Return what is marked of a right model, and what is found, as rows by the tables' titles."""
    rows = list(claims_of_monitor(studies))
    right = [row for row in rows if row.allowed is not None]
    found = [row for row in rows if row.allowed is None]
    return {"Monitor marks something of a right model": right, "Monitor finds": found}


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000, help="days of every line")
    parser.add_argument("--only", default="", metavar="TEXT", help="only lines that hold this text")
    arguments = parser.parse_args()
    print("| monitor marks | share | 95 % interval | allowed |\n|---|---|---|---|")
    for row in claims_of_monitor(arguments.studies, arguments.only):
        allowed = "" if row.allowed is None else f"{row.allowed:g}"
        interval = f"{row.low:.3f} to {row.high:.3f}"
        print(f"| {row.words} | {row.share:.3f} | {interval} | {allowed} |", flush=True)


if __name__ == "__main__":
    main()
