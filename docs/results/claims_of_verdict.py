"""Claims of the verdict: what is asked of it in worlds of equal and unequal arms (claims.py)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from claims import (
    ARMS,
    Asked,
    Question,
    World,
    better_than_one,
    cheaper_choice,
    claim,
    claim_of_cell,
    claim_of_second,
    costly_choice,
    false_claim,
    win,
)

from hinet_search.results.contrasts import contrasts, smallest_differences
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import POWER
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.verdict import verdict


def apart(*gains: float) -> tuple[float, ...]:
    """The gains of the first arms; the others have none."""
    return (*gains, *(0.0,) * (len(ARMS) - len(gains)))


UNEQUAL = {
    "HiNet 0.0026, others 0.0012": (0.0026, *(0.0012,) * 8),
    "HiNet 0.0012, others 0.0026": (0.0012, *(0.0026,) * 8),
    "from 0.0005 to 0.0029": tuple(0.0005 + 0.0003 * place for place in range(9)),
    "HiNet 0.0005, others 0.0029": (0.0005, *(0.0029,) * 8),
}
OTHERS = ("mine", *ARMS[1:])  # no arm is a HiNet, so the focus is the best of all on validation
BEHIND = (0.0, -0.002, -0.002, -0.002, -0.002, -0.002, -0.002, -0.002, -0.002)
CALM = World(users=0.0003, spreads=(0.0005,) * 9)


def asked() -> Mapping[str, Sequence[Asked]]:
    """Return all questions, by title."""
    return {
        "A false claim in a study": [*equal_arms(), *some_apart(), *chosen_focus()],
        "Equal arms of which a search finds better and worse": list(searches_of_equals()),
        "A cell of equal arms is called better or worse": list(equal_cells()),
        "A false claim in any of several looks": list(repeated_looks()),
        "The smallest difference that is shown": list(smallest_shown()),
        "A false claim if validation chose finalists of unequal spreads": [*unequal_spreads()],
        "Any claim when something is missing": something_lacking(),
        "A difference is found": [
            *against_one_arm(),
            *without_bias(),
            *against_all_arms(),
        ],
        "A cheaper arm is taken": cheaper_arms(),
    }


def equal_arms() -> Iterator[Question]:
    """Ask for false claims where all arms are equal, with equal and unequal spreads over seeds."""
    for users in (0.0003, 0.0005, 0.001, 0.0017):
        yield Question(
            f"all arms equal, users' error {users:g}", World(users=users), false_claim, 0.05
        )
    for words, spreads in UNEQUAL.items():
        for users in (0.0003, 0.001):
            said = f"all arms equal, seeds {words}, users' error {users:g}"
            yield Question(said, World(users=users, spreads=spreads), false_claim, 0.05)


def some_apart() -> Iterator[Question]:
    """Ask for false claims where the order of rows matters, and where some arms are worse."""
    yield Question("an order of rows per seed, of 0.0011", World(order=0.0011), false_claim, 0.05)
    behind = World(gains=apart(0.0, *(-0.004,) * 4))
    yield Question("HiNet 0.004 ahead of four arms, equal to four", behind, false_claim, 0.05)


def chosen_focus() -> Iterator[Question]:
    """Ask for false claims where validation chooses the focus among nine equal arms."""
    words, null = "focus chosen among nine arms", World(names=OTHERS)
    small = replace(null, users=0.0003)
    yield Question(f"{words}, users' error 0.0003", small, false_claim, 0.05)
    yield Question(f"{words}, users' error 0.001", null, false_claim, 0.05)
    yield Question(
        f"{words}, one finalist each, users' error 0.0003",
        replace(small, finalists=1),
        false_claim,
        0.05,
    )
    for spread_words, spreads in UNEQUAL.items():
        for users in (0.0003, 0.001):
            spread_name = spread_words.replace("HiNet", "one arm")
            said = f"{words}, seeds {spread_name}, users' error {users:g}"
            yield Question(said, replace(null, users=users, spreads=spreads), false_claim, 0.05)


def searches_of_equals() -> Iterator[Question]:
    """Ask for false claims of what the search found, and for claims of the arms that are equal."""
    for equal in (CALM, World()):
        world = replace(equal, configurations=0.001)
        errors = f"seeds {world.spreads[0]:g}, users' error {world.users:g}"
        said = f"configurations vary by 0.001, {errors}"
        yield _false(f"{said}: false of what this search found", world)
        yield Question(f"{said}: some differ, though their arms are equal", world, claim)


def equal_cells() -> Iterator[Question]:
    """Ask for cells that are called better or worse than the rival's: the best on validation."""
    for cells in (4, 20):
        for words, world in {
            "seeds 0.0015, users' error 0.0003": World(users=0.0003),
            "seeds 0.0015, users' error 0.001": World(),
            "seeds HiNet 0.0005, others 0.0029, users' error 0.0003": loud_others(9),
        }.items():
            of_cells = replace(world, cells=cells)
            yield Question(f"{cells} cells, {words}", of_cells, claim_of_cell, 0.05)


@dataclass(frozen=True)
class LooksQuestion:
    """How often equal arms differ significantly if a study is launched again with more seeds."""

    words: str
    world: World  # with the seeds of the last look
    seeds: tuple[int, ...]  # of every look
    spends: bool = True  # the level, look by look
    limit: float | None = 0.05
    part: float = 1.0

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether any look makes a claim."""
        whole = self.world.study(draw)
        for look, seeds in enumerate(self.seeds, 1):
            arms = tuple(_of_first(arm, seeds) for arm in whole.arms)
            record = replace(whole, arms=arms, looks=look if self.spends else 1)
            if claim(self.world, record, verdict(record)):
                return True
        return False


def _of_first(arm: ArmRecord, seeds: int) -> ArmRecord:
    finalists = [replace(each, runs=each.runs[:seeds]) for each in arm.finalists]
    return replace(arm, finalists=tuple(finalists))


def repeated_looks() -> Iterator[LooksQuestion]:
    """Ask of launches with 5, 10, 20 and 40 seeds, of the same users, until one makes a claim."""
    seeds = (5, 10, 20, 40)
    for users in (0.0003, 0.001):
        world = World(users, finalists=1, seeds=seeds[-1], opened=seeds[-1])
        said = f"5, 10, 20 and 40 seeds, users' error {users:g}"
        yield LooksQuestion(said, world, seeds)
        yield LooksQuestion(f"{said}, each at 0.05", world, seeds, spends=False, limit=None)


@dataclass(frozen=True)
class SmallestQuestion:
    """How often what a study of two arms tells of the smallest difference it shows is wrong."""

    words: str
    world: World
    of_least: bool = False  # of what no number of seeds shows less than, else of the range
    level: float = LEVEL
    limit: float = 0.05
    part: float = 1.0

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether the true one is outside the range, or below the least."""
        contrast = contrasts(self.world.study(draw))[0]
        told = smallest_differences(replace(contrast, level=self.level))
        if told is None:
            raise ValueError("a study with users and seeds tells it")
        low, high, least = told
        if self.of_least:
            return true_smallest(replace(self.world, spreads=(1e-9,) * 2), self.level) < least
        return not low <= true_smallest(self.world, self.level) <= high


@cache
def true_smallest(world: World, level: float, studies: int = 4000) -> float:
    """Return the difference that 80 % of studies of a world show."""
    draw = np.random.default_rng(1)
    needed = []
    for _ in range(studies):
        contrast = contrasts(world.study(draw))[0]
        if contrast.errors is None or contrast.mean is None:
            raise ValueError("a study with users and seeds has errors")
        needed.append(contrast.errors.reach(level) - contrast.mean)
    return float(np.quantile(needed, POWER))


def smallest_shown() -> Iterator[SmallestQuestion]:
    """Ask of the range, and of what no number of seeds shows less than."""
    for spread in (0.0005, 0.0015, 0.0029):
        for users in (0.0003, 0.001):
            world = World(users, (spread,) * 2, (0.0, 0.0), 1, names=ARMS[:2])
            said = f"seeds {spread:g}, users' error {users:g}"
            yield SmallestQuestion(f"{said}: it is outside the range told", world)
            of_eight = f"{said}, level 0.05/8: it is outside the range told"
            yield SmallestQuestion(of_eight, world, level=LEVEL / 8)
            yield SmallestQuestion(f"{said}: less than told with many seeds", world, True)
    unequal = World(0.0003, (0.0005, 0.0029), (0.0, 0.0), 1, names=ARMS[:2])
    words = "seeds 0.0005 and 0.0029, users' error 0.0003: it is outside the range told"
    yield SmallestQuestion(words, unequal)


def loud_others(num_arms: int, spread: float = 0.0029, **changes: Any) -> World:
    """Return a world of equal arms: HiNet's seeds spread by 0.0005, all others by `spread`."""
    names = (*ARMS, *(f"other_{number}" for number in range(num_arms)))[:num_arms]
    spreads = (0.0005, *(spread,) * (num_arms - 1))
    return replace(World(0.0003, spreads, (0.0,) * num_arms, names=names), **changes)


def unequal_spreads() -> Iterator[Question]:
    """Ask for false claims where a calm HiNet meets arms whose seeds gave them more to choose."""
    sixfold, tenfold = "seeds HiNet 0.0005, others 0.0029", "seeds HiNet 0.0005, others 0.005"
    for number in (9, 12, 16):
        yield _false(f"{number} arms, {sixfold}", loud_others(number))
    for number, finalists in ((9, 6), (9, 8), (16, 8)):
        world = loud_others(number, finalists=finalists)
        yield _false(f"{number} arms of {finalists} finalists, {sixfold}", world)
    for number in (12, 16):
        yield _false(f"{number} arms, {tenfold}", loud_others(number, 0.005))
    for finalists in (4, 6, 8):
        world = loud_others(2, finalists=finalists)
        yield _false(f"2 arms of {finalists} finalists, {sixfold}", world)
    for finalists in (4, 8):
        world = loud_others(2, 0.005, finalists=finalists)
        yield _false(f"2 arms of {finalists} finalists, {tenfold}", world)
        world = replace(world, users=0.00001)
        yield _false(f"2 arms of {finalists} finalists, {tenfold}, no users' error", world)
    for number in (2, 16):
        world = loud_others(number, finalists=8, likeness=0.95)
        yield _false(f"{number} arms of 8 finalists, {sixfold}, splits that agree (0.95)", world)
    chosen = loud_others(16, finalists=8)
    world = replace(chosen, names=("mine", *chosen.names[1:]))
    yield _false("focus chosen among 16 arms of 8 finalists, one arm 0.0005, others 0.0029", world)


def _false(words: str, world: World) -> Question:
    return Question(words, world, false_claim, 0.05)


def something_lacking() -> list[Question]:
    """Ask for claims where seeds, users or orders of rows are lacking: none is allowed."""
    one_order = World(order=0.0011, shared_batches=True)
    without_users = World(users=0.0017, without_users=True)
    ahead_without_users = World(gains=apart(0.01), without_users=True)
    two_seeds = World(gains=apart(0.01), opened=2)
    return [
        Question("one order of rows for all seeds, of 0.0011", one_order, claim, 0.0),
        Question("no users counted, users' error 0.0017", without_users, claim, 0.0),
        Question("no users counted, HiNet 0.01 ahead", ahead_without_users, claim, 0.0),
        Question("two of five seeds of one arm, HiNet 0.01 ahead", two_seeds, claim_of_second, 0.0),
    ]


def against_one_arm() -> Iterator[Question]:
    """Ask how often a difference from one arm is found."""
    for gain, seeds, users in (
        (0.004, 0.0010, 0.0005),
        (0.004, 0.0015, 0.0005),
        (0.004, 0.0015, 0.001),
        (0.004, 0.0015, 0.0017),
        (0.006, 0.0015, 0.001),
    ):
        said = f"HiNet {gain:g} ahead of one arm, seeds {seeds:g}, users' error {users:g}"
        yield Question(
            said, World(users=users, spreads=(seeds,) * 9, gains=apart(0.0, -gain)), better_than_one
        )


def without_bias() -> Iterator[Question]:
    """Ask how often a difference is found if one finalist an arm leaves nothing to choose."""
    for users in (0.0005, 0.001):
        world = World(users=users, gains=apart(0.0, -0.004), finalists=1)
        said = f"the same, one finalist an arm, seeds 0.0015, users' error {users:g}"
        yield Question(said, world, better_than_one)


def against_all_arms() -> Iterator[Question]:
    """Ask how often an arm that is ahead of all others wins."""
    for gain in (0.004, 0.006):
        said = f"HiNet {gain:g} ahead of all, seeds 0.0015, users' error 0.001: it wins"
        yield Question(said, World(gains=apart(gain)), win)


def cheaper_arms() -> list[Question]:
    """Ask how often a cheaper arm is taken that loses the margin, and one that loses nothing."""
    behind = "every other arm 0.002 behind HiNet"
    costly_and_calm = replace(CALM, gains=BEHIND)
    return [
        Question(
            f"{behind}, users' error 0.0003, seeds 0.0005", costly_and_calm, costly_choice, 0.05
        ),
        Question(
            f"{behind}, users' error 0.001, seeds 0.0015", World(gains=BEHIND), costly_choice, 0.05
        ),
        Question("all arms equal, users' error 0.0003, seeds 0.0005", CALM, cheaper_choice),
        Question("all arms equal, users' error 0.001, seeds 0.0015", World(), cheaper_choice),
    ]
