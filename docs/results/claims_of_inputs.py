"""Claims of inputs: how often what is said of groups of inputs is wrong.

`python docs/results/claims_of_inputs.py` simulates trainings that measure groups of inputs of known
worth. The product's own code chooses, as in claims_of_shipping.py.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from claims import Asked
from claims_of_shipping import answers, show
from claims_rows import Row

from hinet_search.results.ablation import InputChoice, choose_inputs
from hinet_search.results.records import MARGIN
from hinet_search.results.study_record import PairedRun

CHEAP = 10.0  # times as many studies as of a verdict, which takes longer


def asked() -> Mapping[str, Sequence[Asked]]:
    """Return all questions, by title."""
    return {
        "Groups of inputs": list(_of_inputs()),
    }


def tables(studies: int, only: str = "") -> Mapping[str, Sequence[Row]]:
    """Return the rows of all questions whose words hold a text, by title."""
    return answers(asked(), studies, only)


@dataclass(frozen=True)
class Trainings:
    """The truth of groups of inputs, and the standard deviation of a training over seeds.

    A configuration varies by `users` from one set of validation rows to another; `levels` are what
    these rows add to each.
    """

    worths: tuple[float, ...]
    deviation: float
    seeds: int = 3
    users: float = 0.0
    levels: Mapping[tuple[str, ...], float] = field(default_factory=dict)

    def on_rows(self, draw: np.random.Generator) -> "Trainings":
        """Return the truth on one set of validation rows."""
        if not self.users:
            return self
        sets = ((), *((str(number),) for number in range(len(self.worths))))
        return replace(self, levels={each: draw.normal() * self.users for each in sets})

    def choice(self, draw: np.random.Generator) -> InputChoice:
        """Return the choice of one study, with a second measurement where one is made."""
        names = [str(number) for number in range(len(self.worths))]
        runs = self._runs(draw, ((), *((name,) for name in names)))
        choice = choose_inputs(runs, "mean_auc", MARGIN)
        if len(choice.small) > 1:
            runs += self._runs(draw, (choice.small,))
        return choose_inputs(runs, "mean_auc", MARGIN)

    def worth(self, groups: Sequence[str]) -> float:
        """Return what groups are worth together on these rows."""
        of_rows = self.levels.get((), 0.0) - self.levels.get(tuple(groups), 0.0)
        return sum(self.worths[int(group)] for group in groups) + of_rows

    def _runs(self, draw: np.random.Generator, sets: Sequence[tuple[str, ...]]) -> list[PairedRun]:
        return [
            PairedRun("mmoe", left_out, seed, float(value))
            for left_out in sets
            for seed, value in enumerate(
                draw.normal(0.7 - self.worth(left_out), self.deviation, self.seeds)
            )
        ]


def is_false_gain(truth: Trainings, choice: InputChoice) -> bool:
    """Return whether validation is said to improve with a group that is worth nothing."""
    return any(truth.worth((group,)) <= 0 for group in choice.useful)


def is_any_gain(_: Trainings, choice: InputChoice) -> bool:
    """Return whether validation is said to improve with a group."""
    return bool(choice.useful)


def is_margin_dropped(truth: Trainings, choice: InputChoice) -> bool:
    """Return whether groups are dropped that are worth the margin together, or more."""
    return bool(choice.dropped) and truth.worth(choice.dropped) >= MARGIN


def is_useful_dropped(truth: Trainings, choice: InputChoice) -> bool:
    """Return whether a group is dropped that is worth anything."""
    return any(truth.worth((group,)) > 0 for group in choice.dropped)


def is_gain_told(truth: Trainings, choice: InputChoice) -> bool:
    """Return whether validation is said to improve with a group that is worth something."""
    return any(truth.worth((group,)) > 0 for group in choice.useful)


def is_worthless_dropped(truth: Trainings, choice: InputChoice) -> bool:
    """Return whether a group that is worth nothing is dropped."""
    return any(truth.worth((group,)) <= 0 for group in choice.dropped)


@dataclass(frozen=True)
class InputQuestion:
    """A count in measured inputs, and the largest share that it may have."""

    words: str
    truth: Trainings
    happened: Callable[[Trainings, InputChoice], bool]
    limit: float | None = None
    part: float = CHEAP

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether it happens in one study."""
        truth = self.truth.on_rows(draw)
        return self.happened(truth, truth.choice(draw))


def _of_inputs() -> Iterator[InputQuestion]:
    """Ask what is said of groups of inputs, and which are dropped."""
    for deviation in (0.0002, 0.0005, 0.0015):
        seeds = f"seeds {deviation:g}"
        nothing = Trainings((0.0,) * 4, deviation)
        margin = Trainings((MARGIN, 0.0, 0.0, 0.0), deviation)
        each = Trainings((0.0012,) * 4, deviation)
        small = Trainings((0.001, 0.0, 0.0, 0.0), deviation)
        large = Trainings((0.01, 0.0, 0.0, 0.0), deviation)
        for users in (0.0005, 0.0015):
            said = f"four of no worth but on these rows, {seeds}, users {users:g}"
            varied = replace(nothing, users=users)
            yield from (
                InputQuestion(
                    f"{said}: one is said to help, falsely on them", varied, is_false_gain, 0.05
                ),
                InputQuestion(f"{said}: one is said to help", varied, is_any_gain),
            )
        yield from (
            InputQuestion(
                f"four of no worth, {seeds}: one is said to help", nothing, is_false_gain, 0.05
            ),
            InputQuestion(
                f"one of four is worth 0.002, {seeds}: another is said to help",
                margin,
                is_false_gain,
                0.05,
            ),
            InputQuestion(
                f"one of four is worth 0.002, {seeds}: it is dropped",
                margin,
                is_margin_dropped,
                0.05,
            ),
            InputQuestion(
                f"four are worth 0.0012 each, {seeds}: 0.002 or more are dropped",
                each,
                is_margin_dropped,
                0.05,
            ),
            InputQuestion(
                f"one of four is worth 0.001, {seeds}: it is dropped", small, is_useful_dropped
            ),
            InputQuestion(
                f"one of four is worth 0.01, {seeds}: it is said to help", large, is_gain_told
            ),
            InputQuestion(
                f"four of no worth, {seeds}: one is dropped", nothing, is_worthless_dropped
            ),
            InputQuestion(
                f"four of no worth, ten seeds of {deviation:g}: one is dropped",
                replace(nothing, seeds=10),
                is_worthless_dropped,
            ),
        )


if __name__ == "__main__":
    show(tables, __doc__)
