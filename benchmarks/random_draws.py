"""Random draws: numbered configurations of the space that a study of a table would search."""

import zlib
from dataclasses import dataclass

import numpy as np

from hinet_search.data.guess.training_settings import TrainingSettings
from hinet_search.results.records import Scalar
from hinet_search.study.distributions import Choice
from hinet_search.study.parameter_changes import ParameterChange, changed
from hinet_search.study.search_space import SearchSpace


def space_around(space: SearchSpace, settings: TrainingSettings) -> SearchSpace:
    """Return a space with the defaults and ranges that `data init` would write."""
    changes = {
        name: ParameterChange.model_validate(change) for name, change in settings.parameters.items()
    }
    return changed(space, changes, lambda location: ".".join(map(str, location)))


def draw(space: SearchSpace, number: int) -> dict[str, Scalar]:
    """Return the random configuration of a number, always the same one."""
    return space.suggest(_RandomTrial(number))


@dataclass(frozen=True)
class _RandomTrial:
    """A random configuration: a parameter has the same value in every arm that has its range."""

    number: int

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        if log:
            return round(self.suggest_float(name, low, high, log=True))
        return int(self._generator(name).choice(np.arange(low, high + 1, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        share = self._generator(name).random()
        if log:
            return float(low * (high / low) ** share)
        drawn = low + share * (high - low)
        return float(drawn if step is None else low + round((drawn - low) / step) * step)

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        return choices[self._generator(name).integers(len(choices))]

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.number, zlib.crc32(name.encode())])
