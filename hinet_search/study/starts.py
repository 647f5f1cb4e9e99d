"""Starts: configurations that an arm tries first, after its default.

A study writes them as changes of the default, a space as a portfolio of shares of its ranges, and a
warm start takes them from another study.
"""

from collections.abc import Iterable, Mapping, Sequence

from hinet_search.common.errors import ConfigurationError, ErrorCollector, gone_or_similar
from hinet_search.results.records import PORTFOLIO, Scalar, Start
from hinet_search.study.distributions import Choice
from hinet_search.study.parameter_changes import ParameterChange, changed
from hinet_search.study.search_space import SearchSpace
from hinet_search.study.yaml_file import Place


def resolved_starts(
    starts: Sequence[Mapping[str, Choice]], space: SearchSpace, place: Place
) -> tuple[Start, ...]:
    """Return the configurations of a study: values, and the default's for all other parameters.

    `place` gives the place of a key inside `start`. ConfigurationError holds a problem for every
    parameter that the arm does not search, and for every value outside its range or choices.
    """
    draws = []
    problems = ErrorCollector()
    for index, start in enumerate(starts):
        with problems.collecting():
            draws.append(Start(_draw(index, start, space, place), f"start {index + 1}"))
    problems.raise_if_any()
    return tuple(draws)


def portfolio(space: SearchSpace) -> tuple[Start, ...]:
    """Return the portfolio of a space; places are those in the portfolio, from 1."""
    draws = map(space.at, space.portfolio)
    return tuple(Start(draw, f"{PORTFOLIO} {place}") for place, draw in enumerate(draws, start=1))


def distinct(starts: Iterable[Start], space: SearchSpace) -> list[Start]:
    """Return the starts that differ from the default of the space and from each other."""
    known: list[Mapping[str, Scalar]] = [space.default()]
    different = []
    for start in starts:
        if start.values not in known:
            known.append(start.values)
            different.append(start)
    return different


def _draw(
    index: int, start: Mapping[str, Choice], space: SearchSpace, place: Place
) -> dict[str, Scalar]:
    not_searched = [
        f"{place((index, name))}: '{name}' is not searched in this arm{_reason(name, space)}"
        for name in start
        if name not in space.parameters
    ]
    if not_searched:
        raise ConfigurationError(*not_searched)

    defaults = {name: ParameterChange(default=value) for name, value in start.items()}
    return changed(space, defaults, lambda at: place((index, *at))).default()


def _reason(name: str, space: SearchSpace) -> str:
    if name in space.fixed:
        return f", it is fixed ({space.places[name]})"
    return gone_or_similar(name, space.parameters)
