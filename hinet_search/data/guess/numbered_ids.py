"""Numbered ids: whole numbers that name something, such as a flight, though no name says so.

A number that counts or measures has a density: near values have about as many rows. A number that
names has none: of 1,014 and 1,015 one may be of a daily flight and the other of a rare one. Where
amounts have none either, their names tell (a price of 99), or that they keep to round numbers, or
that few of the numbers in their range are taken (the distances of a hundred routes), or that an id
of the table tells them: of what is an attribute of an item, rows follow how popular items are.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.names import (
    AMOUNT_WORDS,
    OUTCOME_WORDS,
    TIME_WORDS,
    family_of,
    has_word,
)
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.guess.sample_checks import TableSample

DOUBT = "numbers without an order, by their rows: an id? if it is an amount, list it as numeric"
NO_AMOUNT_WORDS = f"{AMOUNT_WORDS} {OUTCOME_WORDS} {TIME_WORDS}"
BULK = (0.05, 0.95)  # quantiles of the rows: tails have few rows a value
MIN_VALUES = 200
MIN_ROWS_OF_VALUE = 5
LONGEST_RANGE = 10_000_000
MIN_TAKEN = 0.2  # of the numbers of a range, in each third of it
DISPERSION = 5.0  # a smooth density has 1, whatever the number of rows
ROUGHNESS = 0.3  # mean difference of neighbours, as a share of their rows
DIGITS = 10
MAX_OF_DIGIT = 0.2  # share of the rows that end in one digit


def with_numbered_ids(sample: TableSample, roles: ColumnRoles) -> ColumnRoles:
    """The roles with numbers that name something as categories, which is doubted."""
    families = Counter(family_of(role.column.name) for role in roles.numeric)
    families[""] = 1  # of columns without a number in their name
    ids = [
        ColumnRole(role.column, role.column.values_in_words, DOUBT)
        for role in roles.numeric
        if families[family_of(role.column.name)] == 1
        and _may_be_id(role.column)
        and is_numbered_id(sample[role.column])
        and not _is_attribute(role.column, sample, roles)
    ]
    names = {role.column.name for role in ids}
    numeric = tuple(role for role in roles.numeric if role.column.name not in names)
    return replace(roles, categorical=(*roles.categorical, *ids), numeric=numeric)


def _may_be_id(column: ColumnFacts) -> bool:
    is_counted = column.num_values >= MIN_VALUES and column.low >= 0
    return is_counted and column.is_whole and not has_word(column.name, NO_AMOUNT_WORDS)


def _is_attribute(column: ColumnFacts, sample: TableSample, roles: ColumnRoles) -> bool:
    """Whether every value of some id of the table has one of this column's."""
    ids = [each.column for each in roles.categorical if each.column.num_values >= column.num_values]
    pairs = (sample.frame.select(each.key, column.key).n_unique() for each in ids)
    return any(
        num_pairs == sample[each].n_unique() for each, num_pairs in zip(ids, pairs, strict=True)
    )


def is_numbered_id(values: pl.Series) -> bool:
    """Whether whole numbers name something, by how many rows each has."""
    number_R = values.cast(pl.Float64, strict=False).drop_nulls().to_numpy()
    if number_R.size == 0:
        return False
    first, last = np.quantile(number_R, BULK)
    if not last - first < LONGEST_RANGE:
        return False
    bulk_R = number_R[(number_R >= first) & (number_R <= last)].astype(np.int64)
    rows_V = np.bincount(bulk_R - int(np.ceil(first)))
    is_taken_V = rows_V > 0
    if is_taken_V.sum() < MIN_VALUES or rows_V[is_taken_V].mean() < MIN_ROWS_OF_VALUE:
        return False
    taken = [third.mean() for third in np.array_split(is_taken_V, 3)]
    of_digit = np.bincount(bulk_R % DIGITS, minlength=DIGITS) / bulk_R.size
    return min(taken) >= MIN_TAKEN and of_digit.max() <= MAX_OF_DIGIT and _is_rough(rows_V)


def _is_rough(rows_V: NDArray[np.int64]) -> bool:
    """Whether neighbours differ by more than chance, and by much of their rows."""
    difference_V = np.abs(np.diff(rows_V))
    twice = 2 * rows_V.sum()
    dispersion = (difference_V**2).sum() / twice
    return bool(dispersion >= DISPERSION and difference_V.sum() / twice >= ROUGHNESS)
