"""Random draws: the space that a study of a table would search, and numbered draws from it."""

import zlib
from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from hinet_search.data.guess.training_settings import TrainingSettings
from hinet_search.study.distributions import AnyDistribution, Categorical, LayerWidths
from hinet_search.study.parameter_changes import ParameterChange, changed
from hinet_search.study.search_space import SearchSpace
from replay.table import Parameter


def space_around(space: SearchSpace, settings: TrainingSettings) -> SearchSpace:
    """Return a space with the defaults and ranges that `data init` would write."""
    changes = {
        name: ParameterChange.model_validate(change) for name, change in settings.parameters.items()
    }
    return changed(space, changes, lambda location: ".".join(map(str, location)))


def parameters_of(space: SearchSpace) -> tuple[Parameter, ...]:
    """Return what a space searches, to be recorded."""
    return tuple(
        _parameter(name, each, space.parameters) for name, each in space.parameters.items()
    )


def _parameter(name: str, distribution: AnyDistribution, searched: Container[str]) -> Parameter:
    """Convert a distribution; a parent that is fixed is no condition."""
    when = distribution.when
    parent = when if isinstance(when, str) and when in searched else ""
    if isinstance(distribution, Categorical | LayerWidths):
        return Parameter(name, "categorical", choices=tuple(distribution.choices), parent=parent)
    low, high, log = float(distribution.low), float(distribution.high), distribution.log
    return Parameter(name, distribution.kind, low, high, log, parent=parent)


def draw(parameters: Sequence[Parameter], number: int) -> dict[str, Any]:
    """Return the random configuration of a number, always the same one.

    A parameter has the same value in every arm that has its range.
    """
    drawn: dict[str, Any] = {}
    for parameter in parameters:
        if not parameter.parent or drawn.get(parameter.parent):
            generator = np.random.default_rng([number, zlib.crc32(parameter.name.encode())])
            drawn[parameter.name] = _drawn(parameter, generator)
    return drawn


def _drawn(parameter: Parameter, generator: np.random.Generator) -> Any:
    if parameter.kind == "categorical":
        return parameter.choices[generator.integers(len(parameter.choices))]
    low, high = parameter.low, parameter.high
    if parameter.kind == "int" and not parameter.log:
        return int(generator.choice(np.arange(low, high + 1)))
    share = generator.random()
    number = low * (high / low) ** share if parameter.log else low + share * (high - low)
    return round(number) if parameter.kind == "int" else float(number)
