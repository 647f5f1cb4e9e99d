"""With Ray Tune: OptunaSearch and asynchronous successive halving, without a cluster.

The searcher and the scheduler are called as Ray's controller calls them. A proposal fails in the
searcher's study, and a trial of the values that were really tried is queued there, which is
possible since the study lies in a storage of ours. The space is a function that draws a parameter
only if it applies.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from replay.codes import evaluation
from replay.strategy import Decision, MakeStrategy, New
from replay.suggest import suggest
from replay.table import Table, Values

OBJECTIVE, EVALUATION, STUDY = "objective", "training_iteration", "study"
CONTROLLER: Any = None  # schedulers take it, and these do not use it
optuna.logging.set_verbosity(optuna.logging.ERROR)


class RaySearch:
    """A sampler and a scheduler. A trial is told its best value when it comes to its own end."""

    def __init__(self, table: Table, sampler: BaseSampler, scheduler: TrialScheduler) -> None:
        self._table, self._scheduler = table, scheduler
        storage = InMemoryStorage()
        self._search = OptunaSearch(
            partial(_draw, table),
            OBJECTIVE,
            "max",
            sampler=sampler,
            storage=storage,
            study_name=STUDY,
        )
        self._study = optuna.load_study(study_name=STUDY, storage=storage)
        self._running: dict[int, Trial] = {}
        self._evaluation: dict[int, int] = {}
        self._num_proposals = 0

    def next(self) -> New:
        """Propose what the searcher suggests."""
        self._num_proposals += 1
        proposal = f"proposal {self._num_proposals}"
        values = self._search.suggest(proposal)
        self._search.on_trial_complete(proposal, error=True)
        return New(values)

    def started(self, trial: int, values: Values) -> None:
        """Open a trial of the true values."""
        self._study.enqueue_trial(dict(values))
        self._search.suggest(str(trial))
        self._running[trial] = Trial("training", trial_id=str(trial), stub=True)
        self._scheduler.on_trial_add(CONTROLLER, self._running[trial])

    def evaluated(self, trial: int, passes: float, value: float) -> Decision:
        """Report the value, and do as the scheduler says."""
        self._evaluation[trial] = evaluation(self._table, passes)
        result = self._result(trial, value)
        decision = self._scheduler.on_trial_result(CONTROLLER, self._running[trial], result)
        if decision == TrialScheduler.STOP:
            self._complete(trial, value)
            return Decision.STOP
        self._search.on_trial_result(str(trial), result)
        return Decision.GO_ON

    def ended(self, trial: int, value: float) -> None:
        """Complete the trial, unless it was stopped at its last evaluation."""
        if trial in self._running:
            self._complete(trial, value)

    def _complete(self, trial: int, value: float) -> None:
        result = self._result(trial, value)
        self._scheduler.on_trial_complete(CONTROLLER, self._running.pop(trial), result)
        self._search.on_trial_complete(str(trial), result)

    def _result(self, trial: int, value: float) -> dict[str, float]:
        return {OBJECTIVE: value, EVALUATION: self._evaluation[trial]}


def _draw(table: Table, trial: Any) -> None:
    """Draw as Ray wants it: the values are known to the trial."""
    suggest(trial, table)


def _full(sampler: Callable[..., BaseSampler]) -> MakeStrategy:
    """Return a search by full trainings."""
    scheduler: Callable[[], TrialScheduler] = FIFOScheduler
    return lambda table, seed: RaySearch(table, sampler(seed=seed), scheduler())


def _halving(sampler: Callable[..., BaseSampler]) -> MakeStrategy:
    """Return a search that stops trainings by asynchronous successive halving."""

    def strategy(table: Table, seed: int) -> RaySearch:
        most = ceil(table.most_passes * table.evaluations_per_pass)
        scheduler = AsyncHyperBandScheduler(EVALUATION, OBJECTIVE, "max", max_t=most)
        return RaySearch(table, sampler(seed=seed), scheduler)

    return strategy


STRATEGIES: Mapping[str, MakeStrategy] = {
    "ray random": _full(RandomSampler),
    "ray optuna": _full(TPESampler),
    "ray random, asha": _halving(RandomSampler),
    "ray optuna, asha": _halving(TPESampler),
}
