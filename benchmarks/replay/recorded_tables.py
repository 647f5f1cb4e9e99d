"""Recorded tables: the tables of `benchmarks/tabular` with the spaces that were drawn from."""

from collections import defaultdict
from collections.abc import Container
from statistics import mean

from hinet_search.data.guess.training_settings import training_settings
from hinet_search.results.records import Scalar
from hinet_search.study.distributions import AnyDistribution, Categorical, LayerWidths
from hinet_search.study.search_space import SearchSpace, load_space
from random_draws import draw, space_around
from recorded import DEFAULT_AFTER, Training, load
from replay.table import Configuration, Parameter, Table
from tasks import WITH_STATISTICS


def recorded_table(task: str, arm: str) -> Table:
    """Return the default of the rule and all draws of an arm on a task."""
    trainings = [t for t in load(task, arm) if t.is_draw or t.configuration == DEFAULT_AFTER]
    settings = training_settings(trainings[0].train_rows, has_statistics=task in WITH_STATISTICS)
    space = space_around(load_space(arm), settings)
    best = defaultdict(list)
    for training in trainings:
        best[training.configuration].append(training.best())
    return Table(
        f"{task} {arm}",
        tuple(_parameter(name, each, space.parameters) for name, each in space.parameters.items()),
        tuple(
            _configuration(training, _drawn(training, space), mean(best[training.configuration]))
            for training in trainings
            if training.seed == 1
        ),
        settings.passes,
        settings.evaluations_per_pass,
    )


def _drawn(training: Training, space: SearchSpace) -> dict[str, Scalar]:
    if not training.is_draw:
        return space.default()
    return draw(space, int(training.configuration.split()[1]))


def _configuration(training: Training, drawn: dict[str, Scalar], truth: float) -> Configuration:
    return Configuration(
        drawn,
        tuple(training.passes_E),
        tuple(training.seconds_E),
        tuple(training.objective_E),
        truth,
        is_default=not training.is_draw,
    )


def _parameter(name: str, distribution: AnyDistribution, searched: Container[str]) -> Parameter:
    """Convert a distribution; a parent that is fixed is no condition."""
    when = distribution.when
    parent = when if isinstance(when, str) and when in searched else ""
    if isinstance(distribution, Categorical | LayerWidths):
        return Parameter(name, "categorical", choices=tuple(distribution.choices), parent=parent)
    low, high, log = float(distribution.low), float(distribution.high), distribution.log
    return Parameter(name, distribution.kind, low, high, log, parent=parent)
