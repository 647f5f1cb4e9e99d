"""With Syne Tune: its schedulers as they come, without its backend and its loop.

A trial is opened with the values that were really tried, so its searchers learn the true ones. It
knows no conditions: a parameter is always drawn, and dropped where it does not apply. Release 0.16
has asynchronous successive halving that stops; none that pauses and promotes.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform
from syne_tune.optimizer.baselines import ASHA, ASHABORE, ASHACQR, BOHB, CQR, RandomSearch
from syne_tune.optimizer.scheduler import SchedulerDecision, TrialScheduler

from replay.codes import evaluation, middle, to_codes, to_values
from replay.strategy import Decision, MakeStrategy, New, Strategy
from replay.table import Parameter, Table, Values

OBJECTIVE, EVALUATION = "objective", "evaluation"
DECISIONS = {
    SchedulerDecision.CONTINUE: Decision.GO_ON,
    SchedulerDecision.PAUSE: Decision.PAUSE,
    SchedulerDecision.STOP: Decision.STOP,
}


class SyneTuneSearch:
    """A scheduler of Syne Tune. A trial is told its best value when it comes to its own end."""

    def __init__(self, table: Table, scheduler: TrialScheduler) -> None:
        self._table, self._scheduler = table, scheduler
        self._running: dict[int, Trial] = {}
        self._evaluation: dict[int, int] = {}

    def next(self) -> New:
        """Propose what the scheduler suggests."""
        return New(to_values(self._table, self._scheduler.suggest().config))

    def started(self, trial: int, values: Values) -> None:
        """Open a trial of the true values."""
        codes = {parameter.name: middle(parameter) for parameter in self._table.parameters}
        codes |= to_codes(self._table, values)
        self._running[trial] = Trial(trial, codes, datetime.now(UTC))
        self._scheduler.on_trial_add(self._running[trial])

    def evaluated(self, trial: int, epochs: float, value: float) -> Decision:
        """Report the value, and do as the scheduler says."""
        self._evaluation[trial] = evaluation(self._table, epochs)
        result = self._result(trial, value)
        decision = DECISIONS[self._scheduler.on_trial_result(self._running[trial], result)]
        if decision == Decision.STOP:
            self._scheduler.on_trial_remove(self._running.pop(trial))
        return decision

    def ended(self, trial: int, value: float) -> None:
        """Complete the trial, unless it was stopped at its last evaluation."""
        if trial in self._running:
            running = self._running.pop(trial)
            self._scheduler.on_trial_complete(running, self._result(trial, value))

    def _result(self, trial: int, value: float) -> dict[str, float]:
        return {OBJECTIVE: value, EVALUATION: self._evaluation[trial]}


def _space(table: Table) -> dict[str, Any]:
    return {parameter.name: _domain(parameter) for parameter in table.parameters}


def _domain(parameter: Parameter) -> Any:
    if parameter.kind == "categorical":
        return choice(list(range(len(parameter.choices))))
    if parameter.kind == "int":
        return (lograndint if parameter.log else randint)(int(parameter.low), int(parameter.high))
    return (loguniform if parameter.log else uniform)(parameter.low, parameter.high)


def _with(make: Callable[..., TrialScheduler], **arguments: Any) -> MakeStrategy:
    """Return a scheduler that is made from a space, a seed and arguments."""

    def strategy(table: Table, seed: int) -> Strategy:
        np.random.seed(seed)  # some searchers draw from numpy's global generator
        made = make(_space(table), do_minimize=False, random_seed=seed, **arguments)
        return SyneTuneSearch(table, made)

    return strategy


def _halving(make: Callable[..., TrialScheduler], **arguments: Any) -> MakeStrategy:
    """Return a search that stops trainings by asynchronous successive halving."""

    def strategy(table: Table, seed: int) -> Strategy:
        most = ceil(table.most_epochs * table.evaluations_per_epoch)
        resource = {"metric": OBJECTIVE, "time_attr": EVALUATION, "max_t": most}
        return _with(make, **resource, **arguments)(table, seed)

    return strategy


def _bohb(table: Table, seed: int) -> Strategy:
    """Return a search with densities, from the fewest trials on that they can be fitted to.

    By default there is none before 15 % of the trials are more than the parameters.
    """
    return _halving(BOHB, num_min_data_points=len(table.parameters) + 1)(table, seed)


STRATEGIES: Mapping[str, MakeStrategy] = {
    "syne tune random": _with(RandomSearch, metrics=[OBJECTIVE]),
    "syne tune cqr": _with(CQR, metric=OBJECTIVE),
    "syne tune asha": _halving(ASHA),
    "syne tune bohb": _bohb,
    "syne tune asha bore": _halving(ASHABORE),
    "syne tune asha cqr": _halving(ASHACQR),
}
