"""With SMAC: its facades as they come, asked and told.

Its selector of configurations is wrapped: what it selects becomes the nearest recorded
configuration at once, so all of SMAC, its surrogate too, learns the true values. A budget is a
number of evaluations. A configuration at a larger budget goes on from where it paused, so only
further evaluations cost time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ConfigSpace import Categorical, Configuration, ConfigurationSpace, Float, InCondition, Integer
from smac import HyperparameterOptimizationFacade, MultiFidelityFacade, Scenario
from smac.facade import AbstractFacade
from smac.main.config_selector import ConfigSelector
from smac.runhistory import TrialInfo, TrialValue

from replay.codes import evaluation, to_codes, to_values
from replay.strategy import Decision, MakeStrategy, New, Resume
from replay.table import Parameter, Table, Values


class RecordedSelector(ConfigSelector):  # type: ignore[misc]
    """Selects the nearest recorded configuration; its own choice when all are selected."""

    def __init__(self, scenario: Scenario, table: Table, **arguments: Any) -> None:
        super().__init__(scenario, **arguments)
        self._table, self._space = table, scenario.configspace
        self._selected: set[int] = set()

    def __iter__(self) -> Iterator[Configuration]:
        """Return configurations without end."""
        for configuration in super().__iter__():
            yield self._recorded(configuration)

    def _recorded(self, configuration: Configuration) -> Configuration:
        if len(self._selected) == len(self._table.configurations):
            return configuration
        index = self._table.nearest(to_values(self._table, configuration), self._selected)
        self._selected.add(index)
        codes = to_codes(self._table, self._table.configurations[index].values)
        return Configuration(self._space, values=codes)


@dataclass
class Training:
    """A trial, what SMAC has asked of it and was not told, and what it has shown."""

    asked: TrialInfo | None
    best: float = float("-inf")
    has_ended: bool = False


class SmacSearch:
    """A facade of SMAC, which minimises: it is told one minus the best value of a training."""

    def __init__(self, table: Table, facade: AbstractFacade) -> None:
        self._table, self._facade = table, facade
        self._trainings: list[Training] = []
        self._trial_of: dict[Configuration, int] = {}
        self._asked: TrialInfo | None = None

    def next(self) -> New | Resume:
        """Do as SMAC asks; a training that has ended shows the same at any larger budget."""
        while True:
            self._asked = asked = self._facade.ask()
            if asked.config not in self._trial_of:
                return New(to_values(self._table, asked.config))
            trial = self._trial_of[asked.config]
            self._trainings[trial].asked = asked
            if not self._trainings[trial].has_ended:
                return Resume(trial)
            self._tell(self._trainings[trial])

    def started(self, trial: int, values: Values) -> None:  # noqa: ARG002
        """Open a training; its values are those that SMAC knows."""
        assert self._asked is not None
        self._trainings.append(Training(self._asked))
        self._trial_of[self._asked.config] = trial

    def evaluated(self, trial: int, epochs: float, value: float) -> Decision:
        """Pause the training once its budget is used up."""
        training = self._trainings[trial]
        assert training.asked is not None
        training.best = max(training.best, value)
        budget = training.asked.budget
        if budget is None or evaluation(self._table, epochs) < budget:
            return Decision.GO_ON
        self._tell(training)
        return Decision.PAUSE

    def ended(self, trial: int, value: float) -> None:  # noqa: ARG002
        """Tell the best value, unless its budget was used up at its last evaluation."""
        training = self._trainings[trial]
        training.has_ended = True
        if training.asked is not None:
            self._tell(training)

    def _tell(self, training: Training) -> None:
        self._facade.tell(training.asked, TrialValue(1 - training.best), save=False)
        training.asked = None


def _space(table: Table) -> ConfigurationSpace:
    """Return the space; a parameter depends on its parent."""
    space = ConfigurationSpace()
    space.add([_hyperparameter(parameter) for parameter in table.parameters])
    for parameter in table.parameters:
        if parameter.parent:
            parent = next(each for each in table.parameters if each.name == parameter.parent)
            true = [code for code, each in enumerate(parent.choices) if each]
            space.add(InCondition(space[parameter.name], space[parent.name], true))
    return space


def _hyperparameter(parameter: Parameter) -> Any:
    if parameter.kind == "categorical":
        return Categorical(parameter.name, list(range(len(parameter.choices))))
    if parameter.kind == "int":
        bounds = int(parameter.low), int(parameter.high)
        return Integer(parameter.name, bounds, log=parameter.log)
    return Float(parameter.name, (parameter.low, parameter.high), log=parameter.log)


def _search(
    table: Table, seed: int, facade: type[AbstractFacade], retrain_after: int
) -> SmacSearch:
    """Return a facade; its surrogate is trained anew after so many configurations.

    It may try the whole table, so by its own rule it starts with a quarter of it without surrogate.
    """
    with TemporaryDirectory() as folder:  # of what SMAC writes when it starts
        scenario = Scenario(
            _space(table),
            output_directory=Path(folder),
            deterministic=True,
            n_trials=len(table.configurations),
            min_budget=1,
            max_budget=ceil(table.most_epochs * table.evaluations_per_epoch),
            seed=seed,
        )
        selector = RecordedSelector(scenario, table, retrain_after=retrain_after)
        made = facade(scenario, config_selector=selector, logging_level=False)
    return SmacSearch(table, made)


STRATEGIES: Mapping[str, MakeStrategy] = {
    "smac": partial(_search, facade=HyperparameterOptimizationFacade, retrain_after=8),
    "smac, hyperband": partial(_search, facade=MultiFidelityFacade, retrain_after=8),
    "smac, retrained": partial(_search, facade=HyperparameterOptimizationFacade, retrain_after=1),
    "smac, hyperband, retrained": partial(_search, facade=MultiFidelityFacade, retrain_after=1),
}
