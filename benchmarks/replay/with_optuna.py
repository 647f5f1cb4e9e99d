"""With Optuna: its samplers and pruners as they come, and ours, which are built on them."""

from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from hinet_search.search.sampling import Curve, Pruning, make_sampler
from hinet_search.study.study_spec import PrunerSpec, SamplerSpec
from portfolio import data_set, portfolio
from random_draws import draw
from replay.strategy import Decision, MakeStrategy, New, Strategy
from replay.suggest import suggest
from replay.table import Table, Values
from replay.warm_start import carried_from_another

optuna.logging.set_verbosity(optuna.logging.ERROR)


class OptunaSearch:
    """A sampler and a pruner of Optuna. `first` are values to start with; None is the default."""

    def __init__(
        self,
        table: Table,
        sampler: BaseSampler,
        pruner: BasePruner,
        first: Sequence[Values | None] = (),
    ) -> None:
        self._table, self._first = table, list(first)
        self._study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self._trials: list[Trial] = []

    def next(self) -> New:
        """Propose the first values, then what the sampler draws."""
        if self._first:
            return New(self._first.pop(0))
        trial = self._study.ask()
        values = suggest(trial, self._table)
        self._study.tell(trial, state=TrialState.FAIL)  # only the nearest in the table is tried
        return New(values)

    def started(self, trial: int, values: Values) -> None:
        """Open a trial of the true values."""
        assert trial == len(self._trials)
        self._study.enqueue_trial(dict(values))
        self._trials.append(self._study.ask())
        suggest(self._trials[-1], self._table)

    def evaluated(self, trial: int, epochs: float, value: float) -> Decision:
        """Report the value, and ask the pruner."""
        running = self._trials[trial]
        running.report(value, round(epochs * self._table.evaluations_per_epoch))
        if not running.should_prune():
            return Decision.GO_ON
        self._study.tell(running, state=TrialState.PRUNED)
        return Decision.STOP

    def ended(self, trial: int, value: float) -> None:
        """Complete the trial, unless the pruner spoke at its last evaluation."""
        running = self._trials[trial]
        if self._study.get_trials(deepcopy=False)[running.number].state == TrialState.RUNNING:
            self._study.tell(running, value)


class OurPruner(BasePruner):
    """The pruning of a launch, as a pruner of Optuna."""

    def __init__(self, spec: PrunerSpec, table: Table) -> None:
        self._pruning = Pruning(spec, table.evaluations_per_epoch)
        self._complete: set[int] = set()  # trials whose values it has

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether to end a trial at its last value."""
        for other in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if other.number not in self._complete:
                self._complete.add(other.number)
                self._pruning.remember(_curve(other))
        return self._pruning.gives_up(_curve(trial))


def _curve(trial: FrozenTrial) -> Curve:
    return {step: (value,) for step, value in trial.intermediate_values.items()}


def plain(make: Callable[[int], BaseSampler], pruner: BasePruner | None = None) -> MakeStrategy:
    """Return Optuna as it comes, with a sampler made from a seed."""
    return lambda table, seed: OptunaSearch(table, make(seed), pruner or NopPruner())


def ours(
    sampler: SamplerSpec, pruner: PrunerSpec, first: Sequence[Values | None] = (None,)
) -> MakeStrategy:
    """Return what a study file asks of Optuna: the default first, a sampler, a pruner."""

    def make(table: Table, seed: int) -> Strategy:
        return OptunaSearch(table, make_sampler(sampler, seed), OurPruner(pruner, table), first)

    return make


def with_starts(pruner: PrunerSpec, *starts: Callable[[Table], Sequence[Values]]) -> MakeStrategy:
    """Return ours that first tries what these functions give for the table, after the default."""

    def make(table: Table, seed: int) -> Strategy:
        first = (None, *(values for given in starts for values in given(table)))
        return ours(SamplerSpec(), pruner, first)(table, seed)

    return make


def _portfolio(table: Table) -> Sequence[Values]:
    """Return the portfolio that is chosen without the table's data set."""
    return [draw(table.parameters, number) for number in portfolio(data_set(table.name))]


STRATEGIES: Mapping[str, MakeStrategy] = {
    "random": plain(lambda seed: RandomSampler(seed=seed)),
    "optuna tpe": plain(lambda seed: TPESampler(seed=seed)),
    "optuna tpe, median": plain(lambda seed: TPESampler(seed=seed), MedianPruner()),
    "optuna tpe, hyperband": plain(lambda seed: TPESampler(seed=seed), HyperbandPruner()),
    "optuna gp": plain(lambda seed: GPSampler(seed=seed, warn_independent_sampling=False)),
    "ours": with_starts(PrunerSpec(), _portfolio),
    "ours, warm start": with_starts(PrunerSpec(), carried_from_another, _portfolio),
    "ours, no portfolio": ours(SamplerSpec(), PrunerSpec()),
    "ours, no pruner": with_starts(PrunerSpec(kind="none"), _portfolio),
}
