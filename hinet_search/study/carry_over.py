"""Carry over: a configuration of one search space as a configuration of another.

What carries over is how it differs from its default, as defaults follow from the data: a batch of
twice the default becomes a batch of twice the default.
"""

from collections.abc import Iterable, Mapping
from math import log as ln
from typing import TypeGuard

from hinet_search.results.records import ParameterRange, Scalar
from hinet_search.study.distributions import AnyDistribution, FloatRange, IntRange
from hinet_search.study.search_space import SearchSpace


def carried_over(
    values: Mapping[str, Scalar], ranges: Iterable[ParameterRange], space: SearchSpace
) -> dict[str, Scalar]:
    """Return the draw of `space` that differs from its default as `values` does from its own.

    `ranges` declare the parameters of `values`. Parameters that only one side has, and words that
    are no choice here, are at the default of `space`.
    """
    defaults = {each.name: each.default for each in ranges}
    carried: dict[str, Scalar] = {}
    for name in values.keys() & defaults.keys() & space.parameters.keys():
        distribution = space.parameters[name]
        carried[name] = _carried(values[name], defaults[name], distribution)
    return space.default_with(carried)


def _carried(value: Scalar, default: Scalar, to: AnyDistribution) -> Scalar:
    if value == default:
        return to.default
    if isinstance(to, IntRange | FloatRange):
        number = _shifted(value, default, to.default, log=to.log)
        return to.default if number is None else to.nearest(number)
    numbers = tuple(filter(_is_number, to.choices))
    if len(numbers) == len(to.choices) and min(numbers) > 0:
        number = _shifted(value, default, to.default, log=True)
        if number is not None:
            return min(numbers, key=lambda choice: abs(ln(choice / number)))
    return value if value in to.choices else to.default


def _shifted(value: Scalar, default: Scalar, to: Scalar, *, log: bool) -> float | None:
    """Return what is as far from `to` as a value is from its default, by ratio if `log`.

    None where these are no numbers, or a ratio has no meaning.
    """
    if not (_is_number(value) and _is_number(default) and _is_number(to)):
        return None
    if not log:
        return to + value - default
    return to * value / default if min(value, default, to) > 0 else None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
