"""Claims of choices: how often a choice of the search is wrongly said to have moved the finalist.

`python docs/results/claims_of_choices.py` simulates searches: trials of one seed choose three
finalists on validation, five seeds choose the best of these, and it is trained again without each
of its choices. Others draw settings by the product's sampler, of which it says whether a wider
range is worth a try. All go through the product's own choice and card.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import optuna
from claims import SEEDS, STUDY, Asked
from claims_of_shipping import answers, show
from claims_rows import Row
from numpy.typing import NDArray

from hinet_search.report.record_facts import at_the_edge, best_parameters, range_position
from hinet_search.results.ablation import EVERY_CHOICE, MeasuredChoices, measured_choices
from hinet_search.results.objectives import Objective
from hinet_search.results.records import (
    ArmRecord,
    Cost,
    FinalistRecord,
    FinalistRun,
    ParameterRange,
    TrialRecord,
)
from hinet_search.results.study_record import PairedRun, StudyRecord
from hinet_search.search.phases.finalists import best_of
from hinet_search.search.sampling import make_sampler
from hinet_search.study.study_spec import SamplerSpec

NUM_TRIALS, NUM_FINALISTS = 20, 3
PART = 40.0  # times as many studies as of a verdict, which takes longer
COST = Cost(1, 1, 1, 1.0, 1.0, 1, "cpu")
RANGES = tuple(ParameterRange(f"model.p{n}", "float", 1.0, 2.0, False, (), 1.5) for n in range(8))
optuna.logging.set_verbosity(optuna.logging.ERROR)


def asked() -> Mapping[str, Sequence[Asked]]:
    """Return all questions, by title."""
    return {"Choices of the search": list(_questions()), "A best value at the edge": list(_edges())}


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

    def measured(self, draw: np.random.Generator) -> tuple[MeasuredChoices, dict[str, float]]:
        """Return what one study measures, and what each choice is worth on its rows, and `all`."""
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
        worths = {}
        for name in [EVERY_CHOICE, *best.parameters][self.choices == 1 :]:
            num_choices = self.choices if name == EVERY_CHOICE else 1
            other = draw.normal() * self.rows - num_choices * self.gain
            worths[name] = float(level - other)
            values = other + draw.normal(size=self.seeds)
            runs += self._runs(best, (name,), values)
        measured = measured_choices(replace(STUDY, arms=(arm,), paired_runs=tuple(runs)))
        if measured is None:
            raise ValueError("choices must be measured, as all are trained")
        return measured, worths

    def _finalist(self, number: int, level: float, draw: np.random.Generator) -> FinalistRecord:
        values = level + draw.normal(size=SEEDS)
        parameters = {f"model.choice_{n}": 1 for n in range(self.choices)}
        runs = [FinalistRun(n, float(each), (), None, (), COST) for n, each in enumerate(values)]
        return FinalistRecord(number, False, True, parameters, tuple(runs))

    def _runs(
        self, best: FinalistRecord, left_out: tuple[str, ...], values: NDArray[np.float64]
    ) -> Iterator[PairedRun]:
        for seed, value in enumerate(values):
            yield PairedRun(f"hinet/{best.trial_number}", left_out, seed, float(value))


@dataclass(frozen=True)
class ChoiceQuestion:
    """How often a search is said to have moved its finalist, up or down, and the largest share.

    With a limit only what is false on these rows counts.
    """

    words: str
    search: Search
    limit: float | None = None
    part: float = PART

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether anything is claimed in one study."""
        measured, worths = self.search.measured(draw)
        gains = {choice.name: choice.gain for choice in measured.choices}
        if measured.whole is not None:
            gains[EVERY_CHOICE] = measured.whole
        signs = {"better": 1, "worse": -1}
        claims = {
            name: signs[gain.mark] for name, gain in gains.items() if gain and gain.mark in signs
        }
        if self.limit is None:
            return bool(claims)
        return any(sign * worths[name] <= 0 for name, sign in claims.items())


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
        of_rows = f"of worth on these rows alone, {size} a seed: one of 6 is said to have moved it"
        yield ChoiceQuestion(of_rows, Search(6, arms=8, rows=rows))
        words = f"{of_rows}, falsely on these rows"
        yield ChoiceQuestion(words, Search(6, arms=8, rows=rows), 0.05)
    words = "6 choices worth four deviations each: one is said to have moved it"
    yield ChoiceQuestion(words, Search(6, gain=4.0))


@dataclass(frozen=True)
class Settings:
    """Arms with eight settings, of which the first is worth `slope` deviations from end to end."""

    trials: int
    arms: int = 1
    kind: Literal["tpe", "random"] = "tpe"
    slope: float = 0.0

    def study(self, draw: np.random.Generator) -> StudyRecord:
        """Return one study with the trials that the sampler draws."""
        arms = tuple(self._arm(f"arm_{number}", draw) for number in range(self.arms))
        return replace(STUDY, arms=arms)

    def _arm(self, name: str, draw: np.random.Generator) -> ArmRecord:
        study = optuna.create_study(direction="maximize")
        trials = []
        for number in range(self.trials):
            study.sampler = make_sampler(SamplerSpec(kind=self.kind), int(draw.integers(2**31)))
            asked = study.ask()
            parameters = {each.name: asked.suggest_float(each.name, 1, 2) for each in RANGES}
            value = self.slope * parameters[RANGES[0].name] + draw.normal()
            study.tell(asked, value)
            trials.append(TrialRecord(number, "complete", value, parameters, False, "", (), COST))
        return ArmRecord(name, name, RANGES, {}, tuple(trials), (), {})


@dataclass(frozen=True)
class EdgeQuestion:
    """How often a wider range is said to be worth a try; `tested` asks whether by trials too."""

    words: str
    settings: Settings
    limit: float | None = None
    part: float = 1.0
    tested: bool = True

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether a best value is said to lie at the edge, in any arm."""
        record = self.settings.study(draw)
        if self.tested:
            return any(at_the_edge(record, arm) for arm in record.arms)
        best = [best_parameters(record, arm) for arm in record.arms]
        places = [range_position(each, of[each.name]) for of in best for each in RANGES]
        return any(place is not None and place.edge != "" for place in places)


def _edges() -> Iterator[EdgeQuestion]:
    for settings, drawn in (
        (Settings(20), "20 trials"),
        (Settings(60), "60 trials"),
        (Settings(20, arms=9, kind="random"), "20 random trials of 9 arms"),
    ):
        yield EdgeQuestion(f"of no worth, 8 settings, {drawn}: one at the edge", settings, 0.05)
    words = "of no worth, 8 settings, 20 trials: one at the edge, if trials are not asked"
    yield EdgeQuestion(words, Settings(20), tested=False)
    for trials in (20, 60):
        words = f"8 settings, one worth four deviations, {trials} trials: it is at the edge"
        yield EdgeQuestion(words, Settings(trials, slope=4.0))


if __name__ == "__main__":
    show(tables, __doc__)
