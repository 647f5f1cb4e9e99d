"""Parameter changes: what a study replaces in the parameters of its arms' spaces.

A space says what a model is tuned over; a study knows its data, so it may ask for another default,
range or list of choices without a space of its own.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from pydantic import model_validator

from hinet_search.common.errors import ConfigurationError, gone_or_similar
from hinet_search.common.frozen_model import Frozen, Layers, Text
from hinet_search.study.distributions import Choice, Number
from hinet_search.study.search_space import SearchSpace
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import Place, validated_at

PARAMETERS = "parameters"  # the key of a study


class ParameterChange(Frozen):
    """The keys of a parameter that a study replaces; the space has the others.

    `low` and `high` are of numbers, `choices` of the other kinds.
    """

    default: Choice = None
    low: Number | None = None
    high: Number | None = None
    choices: tuple[Choice, ...] | dict[Text, Layers] | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> "ParameterChange":
        if not self.model_fields_set:
            raise ValueError("must have at least one of default, low, high, choices, got none")
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The keys that are written, with their values."""
        return self.model_dump(exclude_unset=True)


def merged(
    changes: Mapping[str, ParameterChange], later: Mapping[str, ParameterChange]
) -> dict[str, ParameterChange]:
    """Return all changes; where both change a key of a parameter, the later one."""
    both = dict(changes)
    for name, change in later.items():
        before = both[name].given if name in both else {}
        both[name] = ParameterChange(**{**before, **change.given})
    return both


def changed(
    space: SearchSpace, changes: Mapping[str, ParameterChange], place: Place
) -> SearchSpace:
    """Return the space with the changes to parameters that it has; others are passed over.

    `place` gives the place of a key of the study. ConfigurationError if a change does not fit, such
    as a default outside its range.
    """
    parameters = dict(space.parameters)
    places = dict(space.places)
    for name, change in changes.items():
        if name not in parameters:
            continue
        distribution = parameters[name]
        merged = {**distribution.model_dump(), **change.given}

        def place_of_key(location: Location, name: str = name) -> str:
            return f"{place((PARAMETERS, name, *location))}: {name}, merged with its space"

        parameters[name] = validated_at(type(distribution), merged, place_of_key)
        places[name] = place((PARAMETERS, name))
    return replace(space, parameters=parameters, places=places)


def refuse_unsearched(
    changes: Collection[str], spaces: Collection[SearchSpace], place: Place
) -> None:
    """Raise ConfigurationError for every change to a parameter that no space has."""
    known = dict.fromkeys(chain.from_iterable(space.parameters for space in spaces))
    problems = [
        f"{place((PARAMETERS, name))}: '{name}' is searched in no arm{gone_or_similar(name, known)}"
        for name in changes
        if name not in known
    ]
    if problems:
        raise ConfigurationError(
            *problems, remedy="name a parameter of a space, or put its value under 'fixed'"
        )
