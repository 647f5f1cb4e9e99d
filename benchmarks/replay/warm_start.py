"""Warm start: what a search of a recorded table takes from another data set's recorded table."""

from collections.abc import Sequence
from typing import Any

from hinet_search.search.warm_start import OF_OTHER_DATA, carried_over
from hinet_search.study.distributions import AnyDistribution, Categorical, FloatRange, IntRange
from hinet_search.study.search_space import SearchSpace, parents_first
from portfolio import data_set
from recorded import recorded
from replay.recorded_tables import recorded_table
from replay.table import Parameter, Table, Values

FEWEST = 30  # configurations of a table that was searched


def carried_from_another(table: Table) -> Sequence[Values]:
    """Return the best of the first table of this arm on another data set; nothing without one."""
    task, arm = table.name.split()
    for other, its_arm in recorded():
        if its_arm == arm and data_set(other) != data_set(task):
            known = recorded_table(other, arm)
            if len(known.configurations) >= FEWEST:
                return _best_of(known, _space(table))
    return ()


def _best_of(known: Table, space: SearchSpace) -> Sequence[Values]:
    draws = [each for each in known.configurations if not each.is_default]
    best = sorted(draws, key=lambda each: max(each.objective), reverse=True)[:OF_OTHER_DATA]
    ranges = _space(known).ranges()
    return [carried_over(dict(each.values), ranges, space) for each in best]


def _space(table: Table) -> SearchSpace:
    """Return the space that was recorded; a parameter that the default lacks has a middle one."""
    default = dict(table.configurations[table.default].values)
    parameters = {
        parameter.name: _distribution(parameter, default.get(parameter.name))
        for parameter in table.parameters
    }
    ordered = parents_first(parameters, {}, dict.fromkeys(parameters, table.name))
    return SearchSpace(table.name, ordered, {}, None, {})


def _distribution(parameter: Parameter, default: Any) -> AnyDistribution:
    when = parameter.parent or None
    if parameter.kind == "categorical":
        choice = parameter.choices[0] if default is None else default
        return Categorical(kind="categorical", choices=parameter.choices, default=choice, when=when)
    low, high, log = parameter.low, parameter.high, parameter.log
    middle = (low + high) / 2 if default is None else default
    if parameter.kind == "int":
        return IntRange(
            kind="int", low=int(low), high=int(high), default=int(middle), log=log, when=when
        )
    return FloatRange(kind="float", low=low, high=high, default=middle, log=log, when=when)
