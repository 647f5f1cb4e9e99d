"""Claims: how often a verdict is wrong when the truth is known, and finds a true difference.

`python docs/results/claims.py` simulates studies of nine arms and five seeds: validation and test
values of every seed, four finalists an arm of which validation chooses one, an error of the users
that all seeds of an arm share. Each goes through the product's own choice, verdict and
recommendation. Shape legend: A arms, K finalists of an arm, S seeds, D resamplings.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from hinet_search.results.objectives import Objective
from hinet_search.results.records import (
    ArmRecord,
    Budget,
    CellCount,
    CellValue,
    Cost,
    DataRecord,
    FinalistRecord,
    FinalistRun,
    FinalistSummary,
    Resampled,
)
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, verdict
from hinet_search.results.winner import recommended_arm
from hinet_search.search.phases.finalists import choose

ARMS = ("hinet", "single", "shared_bottom", "mmoe", "ple", "hmoe", "star", "flat_moe", "trees")
SEEDS = 5
RESAMPLINGS = 200
LEVEL = 0.75  # AUC of every arm but for its gain
LIKENESS = 0.54  # correlation of a seed's validation and test values, as measured on KuaiRand
CELL = CellCount("all", "click", (1, 1, 1), (1, 1, 1))
DATA = DataRecord("made up", "0", "by column", (1, 1, 1), ("all",), ("click",), 1, 0, (CELL,))
STUDY = StudyRecord(
    name="made-up",
    description="",
    state="done",
    objective="macro_auc",
    maximize=True,
    sampler="",
    pruner="",
    seed=0,
    slots=1,
    budget=Budget(0, 1.0, SEEDS, 0),
    data=DATA,
    arms=(),
    study_yaml="",
    command="",
    versions={},
    test_accesses=0,
    reference="single",
)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """The truth of a study of arms with these `names`, and what is kept of it."""

    users: float = 0.001  # standard error of a difference of two arms over users
    spreads: tuple[float, ...] = (0.0015,) * 9  # standard deviation over seeds
    gains: tuple[float, ...] = (0.0,) * 9  # of every configuration of an arm
    finalists: int = 4
    order: float = 0.0  # standard deviation of what an order of rows does to an arm
    names: tuple[str, ...] = ARMS
    shared_batches: bool = False
    without_users: bool = False
    opened: int = SEEDS  # seeds of the second arm that were opened on test

    def study(self, draw: np.random.Generator) -> StudyRecord:
        """One study of this world, as it would be stored."""
        shape = (len(self.names), self.finalists, SEEDS)
        spread_A11 = np.array(self.spreads)[:, None, None]
        valid_AKS = draw.normal(size=shape) * spread_A11
        rest_AKS = draw.normal(size=shape) * spread_A11
        test_AKS = LIKENESS * valid_AKS + (1 - LIKENESS**2) ** 0.5 * rest_AKS
        order_AKS = draw.normal(size=(*shape[:2], 1 if self.shared_batches else SEEDS)) * self.order
        level_A11 = LEVEL + np.array(self.gains)[:, None, None]
        of_users_A11 = draw.normal(size=(len(self.names), 1, 1)) * self.users / 2**0.5
        on_valid_AKS = level_A11 + valid_AKS + order_AKS
        on_test_AKS = level_A11 + test_AKS + order_AKS + of_users_A11
        arms = tuple(
            self._arm(place, on_valid_AKS[place], on_test_AKS[place], draw)
            for place in range(len(self.names))
        )
        budget = Budget(0, 1.0, SEEDS, self.finalists - 1)
        return replace(STUDY, budget=budget, arms=arms, shared_batches=self.shared_batches)

    def _arm(
        self, place: int, valid_KS: Values, test_KS: Values, draw: np.random.Generator
    ) -> ArmRecord:
        cost = Cost(
            1, 1, 1000 - 100 * place, 1.0, 1.0, 1, "cpu"
        )  # each arm computes less than the one before
        trained = [_finalist(number, valid_S, cost) for number, valid_S in enumerate(valid_KS)]
        best = choose(trained, Objective("macro_auc"), list(range(SEEDS)))
        if best is None:
            raise ValueError("a finalist must be chosen, as every one has all seeds")
        test_S = test_KS[best.trial_number]
        opened = self.opened if place == 1 else SEEDS
        runs = tuple(
            replace(run, test_cells=_cells(test) if run.seed < opened else None)
            for run, test in zip(best.runs, test_S, strict=True)
        )
        drawn = tuple(
            (test_S.mean() + draw.normal(size=RESAMPLINGS) * self.users / 2**0.5).tolist()
        )
        summary = FinalistSummary(
            tuple(range(SEEDS)), (), (), Resampled("users", 15_000, drawn, (drawn,))
        )
        kept = None if self.without_users or opened < SEEDS else summary
        name = self.names[place]
        return ArmRecord(
            name, name, (), {}, (), (replace(best, chosen=True, runs=runs, summary=kept),), {}
        )


def _cells(auc: float) -> tuple[CellValue, ...]:
    return (CellValue("all", "click", 1000, 500, float(auc), None),)


def _finalist(number: int, valid_S: Values, cost: Cost) -> FinalistRecord:
    runs = tuple(_run(seed, valid, cost) for seed, valid in enumerate(valid_S))
    return FinalistRecord(number, number == 0, False, {}, runs)


def _run(seed: int, valid: float, cost: Cost) -> FinalistRun:
    return FinalistRun(seed, float(valid), _cells(valid), None, (), cost)


Happened = Callable[[World, StudyRecord, Verdict], bool]


def false_claim(world: World, _: StudyRecord, outcome: Verdict) -> bool:
    """Return whether an arm is called better or worse than the focus that is not."""
    truth = dict(zip(world.names, world.gains, strict=True))
    ours = truth[outcome.focus or ""]
    false_wins = [ours <= truth[name] for name in _claimed(outcome, "better")]
    false_losses = [ours >= truth[name] for name in _claimed(outcome, "worse")]
    return any(false_wins + false_losses)


def claim(_: World, __: StudyRecord, outcome: Verdict) -> bool:
    """Return whether anything is claimed of any arm."""
    return bool(_claimed(outcome, "better", "worse"))


def claim_of_second(world: World, _: StudyRecord, outcome: Verdict) -> bool:
    """Return whether anything is claimed of the arm that lacks something."""
    return world.names[1] in _claimed(outcome, "better", "worse")


def win(_: World, __: StudyRecord, outcome: Verdict) -> bool:
    """Return whether the focus is better than all others."""
    return all(contrast.mark == "better" for contrast in outcome.contrasts)


def better_than_one(_: World, __: StudyRecord, outcome: Verdict) -> bool:
    """Return whether the focus is better than the first of the others."""
    return outcome.contrasts[0].mark == "better"


def _claimed(outcome: Verdict, *marks: str) -> list[str]:
    """Return the arms that have one of these marks."""
    return [contrast.arm for contrast in outcome.contrasts if contrast.mark in marks]


def costly_choice(world: World, record: StudyRecord, outcome: Verdict) -> bool:
    """Return whether a cheaper arm is recommended that loses as much as the margin, or more."""
    arm, why = recommended_arm(record, outcome)
    truth = dict(zip(world.names, world.gains, strict=True))
    return (
        arm is not None
        and "is shown to lose" in why
        and max(world.gains) - truth[arm.name] >= record.budget.margin
    )


def cheaper_choice(_: World, record: StudyRecord, outcome: Verdict) -> bool:
    """Return whether a cheaper arm is taken as good enough."""
    return "is shown to lose" in recommended_arm(record, outcome)[1]


@dataclass(frozen=True)
class Question:
    """A count in a world, and the largest share that it may have; None where there is no limit."""

    words: str
    world: World
    happened: Happened
    limit: float | None = None


def apart(*gains: float) -> tuple[float, ...]:
    """The gains of the first arms; the others have none."""
    return (*gains, *(0.0,) * (len(ARMS) - len(gains)))


UNEQUAL = {
    "HiNet .0026, others .0012": (0.0026, *(0.0012,) * 8),
    "HiNet .0012, others .0026": (0.0012, *(0.0026,) * 8),
    "from .0005 to .0029": tuple(0.0005 + 0.0003 * place for place in range(9)),
    "HiNet .0005, others .0029": (0.0005, *(0.0029,) * 8),
}
OTHERS = ("mine", *ARMS[1:])  # no arm is a HiNet, so the focus is the best of all on validation
BEHIND = (0.0, -0.002, -0.002, -0.002, -0.002, -0.002, -0.002, -0.002, -0.002)
CALM = World(users=0.0003, spreads=(0.0005,) * 9)


def questions() -> Mapping[str, Sequence[Question]]:
    """Return all of them, by heading."""
    return {
        "A false claim in a study": [*equal_arms(), *some_apart(), *chosen_focus()],
        "Any claim when something is missing": something_lacking(),
        "A difference is found": [*against_one_arm(), *against_all_arms()],
        "A cheaper arm is taken": cheaper_arms(),
    }


def equal_arms() -> Iterator[Question]:
    """Ask for false claims where all arms are equal, with equal and unequal spreads over seeds."""
    for users in (0.0003, 0.0005, 0.001, 0.0017):
        yield Question(
            f"all arms equal, users' error {_short(users)}", World(users=users), false_claim, 0.05
        )
    for words, spreads in UNEQUAL.items():
        for users in (0.0003, 0.001):
            said = f"all arms equal, seeds {words}, users' error {_short(users)}"
            yield Question(said, World(users=users, spreads=spreads), false_claim, 0.05)


def some_apart() -> Iterator[Question]:
    """Ask for false claims where the order of rows matters, and where some arms are worse."""
    yield Question("an order of rows per seed, of .0011", World(order=0.0011), false_claim, 0.05)
    behind = World(gains=apart(0.0, *(-0.004,) * 4))
    yield Question("HiNet .004 ahead of four arms, equal to four", behind, false_claim, 0.05)


def chosen_focus() -> Iterator[Question]:
    """Ask for false claims where validation chooses the focus among nine equal arms."""
    words, null = "focus chosen among nine arms", World(names=OTHERS)
    small = replace(null, users=0.0003)
    yield Question(f"{words}, users' error .0003", small, false_claim, 0.05)
    yield Question(f"{words}, users' error .001", null, false_claim, 0.05)
    yield Question(
        f"{words}, one finalist each, users' error .0003",
        replace(small, finalists=1),
        false_claim,
        0.05,
    )
    for spread_words, spreads in UNEQUAL.items():
        for users in (0.0003, 0.001):
            spread_name = spread_words.replace("HiNet", "one arm")
            said = f"{words}, seeds {spread_name}, users' error {_short(users)}"
            yield Question(said, replace(null, users=users, spreads=spreads), false_claim, 0.05)


def something_lacking() -> list[Question]:
    """Ask for claims where seeds, users or orders of rows are lacking: none is allowed."""
    one_order = World(order=0.0011, shared_batches=True)
    without_users = World(users=0.0017, without_users=True)
    ahead_without_users = World(gains=apart(0.01), without_users=True)
    two_seeds = World(gains=apart(0.01), opened=2)
    return [
        Question("one order of rows for all seeds, of .0011", one_order, claim, 0.0),
        Question("no users counted, users' error .0017", without_users, claim, 0.0),
        Question("no users counted, HiNet .01 ahead", ahead_without_users, claim, 0.0),
        Question("two of five seeds of one arm, HiNet .01 ahead", two_seeds, claim_of_second, 0.0),
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
        said = (
            f"HiNet {_short(gain)} ahead of one arm, seeds {_short(seeds)}, "
            f"users' error {_short(users)}"
        )
        yield Question(
            said, World(users=users, spreads=(seeds,) * 9, gains=apart(0.0, -gain)), better_than_one
        )


def against_all_arms() -> Iterator[Question]:
    """Ask how often an arm that is ahead of all others wins."""
    for gain in (0.004, 0.006):
        said = f"HiNet {_short(gain)} ahead of all, seeds .0015, users' error .001: it wins"
        yield Question(said, World(gains=apart(gain)), win)


def cheaper_arms() -> list[Question]:
    """Ask how often a cheaper arm is taken that loses the margin, and one that loses nothing."""
    behind = "every other arm .002 behind HiNet"
    costly_and_calm = replace(CALM, gains=BEHIND)
    return [
        Question(
            f"{behind}, users' error .0003, seeds .0005", costly_and_calm, costly_choice, 0.05
        ),
        Question(
            f"{behind}, users' error .001, seeds .0015", World(gains=BEHIND), costly_choice, 0.05
        ),
        Question("all arms equal, users' error .0003, seeds .0005", CALM, cheaper_choice),
        Question("all arms equal, users' error .001, seeds .0015", World(), cheaper_choice),
    ]


def _short(number: float) -> str:
    return f"{number:g}".lstrip("0")


def share(question: Question, studies: int, seed: int = 0) -> tuple[float, float, float]:
    """Return how often it happened, with the ends of the exact 95 % interval."""
    draw = np.random.default_rng(seed)
    count = 0
    for _ in range(studies):
        record = question.world.study(draw)
        count += question.happened(question.world, record, verdict(record))
    ends = binomtest(count, studies).proportion_ci(0.95)
    return count / studies, float(ends.low), float(ends.high)


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000, help="made up for every line")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only the lines that hold this text"
    )
    arguments = parser.parse_args()
    for heading, asked in questions().items():
        wanted = [question for question in asked if arguments.only in question.words]
        if wanted:
            print(f"\n| {heading} | share | 95 % interval | allowed |\n|---|---|---|---|")
        for question in wanted:
            happened, low, high = share(question, arguments.studies)
            allowed = "" if question.limit is None else f"{question.limit:g}"
            print(
                f"| {question.words} | {happened:.3f} | {low:.3f} to {high:.3f} | {allowed} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
