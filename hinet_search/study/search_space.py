"""Search spaces: the hyperparameters to vary and their ranges; `suggest` draws through a Protocol.

Names are dotted configuration paths (`model.scenario.num_specific_sub_experts`). A parameter with
`when` is drawn only if its parent has the required value; otherwise the configuration's default
applies. Optuna is not imported.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Annotated

from pydantic import Field, model_validator

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.common.frozen_model import Frozen, Text
from hinet_search.results.records import ParameterRange, Scalar
from hinet_search.study.distributions import (
    AnyDistribution,
    Categorical,
    Choice,
    Distribution,
    FloatRange,
    IntRange,
    LayerWidths,
    TrialLike,
    Value,
    When,
)
from hinet_search.study.find_file import find
from hinet_search.study.yaml_file import YamlFile, read

Share = Annotated[float, Field(ge=0, le=1)]


class SpaceFile(Frozen):
    """The content of a file in spaces/. Includes come first; later keys replace earlier ones.

    `portfolio` lists configurations that a search tries first: the share of its range that each
    parameter has, from 0 (low, or the first choice) to 1. A name without a point, `dropout`, is of
    every parameter that ends with it, as models have it at different paths.
    """

    include: tuple[Text, ...] = ()
    parameters: dict[Text, Distribution] = Field(default_factory=dict)
    fixed: dict[Text, Value] = Field(default_factory=dict)
    portfolio: tuple[dict[Text, Share], ...] = ()
    max_parameters: Annotated[int, Field(ge=1, le=10**15)] | None = None

    @model_validator(mode="after")
    def _searched_or_fixed(self) -> "SpaceFile":
        both = [name for name in self.fixed if name in self.parameters]
        if both:
            raise ValueError(f"must be either searched or fixed in one file: {', '.join(both)}")
        return self


@dataclass(frozen=True)
class SearchSpace:
    """The parameters of a space, ordered so that parents come before their dependents."""

    name: str
    parameters: Mapping[str, AnyDistribution]
    fixed: Mapping[str, Value]
    max_parameters: int | None
    places: Mapping[str, str]  # where each name was written: `spaces/hinet.yaml:7`
    portfolio: tuple[Mapping[str, float], ...] = ()

    def suggest(self, trial: TrialLike) -> dict[str, Scalar]:
        """Draw every parameter whose condition holds; lists of widths are drawn by name."""
        drawn: dict[str, Scalar] = {}
        for name, distribution in self.parameters.items():
            if self._holds(distribution.when, drawn):
                drawn[name] = distribution.suggest(name, trial)
        return drawn

    def default(self) -> dict[str, Scalar]:
        """Return the default configuration as a draw."""
        return self.default_with({})

    def default_with(self, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return the default as a draw, with other values where they are given and apply."""
        chosen: dict[str, Scalar] = {}
        for name, distribution in self.parameters.items():
            if self._holds(distribution.when, chosen):
                chosen[name] = values.get(name, distribution.default)
        return chosen

    def at(self, shares: Mapping[str, float]) -> dict[str, Scalar]:
        """Return the draw at shares of the ranges; parameters without one have their default.

        A share is of the parameter of its name, or of all whose last part it is.
        """
        values: dict[str, Scalar] = {}
        for name, distribution in self.parameters.items():
            share = shares.get(name, shares.get(name.rpartition(".")[2]))
            if share is not None:
                values[name] = distribution.at(share)
        return self.default_with(values)

    def at_random(self, seed: int) -> dict[str, Scalar]:
        """Return a uniform draw, on the log scale where asked, without a sampler."""
        random = Random(seed)  # noqa: S311  no secret
        values: dict[str, Scalar] = {}
        for name, distribution in self.parameters.items():
            if isinstance(distribution, Categorical | LayerWidths):
                values[name] = random.choice(tuple(distribution.each()))
            elif isinstance(distribution, IntRange) and not distribution.log:
                step = distribution.step or 1
                values[name] = random.randrange(distribution.low, distribution.high + 1, step)
            else:
                values[name] = distribution.at(random.random())
        return self.default_with(values)

    def draws(self) -> Iterator[dict[str, Scalar]]:
        """Yield every draw once; a continuous parameter makes them endless."""
        return self._draws(tuple(self.parameters), {})

    def size(self, most: int) -> int:
        """Count the different draws, up to `most`."""
        return sum(1 for _ in islice(self.draws(), most))

    def values(self, drawn: Mapping[str, Scalar]) -> dict[str, Value]:
        """Convert a draw to configuration values.

        Names of widths become lists, steps become exact, fixed values are added.
        """
        decoded: dict[str, Value] = dict(self.fixed)
        for name, choice in drawn.items():
            distribution = self.parameters[name]
            if isinstance(distribution, LayerWidths):
                decoded[name] = distribution.choices[str(choice)]
            elif isinstance(distribution, FloatRange) and isinstance(choice, float):
                decoded[name] = distribution.exact(choice)
            else:
                decoded[name] = choice
        return decoded

    def with_fixed(self, fixed: Mapping[str, Value], where: str) -> "SearchSpace":
        """Return the space with some names fixed at a value and no longer searched."""
        searched = dict(self.parameters)
        decoded = dict(self.fixed)
        for name, value in fixed.items():
            decoded[name] = _named_widths(searched.pop(name, None), value)
        places = {**self.places, **dict.fromkeys(fixed, where)}
        return replace(self, parameters=searched, fixed=decoded, places=places)

    def without_fixed(self, names: Collection[str]) -> "SearchSpace":
        """Return the space without some names that are fixed."""
        kept = {name: value for name, value in self.fixed.items() if name not in names}
        return replace(self, fixed=kept)

    def without_parameters(self, names: Collection[str]) -> "SearchSpace":
        """Return the space without some parameters, which then have the default of the model."""
        kept = {name: each for name, each in self.parameters.items() if name not in names}
        return replace(self, parameters=kept)

    def ranges(self) -> tuple[ParameterRange, ...]:
        """Return the parameters for the report."""
        return tuple(_range(name, distribution) for name, distribution in self.parameters.items())

    def _draws(self, names: Sequence[str], drawn: dict[str, Scalar]) -> Iterator[dict[str, Scalar]]:
        """Yield every way to complete `drawn` with the parameters `names`."""
        if not names:
            yield drawn
            return
        distribution = self.parameters[names[0]]
        if not self._holds(distribution.when, drawn):
            yield from self._draws(names[1:], drawn)
            return
        for value in distribution.each():
            yield from self._draws(names[1:], {**drawn, names[0]: value})

    def _holds(self, when: When | None, drawn: Mapping[str, Scalar]) -> bool:
        if when is None:
            return True
        known = {**self.fixed, **drawn}
        if isinstance(when, str):
            return bool(known.get(when))
        return all(known.get(parent) in _listed(wanted) for parent, wanted in when.items())


def load_space(name: str, beside: Path | None = None, where: str = "") -> SearchSpace:
    """Load a space by name or path and resolve its includes.

    ConfigurationError holds every problem. `where` is the place that names the space, for the error
    if there is no such file.
    """
    path = find("spaces", name, beside, where)
    draft = _Draft()
    _collect(read(path), (path.resolve(),), draft)
    parameters = {key: value for key, value in draft.parameters.items() if key not in draft.fixed}
    ordered = parents_first(parameters, draft.fixed, draft.places)
    fixed = {
        key: _named_widths(draft.parameters.get(key), value) for key, value in draft.fixed.items()
    }
    return SearchSpace(
        path.stem, ordered, fixed, draft.max_parameters, draft.places, draft.portfolio
    )


@dataclass
class _Draft:
    """A space whose files are being read."""

    parameters: dict[str, AnyDistribution] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    max_parameters: int | None = None
    portfolio: tuple[Mapping[str, float], ...] = ()


def _collect(file: YamlFile, trail: tuple[Path, ...], draft: _Draft) -> None:
    """Add a file's includes, then its own keys."""
    parsed = file.parse(SpaceFile)
    for index, included in enumerate(parsed.include):
        place = file.place(("include", index))
        path = find("spaces", included, file.path.parent, place)
        if path.resolve() in trail:
            raise ConfigurationError(f"{place}: '{included}' includes itself")
        _collect(read(path), (*trail, path.resolve()), draft)
    for name, distribution in parsed.parameters.items():
        draft.fixed.pop(name, None)
        draft.parameters[name] = distribution
        draft.places[name] = file.place(("parameters", name))
    for name, value in parsed.fixed.items():
        draft.fixed[name] = value
        draft.places[name] = file.place(("fixed", name))
    if "max_parameters" in parsed.model_fields_set:  # null removes the limit of an included file
        draft.max_parameters = parsed.max_parameters
    if "portfolio" in parsed.model_fields_set:  # so does an empty list its portfolio
        draft.portfolio = parsed.portfolio


def _named_widths(distribution: AnyDistribution | None, value: Value) -> Value:
    """Return the list that a name of widths means; other values unchanged."""
    if (
        isinstance(distribution, LayerWidths)
        and isinstance(value, str)
        and value in distribution.choices
    ):
        return distribution.choices[value]
    return value


def _parents(when: When | None) -> tuple[str, ...]:
    if when is None:
        return ()
    return (when,) if isinstance(when, str) else tuple(when)


def parents_first(
    parameters: dict[str, AnyDistribution], fixed: Mapping[str, Value], places: Mapping[str, str]
) -> dict[str, AnyDistribution]:
    """Order the parameters so that parents come before their dependents.

    ConfigurationError for unknown parents and circular conditions.
    """
    problems: list[str] = []
    for name, distribution in parameters.items():
        of_condition = _condition_problems(distribution.when, parameters, fixed)
        problems += [f"{places[name]}: {name} has a condition on {each}" for each in of_condition]
    if problems:
        raise ConfigurationError(*problems)
    ordered: dict[str, AnyDistribution] = {}
    waiting = dict(parameters)
    while waiting:
        known = {*ordered, *fixed}
        ready = [name for name, each in waiting.items() if known.issuperset(_parents(each.when))]
        if not ready:
            name = next(iter(waiting))
            raise ConfigurationError(
                f"{places[name]}: the conditions of {', '.join(waiting)} go round in a circle"
            )
        for name in ready:
            ordered[name] = waiting.pop(name)
    return ordered


def _condition_problems(
    when: When | None, parameters: Mapping[str, AnyDistribution], fixed: Mapping[str, Value]
) -> list[str]:
    """List the problems of a condition: unknown parents, and values that a parent cannot have."""
    known = {*parameters, *fixed}
    problems = [
        f"'{parent}', which the space does not name{did_you_mean(parent, known)}"
        for parent in _parents(when)
        if parent not in known
    ]
    for parent, wanted in when.items() if isinstance(when, dict) else ():
        distribution = parameters.get(parent)
        if isinstance(distribution, Categorical | LayerWidths):
            choices = ", ".join(map(str, distribution.choices))
            problems += [
                f"{parent} = {value}, which is not among its choices {choices}"
                for value in _listed(wanted)
                if value not in distribution.choices
            ]
    return problems


def _listed(wanted: Choice | tuple[Choice, ...]) -> tuple[Choice, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


def _range(name: str, distribution: AnyDistribution) -> ParameterRange:
    when = distribution.when if isinstance(distribution.when, str) else ""
    if isinstance(distribution.when, dict):
        when = " and ".join(f"{parent} = {wanted}" for parent, wanted in distribution.when.items())
    if isinstance(distribution, IntRange | FloatRange):
        return ParameterRange(
            name,
            distribution.kind,
            distribution.low,
            distribution.high,
            distribution.log,
            (),
            distribution.default,
            when,
        )
    choices = tuple(map(str, distribution.choices))
    return ParameterRange(
        name, distribution.kind, None, None, False, choices, distribution.default, when
    )
