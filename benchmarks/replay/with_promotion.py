"""With promotion: successive halving that pauses trainings and goes on with those that deserve it.

Asynchronous, after Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020,
algorithm 2): a free slot goes on with a paused training that is among the best share of its rung,
on the highest rung that has one; else it starts a new configuration. New ones are drawn by our
sampler, for which a paused training is a pruned one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from hinet_search.search.sampling import make_sampler
from hinet_search.study.study_spec import SamplerSpec
from replay.strategy import Decision, MakeStrategy, New, Resume, Strategy
from replay.suggest import suggest
from replay.table import Parameter, Table, Values

FIRST_RUNG = 1.0  # passes
SHARE = 0.5  # of a rung that goes on


@dataclass
class _Trial:
    """A training: its values, what it has shown, and its rung; `ended` once it is over."""

    values: Values
    shown: dict[int, float] = field(default_factory=dict)
    rung: int = -1
    is_paused: bool = False
    ended: bool = False

    @property
    def best(self) -> float:
        return max(self.shown.values())


class PromotingSearch:
    """Pauses every training at rungs of 1, 2, 4, ... passes."""

    def __init__(self, table: Table, seed: int, first: Sequence[Values | None]) -> None:
        self._table, self._seed, self._first = table, seed, list(first)
        self._trials: list[_Trial] = []
        self._distributions = {each.name: _distribution(each) for each in table.parameters}

    def next(self) -> New | Resume:
        """Go on with the best paused training that deserves it, else propose a new one."""
        promoted = self._promoted()
        if promoted is not None:
            self._trials[promoted].is_paused = False
            return Resume(promoted)
        return New(self._first.pop(0) if self._first else self._draw())

    def _promoted(self) -> int | None:
        highest = max((trial.rung for trial in self._trials), default=-1)
        for rung in range(highest, -1, -1):
            reached = [number for number, trial in enumerate(self._trials) if trial.rung >= rung]
            ranked = sorted(reached, key=lambda number: -self._at_rung(number, rung))
            for number in ranked[: int(len(reached) * SHARE)]:
                if self._trials[number].is_paused and self._trials[number].rung == rung:
                    return number
        return None

    def _at_rung(self, number: int, rung: int) -> float:
        last = self._evaluation(rung)
        return max(value for step, value in self._trials[number].shown.items() if step <= last)

    def _evaluation(self, rung: int) -> int:
        return int(FIRST_RUNG * self._table.evaluations_per_pass) << rung

    def _draw(self) -> Values:
        sampler = make_sampler(SamplerSpec(), self._seed + len(self._trials))
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for trial in self._trials:
            if trial.shown:
                study.add_trial(self._as_optuna(trial))
        return suggest(study.ask(), self._table)

    def _as_optuna(self, trial: _Trial) -> optuna.trial.FrozenTrial:
        distributions: dict[str, BaseDistribution] = {
            name: self._distributions[name] for name in trial.values
        }
        return create_trial(
            state=TrialState.COMPLETE if trial.ended else TrialState.PRUNED,
            value=trial.best if trial.ended else None,
            params=dict(trial.values),
            distributions=distributions,
            intermediate_values=dict(trial.shown),
        )

    def started(self, trial: int, values: Values) -> None:
        """Open a training of the true values."""
        assert trial == len(self._trials)
        self._trials.append(_Trial(dict(values)))

    def evaluated(self, trial: int, passes: float, value: float) -> Decision:
        """Pause at a rung."""
        running = self._trials[trial]
        step = round(passes * self._table.evaluations_per_pass)
        running.shown[step] = value
        if step < self._evaluation(running.rung + 1):
            return Decision.GO_ON
        running.rung += 1
        running.is_paused = True
        return Decision.PAUSE

    def ended(self, trial: int, value: float) -> None:
        """Take it off its rung's queue."""
        ended = self._trials[trial]
        assert value == ended.best
        ended.ended, ended.is_paused = True, False


def _distribution(parameter: Parameter) -> BaseDistribution:
    if parameter.kind == "categorical":
        return CategoricalDistribution(parameter.choices)
    low, high = parameter.low, parameter.high
    if parameter.kind == "int":
        return IntDistribution(int(low), int(high), log=parameter.log)
    return FloatDistribution(low, high, log=parameter.log)


def promoting(first: Callable[[Table], Sequence[Values]]) -> MakeStrategy:
    """Return a search with promotion that starts with the default and what `first` gives."""

    def make(table: Table, seed: int) -> Strategy:
        return PromotingSearch(table, seed, (None, *first(table)))

    return make
