"""Measurements: the keys of a study that measure what its inputs and its choices are worth."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from hinet_search.common.frozen_model import Count, Frozen, Text

AUTO = "auto"


class InputsSpec(Frozen):
    """What groups of inputs are worth, measured before the search; those of too little are dropped.

    The default configuration of one arm is trained with all inputs and without each group
    (`features.groups` of the data) with `seeds` seeds. A group is dropped if it is shown to be
    worth less than `comparison.margin`. `arm` names that arm; `auto` takes `shared_bottom`, or
    without such an arm the network with the fewest FLOPs. An arm that fixes or searches
    `features.groups` keeps its inputs.
    """

    arm: Text = AUTO
    seeds: Count = 3


class ChoicesSpec(Frozen):
    """What the search's choices are worth in the best finalist, measured once finalists are known.

    The chosen finalist of `arm`, with `auto` the best of all arms on validation, is trained again
    with `seeds` seeds that chose nothing: as it is, with all of its choices taken back to the
    defaults, and with at most `most` of them taken back one at a time, continuous ones last.
    """

    arm: Text = AUTO
    seeds: Annotated[int, Field(ge=2, le=100)] = 5
    most: Annotated[int, Field(ge=1, le=100)] = 6


def auto_is_default(value: Any) -> Any:
    """Return no keys for the word `auto`."""
    return {} if value == AUTO else value


Inputs = Annotated[InputsSpec, BeforeValidator(auto_is_default)]
Choices = Annotated[ChoicesSpec, BeforeValidator(auto_is_default)]
