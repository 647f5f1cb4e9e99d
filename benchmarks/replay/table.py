"""Table: recorded configurations of one search space, from which a strategy draws.

A strategy proposes values; it gets the nearest configuration that has not been tried. So all values
that it learns from were measured, and none comes from a model of the space. This file needs numpy
alone: it also runs in the environments of other search libraries. Shape legend: N configurations,
F features of the encoded space.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One searched parameter: a range, or a list of choices.

    It applies only if the parameter `parent`, if any, is true.
    """

    name: str
    kind: str  # int, float or categorical
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()
    parent: str = ""

    def encode(self, value: Any) -> list[float]:
        """Return a number from 0 to 1, or an indicator of every choice."""
        if self.kind == "categorical":
            return [
                float(value == choice and type(value) is type(choice)) for choice in self.choices
            ]
        if value is None:
            return [0.5]
        scale = np.log if self.log else np.asarray
        low, high, at = (float(scale(number)) for number in (self.low, self.high, value))
        return [(at - low) / (high - low)]


@dataclass(frozen=True)
class Configuration:
    """A recorded training; seconds are from its start, values are the objective.

    `truth` is the mean of its best values over all recorded seeds.
    """

    values: Values
    epochs: tuple[float, ...]
    seconds: tuple[float, ...]
    objective: tuple[float, ...]
    truth: float
    is_default: bool = False


@dataclass(frozen=True)
class Table:
    """Recorded configurations of a space."""

    name: str
    parameters: tuple[Parameter, ...]
    configurations: tuple[Configuration, ...]
    most_epochs: float
    evaluations_per_epoch: int

    @property
    def default(self) -> int:
        """The index of the default configuration."""
        return next(i for i, known in enumerate(self.configurations) if known.is_default)

    @property
    def best_truth(self) -> float:
        """The truth of the best configuration."""
        return max(configuration.truth for configuration in self.configurations)

    def nearest(self, values: Values, tried: Collection[int]) -> int:
        """Return the index of the nearest configuration that was not tried."""
        distance_N = ((self._encoded - self._encode(values)) ** 2).sum(axis=1)
        distance_N[list(tried)] = np.inf
        return int(distance_N.argmin())

    def _encode(self, values: Values) -> NDArray[np.float64]:
        known = [(parameter, values.get(parameter.name)) for parameter in self.parameters]
        numbers = [number for parameter, value in known for number in parameter.encode(value)]
        return np.array(numbers)

    @cached_property
    def _encoded(self) -> NDArray[np.float64]:
        """The features (N, F)."""
        return np.stack([self._encode(known.values) for known in self.configurations])


def write_table(table: Table, path: Path) -> None:
    """Write a table for another process."""
    path.write_text(json.dumps(asdict(table)))


def read_table(path: Path) -> Table:
    """Read what `write_table` wrote."""
    tree = json.loads(path.read_text())
    return Table(
        tree["name"],
        tuple(parameter_of(each) for each in tree["parameters"]),
        tuple(_configuration(each) for each in tree["configurations"]),
        tree["most_epochs"],
        tree["evaluations_per_epoch"],
    )


def parameter_of(tree: dict[str, Any]) -> Parameter:
    """Return the parameter that `asdict` made a tree of."""
    return Parameter(**{**tree, "choices": tuple(tree["choices"])})


def _configuration(tree: dict[str, Any]) -> Configuration:
    curves: dict[str, Sequence[float]] = {
        key: tuple(tree[key]) for key in ("epochs", "seconds", "objective")
    }
    return Configuration(**{**tree, **curves})
