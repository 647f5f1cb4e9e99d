"""Distributions: what one hyperparameter may be. They draw through a Protocol, so that no sampler is imported."""

from typing import Annotated, Literal, Protocol

from pydantic import Field, model_validator

from hinet_search.errors import did_you_mean
from hinet_search.frozen import Frozen, Text

Choice = bool | int | float | str | None
Value = Choice | tuple[int, ...]
When = str | dict[str, Choice | tuple[Choice, ...]]


class Suggests(Protocol):
    """What a trial offers: the part of optuna's Trial that a space needs."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """An integer between low and high, both included."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number between low and high."""

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        """One of the choices."""


def _is_whole(steps: float) -> bool:
    return abs(steps - round(steps)) <= 1e-9


def _check_range(low: float, high: float, default: float, *, log: bool, step: float | None) -> None:
    if low >= high:
        raise ValueError(f"needs low < high, got low {low} >= high {high}")
    if log and low <= 0:
        raise ValueError(f"needs low > 0 with log: true, got low {low}")
    if log and step is not None:
        raise ValueError("takes 'log' or 'step', not both")
    if step is not None and not _is_whole((high - low) / step):
        raise ValueError(f"needs a step that divides high - low, got step {step} and {high - low}")
    if not low <= default <= high:
        raise ValueError(f"needs low <= default <= high, got default {default} outside {low} to {high}")
    if step is not None and not _is_whole((default - low) / step):
        raise ValueError(f"needs a default whole steps above low, got default {default}, low {low} and step {step}")


class IntRange(Frozen):
    """An integer between low and high."""

    kind: Literal["int"]
    low: int
    high: int
    default: int
    log: bool = False
    step: Annotated[int, Field(ge=1)] | None = None
    when: When | None = None

    @model_validator(mode="after")
    def _sound(self) -> "IntRange":
        _check_range(self.low, self.high, self.default, log=self.log, step=self.step)
        return self

    def suggest(self, name: str, trial: Suggests) -> Choice:
        """Draw a value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)

    @property
    def bounds(self) -> tuple[Value, ...]:
        """The values that a configuration must accept for all others to be accepted."""
        return (self.low, self.high)


class FloatRange(Frozen):
    """A number between low and high."""

    kind: Literal["float"]
    low: float
    high: float
    default: float
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None
    when: When | None = None

    @model_validator(mode="after")
    def _sound(self) -> "FloatRange":
        _check_range(self.low, self.high, self.default, log=self.log, step=self.step)
        return self

    def suggest(self, name: str, trial: Suggests) -> Choice:
        """Draw a value."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    @property
    def bounds(self) -> tuple[Value, ...]:
        """The values that a configuration must accept for all others to be accepted."""
        return (self.low, self.high)


class Categorical(Frozen):
    """One of a few scalars."""

    kind: Literal["categorical"]
    choices: Annotated[tuple[Choice, ...], Field(min_length=1)]
    default: Choice
    when: When | None = None

    @model_validator(mode="after")
    def _sound(self) -> "Categorical":
        if len(set(self.choices)) < len(self.choices):  # 1, 1.0 and true are equal, to samplers too
            raise ValueError(f"names a choice twice: {', '.join(str(choice) for choice in self.choices)}")
        if self.default not in self.choices:
            raise ValueError(f"needs a default among its choices, got {self.default!r}")
        return self

    def suggest(self, name: str, trial: Suggests) -> Choice:
        """Draw a choice."""
        return trial.suggest_categorical(name, self.choices)

    @property
    def bounds(self) -> tuple[Value, ...]:
        """Every choice."""
        return self.choices


class Widths(Frozen):
    """One of several named lists of layer widths: `{none: [], "128-64": [128, 64]}`."""

    kind: Literal["widths"]
    choices: Annotated[dict[Text, tuple[Annotated[int, Field(ge=1)], ...]], Field(min_length=1)]
    default: Text
    when: When | None = None

    @model_validator(mode="after")
    def _sound(self) -> "Widths":
        if self.default not in self.choices:
            raise ValueError(
                f"needs a default among {', '.join(self.choices)}{did_you_mean(self.default, self.choices)}"
            )
        return self

    def suggest(self, name: str, trial: Suggests) -> Choice:
        """Draw the name of a list."""
        return trial.suggest_categorical(name, tuple(self.choices))

    @property
    def bounds(self) -> tuple[Value, ...]:
        """Every list."""
        return tuple(self.choices.values())


AnyDistribution = IntRange | FloatRange | Categorical | Widths
Distribution = Annotated[AnyDistribution, Field(discriminator="kind")]
