"""Claims of choices: how often a choice of the search is wrongly said to have moved the finalist.

`python docs/results/claims_of_choices.py` simulates searches: trials of one seed choose three
finalists on validation, five seeds choose the best of these, and it is trained again without each
of its choices. All go through the product's own choice and card.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from claims import SEEDS, STUDY, Asked
from claims_of_shipping import answers, show
from claims_rows import Row
from numpy.typing import NDArray

from hinet_search.results.ablation import EVERY_CHOICE, MeasuredChoices, measured_choices
from hinet_search.results.objectives import Objective
from hinet_search.results.records import (
    ArmRecord,
    Cost,
    FinalistRecord,
    FinalistRun,
    ParameterRange,
)
from hinet_search.results.study_record import PairedRun
from hinet_search.search.phases.finalists import best_of

NUM_TRIALS, NUM_FINALISTS = 20, 3
PART = 40.0  # times as many studies as of a verdict, which takes longer
COST = Cost(1, 1, 1, 1.0, 1.0, 1, "cpu")


def asked() -> Mapping[str, Sequence[Asked]]:
    """Return all questions, by title."""
    return {"Choices of the search": list(_questions())}


def tables(studies: int, only: str = "") -> Mapping[str, Sequence[Row]]:
    """Return the rows of all questions whose words hold a text, by title."""
    return answers(asked(), studies, only)


@dataclass(frozen=True)
class Search:
    """A search over `choices`, and what it tells of its best finalist.

    A training has a standard deviation of 1 over seeds, a configuration one of `rows` over sets of
    validation rows. Each choice is worth `gain`. With `own_seeds` the seeds that chose the finalist
    are those of its comparison.
    """

    choices: int
    seeds: int = SEEDS
    arms: int = 1
    rows: float = 0.0
    gain: float = 0.0
    own_seeds: bool = False

    def measured(self, draw: np.random.Generator) -> MeasuredChoices:
        """Return what one study measures."""
        configurations = draw.normal(size=(self.arms, NUM_TRIALS)) * self.rows
        trials = configurations + draw.normal(size=configurations.shape)
        places = np.argsort(-trials, axis=1)[:, :NUM_FINALISTS]
        of_rows = np.take_along_axis(configurations, places, axis=1).flatten()
        trained = [self._finalist(n, each, draw) for n, each in enumerate(of_rows)]
        best = best_of(trained, Objective("macro_auc"), range(SEEDS))
        if best is None:
            raise ValueError("a finalist must be chosen, as every one has all seeds")
        ranges = tuple(ParameterRange(n, "int", 0, 1, False, (), 0) for n in best.parameters)
        arm = ArmRecord("hinet", "hinet", ranges, {}, (), (best,), {})
        level = of_rows[best.trial_number]
        full = level + draw.normal(size=self.seeds)
        if self.own_seeds:
            full = np.array([run.valid_objective for run in best.runs])
        runs = list(self._runs(best, (), full))
        if self.choices > 1:
            every = self._without(self.choices, draw)
            runs += self._runs(best, (EVERY_CHOICE,), every)
        for name in best.parameters:
            runs += self._runs(best, (name,), self._without(1, draw))
        measured = measured_choices(replace(STUDY, arms=(arm,), paired_runs=tuple(runs)))
        if measured is None:
            raise ValueError("choices must be measured, as all are trained")
        return measured

    def _finalist(self, number: int, level: float, draw: np.random.Generator) -> FinalistRecord:
        values = level + draw.normal(size=SEEDS)
        parameters = {f"model.choice_{n}": 1 for n in range(self.choices)}
        runs = [FinalistRun(n, float(each), (), None, (), COST) for n, each in enumerate(values)]
        return FinalistRecord(number, False, True, parameters, tuple(runs))

    def _without(self, num_choices: int, draw: np.random.Generator) -> NDArray[np.float64]:
        level = draw.normal() * self.rows - num_choices * self.gain
        return np.asarray(level + draw.normal(size=self.seeds))

    def _runs(
        self, best: FinalistRecord, left_out: tuple[str, ...], values: NDArray[np.float64]
    ) -> Iterator[PairedRun]:
        for seed, value in enumerate(values):
            yield PairedRun(f"hinet/{best.trial_number}", left_out, seed, float(value))


@dataclass(frozen=True)
class ChoiceQuestion:
    """How often a search is said to have moved its finalist, up or down, and the largest share."""

    words: str
    search: Search
    limit: float | None = None
    part: float = PART

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether anything is claimed in one study."""
        measured = self.search.measured(draw)
        gains = [measured.whole, *(choice.gain for choice in measured.choices)]
        return any(gain is not None and gain.mark in ("better", "worse") for gain in gains)


def _questions() -> Iterator[ChoiceQuestion]:
    for choices in (1, 3, 6):
        for seeds in (3, SEEDS):
            words = f"of no worth, {choices} in all, {seeds} seeds: one is said to have moved it"
            yield ChoiceQuestion(words, Search(choices, seeds), 0.05)
    words = "of no worth, 6 choices, best of 8 arms: one is said to have moved it"
    yield ChoiceQuestion(words, Search(6, arms=8), 0.05)
    words = "of no worth, 6 choices, best of 8 arms, seeds that chose it: one is said to have"
    yield ChoiceQuestion(words, Search(6, arms=8, own_seeds=True))
    for rows, size in ((0.3, "a third of"), (1.0, "as much as")):
        words = f"of worth on these rows alone, {size} a seed: one of 6 is said to have moved it"
        yield ChoiceQuestion(words, Search(6, arms=8, rows=rows))
    words = "6 choices worth four deviations each: one is said to have moved it"
    yield ChoiceQuestion(words, Search(6, gain=4.0))


if __name__ == "__main__":
    show(tables, __doc__)
