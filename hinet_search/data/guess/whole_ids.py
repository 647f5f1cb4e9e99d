"""Whole ids: of two ids of which one is the other with the scenario added, take that one.

Where every scenario numbers its items from 1, `item_id` names another item in each; a column that
tells them apart, such as `item`, is the id.
"""

from dataclasses import replace

import polars as pl

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.guess.sample_checks import TableSample

MORE_VALUES = 1.05  # counts of many values are approximate
ROLES = ("user", "item")


def with_whole_ids(sample: TableSample, roles: ColumnRoles) -> ColumnRoles:
    """The roles with the whole id as user or item, where it was guessed; the other is left out."""
    for role in ROLES:
        guess: ColumnRole | None = getattr(roles, role)
        if guess is None or guess.is_given:
            continue
        for column in roles.features:
            if column not in roles.ids and _adds_scenario(sample, guess.column, column):
                roles = _exchanged(roles, role, guess.column, column)
                break
    return roles


def _adds_scenario(sample: TableSample, part: ColumnFacts, whole: ColumnFacts) -> bool:
    """Whether the values of `whole` are the pairs of scenario and `part`, one to one."""
    may_be_id = whole.is_whole or whole.is_text
    if not may_be_id or whole.num_values < MORE_VALUES * part.num_values:
        return False
    keys = [sample.scenario.key, part.key, whole.key]
    known = sample.frame.select(keys).drop_nulls()
    num_pairs, num_wholes, num_triples, num_parts = (
        known.select(pl.struct(some).n_unique()).item()
        for some in (keys[:2], keys[2:], keys, keys[1:2])
    )
    return bool(num_parts < num_pairs == num_wholes == num_triples)


def _exchanged(roles: ColumnRoles, role: str, part: ColumnFacts, whole: ColumnFacts) -> ColumnRoles:
    rest = roles.without([part.name, whole.name])
    others = rest.categorical if rest else ()
    numeric = rest.numeric if rest else ()
    reason = f"{whole.values_in_words}: '{part.name}' with the scenario added"
    left = ColumnRole(part, f"every scenario numbers its own: '{whole.name}' tells them apart")
    id_ = ColumnRole(whole, reason)
    return replace(
        roles,
        user=id_ if role == "user" else roles.user,
        item=id_ if role == "item" else roles.item,
        categorical=(ColumnRole(whole, whole.values_in_words), *others),
        numeric=numeric,
        left_out=(*roles.left_out, left),
    )
