"""Match tables: what matches know of the lists of a study, as tables of its exported model."""

from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.data.derived.matches import ITEM, KnownMatches, counted_pairs, usual_pairs
from hinet_search.data.derived.similarity import ItemFactors
from hinet_search.data.encode import COUNT, VALUE
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.log_rows import PathOf
from hinet_search.serving.tables import Types, as_typed, read_table, require, require_range
from hinet_search.study.feature_definition import MatchesDefinition

MAX_COUNT = 2**31  # so that a product of two counts fits into 64 bits
MAX_FACTOR = 1 + 1e-6  # of factors of length 1, with rounding


def tables_of_matches(
    known: KnownMatches, inputs: Inputs, matches: MatchesDefinition
) -> dict[str, pl.DataFrame]:
    """The tables of known matches by name."""
    tables = {}
    for number, pair in enumerate(usual_pairs(matches, inputs.lists)):
        tables[f"usual.{number}"] = known.usual[pair]
    for number, pair in enumerate(counted_pairs(matches)):
        tables[f"counts.{number}"] = known.counts[pair]
    for number, name in enumerate(matches.similarity):
        factors = known.factors[name]
        names = map(str, range(factors.factors_IK.shape[1]))
        items = pl.DataFrame([factors.items_I.alias(ITEM)])
        table = pl.DataFrame(factors.factors_IK, schema=[*names], orient="row")
        tables[f"factors.{number}"] = items.hstack(table)
    return tables


def matches_of_folder(
    inputs: Inputs, matches: MatchesDefinition, types: Types, path_of: PathOf
) -> KnownMatches:
    """Read back the tables of `tables_of_matches`; `path_of` maps the name of one to its file.

    DataError when a table does not fit rows of `types`.
    """
    item_types = {}
    for list_ in inputs.lists.values():
        item_types[list_.item] = inputs.type_of_entries(list_, types)
    usual = {}
    for number, (item, column) in enumerate(usual_pairs(matches, inputs.lists)):
        path = path_of(f"usual.{number}")
        table_types = {ITEM: item_types[item], VALUE: types[column]}
        usual[item, column] = as_typed(path, read_table(path), table_types, [ITEM])
    counts = _value_counts(matches, types, path_of)
    factors = {}
    for number, name in enumerate(matches.similarity):
        item_type = inputs.type_of_entries(inputs.lists[name], types)
        factors[name] = _item_factors(path_of(f"factors.{number}"), item_type)
    return KnownMatches(usual, counts, factors)


def _value_counts(
    matches: MatchesDefinition, types: Types, path_of: PathOf
) -> dict[tuple[str, str], pl.DataFrame]:
    """Counts by list and column; all lists must count the same values of a column."""
    counts = {}
    values_of: dict[str, pl.Series] = {}
    for number, (name, column) in enumerate(counted_pairs(matches)):
        path = path_of(f"counts.{number}")
        table_types = {VALUE: types[column], COUNT: pl.Float64()}
        table = as_typed(path, read_table(path), table_types, [VALUE])
        require_range(path, table[COUNT], (0, MAX_COUNT), f"hold counts in '{COUNT}'")
        first_values = values_of.setdefault(column, table[VALUE])
        what = f"count the values of '{column}' that other lists count"
        require(path, first_values.equals(table[VALUE]), what, "does not")
        counts[name, column] = table
    return counts


def _item_factors(path: Path, item_type: pl.DataType) -> ItemFactors:
    table = read_table(path)
    names = [str(number) for number in range(max(1, table.width - 1))]
    table_types = {ITEM: item_type, **dict.fromkeys(names, pl.Float64())}
    table = as_typed(path, table, table_types, [ITEM])
    for name in names:
        require_range(path, table[name], (-MAX_FACTOR, MAX_FACTOR), "hold factors of length 1")
    return ItemFactors(table[ITEM], np.ascontiguousarray(table.drop(ITEM).to_numpy()))
