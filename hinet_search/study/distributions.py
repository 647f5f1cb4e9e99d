"""Distributions: the values of one hyperparameter, drawn through a Protocol without a sampler."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import count
from typing import Annotated, Literal, Protocol

from pydantic import Field, model_validator

from hinet_search.common.errors import did_you_mean
from hinet_search.common.frozen_model import Frozen, Large, Layers, Text

Choice = bool | int | float | str | None
Value = Choice | tuple[int, ...]
Whole = Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
Number = Annotated[float, Field(ge=-1e15, le=1e15)]
When = str | dict[str, Choice | tuple[Choice, ...]]


class TrialLike(Protocol):
    """The part of Optuna's Trial that a search space needs."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Draw an integer between low and high, both included."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Draw a number between low and high."""

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        """Draw one of the choices."""


def _share_of_range(low: float, high: float, share: float, *, log: bool) -> float:
    """Return the number at a share of the way from low to high."""
    return low * (high / low) ** share if log else low + share * (high - low)


def _share_of_choices(choices: Sequence[Choice], share: float) -> Choice:
    return choices[round(share * (len(choices) - 1))]


def _is_whole(steps: float) -> bool:
    return abs(steps - round(steps)) <= 1e-9


def _check_range(low: float, high: float, default: float, *, log: bool, step: float | None) -> None:
    if low >= high:
        raise ValueError(f"needs low < high, got low {low} >= high {high}")
    if log and low <= 0:
        raise ValueError(f"needs low > 0 with log: true, got low {low}")
    if not low <= default <= high:
        raise ValueError(
            f"needs low <= default <= high, got default {default} outside {low} to {high}"
        )
    if step is not None:
        if log:
            raise ValueError("takes 'log' or 'step', not both")
        if not _is_whole((high - low) / step):
            raise ValueError(
                f"needs a step that divides high - low, got step {step} and {high - low}"
            )
        if not _is_whole((default - low) / step):
            raise ValueError(
                f"needs a default whole steps above low, "
                f"got default {default}, low {low} and step {step}"
            )


class IntRange(Frozen):
    """An integer between low and high."""

    kind: Literal["int"]
    low: Whole
    high: Whole
    default: Whole
    log: bool = False
    step: Large | None = None
    when: When | None = None

    @model_validator(mode="after")
    def _sound(self) -> "IntRange":
        _check_range(self.low, self.high, self.default, log=self.log, step=self.step)
        return self

    def suggest(self, name: str, trial: TrialLike) -> Choice:
        """Draw a value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)

    def each(self) -> Iterator[Choice]:
        """Yield every value once."""
        yield from range(self.low, self.high + 1, self.step or 1)

    def at(self, share: float) -> Choice:
        """Return the value at a share of the range: 0 is low, 1 is high."""
        return self.nearest(_share_of_range(self.low, self.high, share, log=self.log))

    def nearest(self, number: float) -> Choice:
        """Return the value of the range that is nearest to a number."""
        step = self.step or 1
        inside = min(max(number, self.low), self.high)
        return self.low + round((inside - self.low) / step) * step

    @property
    def bounds(self) -> tuple[Value, ...]:
        """The extreme values: if a configuration accepts them, it accepts all others."""
        return (self.low, self.high)


class FloatRange(Frozen):
    """A number between low and high."""

    kind: Literal["float"]
    low: Number
    high: Number
    default: Number
    log: bool = False
    step: Annotated[float, Field(ge=1e-15, le=1e15)] | None = None
    when: When | None = None

    @model_validator(mode="after")
    def _sound(self) -> "FloatRange":
        _check_range(self.low, self.high, self.default, log=self.log, step=self.step)
        return self

    def suggest(self, name: str, trial: TrialLike) -> Choice:
        """Draw a value."""
        return self.exact(
            trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)
        )

    def exact(self, drawn: float) -> float:
        """Round a drawn value to its step as it would be typed: 0.3, not 0.30000000000000004."""
        if self.step is None:
            return drawn
        return self._at(round((drawn - self.low) / self.step))

    def at(self, share: float) -> Choice:
        """Return the value at a share of the range: 0 is low, 1 is high."""
        return self.nearest(_share_of_range(self.low, self.high, share, log=self.log))

    def nearest(self, number: float) -> Choice:
        """Return the value of the range that is nearest to a number."""
        return self.exact(min(max(number, self.low), self.high))

    def _at(self, index: int) -> float:
        return float(Decimal(str(self.low)) + index * Decimal(str(self.step)))

    def each(self) -> Iterator[Choice]:
        """Yield every value once.

        Without a step the values never end: they are binary fractions of the range.
        """
        if self.step is not None:
            yield from map(self._at, range(round((self.high - self.low) / self.step) + 1))
            return
        for number in count(1):
            reversed_bits = int(f"{number:b}"[::-1], 2)
            width = self.high - self.low
            yield self.low + width * reversed_bits / 2 ** number.bit_length()

    @property
    def bounds(self) -> tuple[Value, ...]:
        """The extreme values: if a configuration accepts them, it accepts all others."""
        return (self.low, self.high)


class Categorical(Frozen):
    """One of a few scalars."""

    kind: Literal["categorical"]
    choices: Annotated[tuple[Choice, ...], Field(min_length=1)]
    default: Choice
    when: When | None = None

    @model_validator(mode="after")
    def _sound(self) -> "Categorical":
        if len(set(self.choices)) < len(self.choices):  # 1, 1.0 and true are equal
            raise ValueError(f"names a choice twice: {', '.join(map(str, self.choices))}")
        if self.default not in self.choices:
            choices = ", ".join(map(str, self.choices))
            raise ValueError(f"needs a default among its choices {choices}, got {self.default!r}")
        return self

    def suggest(self, name: str, trial: TrialLike) -> Choice:
        """Draw a choice."""
        return trial.suggest_categorical(name, self.choices)

    def each(self) -> Iterator[Choice]:
        """Yield every choice once."""
        yield from self.choices

    def at(self, share: float) -> Choice:
        """Return the choice at a share of the list: 0 is the first, 1 is the last."""
        return _share_of_choices(self.choices, share)

    @property
    def bounds(self) -> tuple[Value, ...]:
        """Every choice."""
        return self.choices


class LayerWidths(Frozen):
    """One of several named lists of layer widths: `{none: [], "128-64": [128, 64]}`."""

    kind: Literal["widths"]
    choices: Annotated[dict[Text, Layers], Field(min_length=1)]
    default: Text
    when: When | None = None

    @model_validator(mode="after")
    def _sound(self) -> "LayerWidths":
        if self.default not in self.choices:
            raise ValueError(
                f"needs a default among {', '.join(self.choices)}"
                f"{did_you_mean(self.default, self.choices)}"
            )
        return self

    def suggest(self, name: str, trial: TrialLike) -> Choice:
        """Draw the name of a list."""
        return trial.suggest_categorical(name, tuple(self.choices))

    def each(self) -> Iterator[Choice]:
        """Yield the name of every list once."""
        yield from self.choices

    def at(self, share: float) -> Choice:
        """Return the name at a share of the lists: 0 is the first, 1 is the last."""
        return _share_of_choices(tuple(self.choices), share)

    @property
    def bounds(self) -> tuple[Value, ...]:
        """Every list."""
        return tuple(self.choices.values())


AnyDistribution = IntRange | FloatRange | Categorical | LayerWidths
Distribution = Annotated[AnyDistribution, Field(discriminator="kind")]
