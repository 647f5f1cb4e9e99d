"""Encoding folder: the tables of an encoder, `encoding/` of an exported model.

columns                          no rows: names and types of the columns of new rows
vocabulary.N                     values with an id, in order of their ids
knots.N                          of the N-th column with the transform `quantile`
usual.N, counts.N, factors.N     what matches know of the lists of the study
log                              the rows whose labels and moments new rows see
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.matches import (
    ITEM,
    ItemFactors,
    KnownMatches,
    counted_pairs,
    usual_pairs,
)
from hinet_search.data.encode import COUNT, VALUE, Encoding, Vocabulary
from hinet_search.data.labels import MAX_UNITS
from hinet_search.data.times import whole_times
from hinet_search.data.transforms import Knots
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.log_rows import SCENARIO, SPLIT, key_of, log_types
from hinet_search.serving.tables import (
    Types,
    as_typed,
    inner_type,
    read_table,
    require,
    require_range,
    widened,
)
from hinet_search.study.feature_definition import MatchesDefinition

COLUMNS = "columns"
LOG = "log"
SCORE = "score"
MAX_COUNT = 2**31  # so that a product of two counts fits into 64 bits
MAX_FACTOR = 1 + 1e-6  # of factors of length 1, with rounding


def table_names(inputs: Inputs) -> list[str]:
    """The names of the tables of an encoder."""
    counts = {"vocabulary": len(inputs.vocabularies), "knots": len(inputs.ranked)}
    if inputs.matches is not None:
        counts["usual"] = len(usual_pairs(inputs.matches, inputs.lists))
        counts["counts"] = len(counted_pairs(inputs.matches))
        counts["factors"] = len(inputs.matches.similarity)
    names = [COLUMNS]
    for name, count in counts.items():
        names += [f"{name}.{number}" for number in range(count)]
    return [*names, LOG] if inputs.reads_log else names


def write_tables(folder: Path, encoder: Encoder) -> None:
    """Write the tables of an encoder into a new folder.

    The same rows give the same bytes, however they lie in memory.
    """
    folder.mkdir()
    for name, table in zip(table_names(encoder.inputs), _tables(encoder), strict=True):
        table.rechunk().write_parquet(folder / f"{name}.parquet")


def _tables(encoder: Encoder) -> Iterator[pl.DataFrame]:
    """The tables of an encoder, in the order of `table_names`."""
    inputs = encoder.inputs
    yield pl.DataFrame(schema=dict(encoder.types))
    for vocabulary in encoder.encoding.all_vocabularies:
        yield vocabulary.table
    for column in inputs.ranked:
        knots = encoder.encoding.knots[column]
        yield pl.DataFrame({VALUE: knots.values, SCORE: knots.scores})
    if encoder.matches is not None and inputs.matches is not None:
        for pair in usual_pairs(inputs.matches, inputs.lists):
            yield encoder.matches.usual[pair]
        for pair in counted_pairs(inputs.matches):
            yield encoder.matches.counts[pair]
        for name in inputs.matches.similarity:
            factors = encoder.matches.factors[name]
            names = [str(number) for number in range(factors.factors_IK.shape[1])]
            table = pl.DataFrame(factors.factors_IK, schema=names, orient="row")
            yield table.insert_column(0, factors.items_I.alias(ITEM))
    if encoder.log is not None:
        yield encoder.log


def read_encoder(folder: Path, inputs: Inputs) -> Encoder:
    """Read back what `write_tables` wrote; DataError when a table does not fit the inputs."""
    columns = folder / f"{COLUMNS}.parquet"
    types = _types(columns, inputs)
    if inputs.time is not None and inputs.time_unit is None:
        is_moment = types[inputs.time].is_temporal()
        require(columns, is_moment, "hold datetimes as times", "holds others")
    tables = _Tables(folder, inputs, inputs.encoded_types(types))
    matches = log = None
    if inputs.matches is not None:
        matches = tables.known_matches(inputs.matches)
    if inputs.reads_log:
        log = tables.log()
    return Encoder(inputs, tables.encoding(), types, matches, log)


def _types(path: Path, inputs: Inputs) -> Types:
    """The types that new rows are cast to: the types of training, widened.

    Numeric features must be float64, columns of lists must be lists (or text, where a separator
    splits it), and nothing else nested.
    """
    types = read_table(path).schema
    has_columns = list(types) == list(inputs.columns)
    require(path, has_columns, f"name {', '.join(inputs.columns)}", f"names {', '.join(types)}")
    list_columns = set()
    for list_ in inputs.lists.values():
        name = list_.column
        dtype = types[name]
        if list_.separator:
            require(path, dtype == pl.String, f"hold text in '{name}'", f"holds {dtype}")
        else:
            require(path, isinstance(dtype, pl.List), f"hold lists in '{name}'", f"holds {dtype}")
            list_columns.add(name)
    for name, dtype in types.items():
        value_type = inner_type(dtype) if name in list_columns else dtype
        holds_values = name in inputs.compared or dtype == pl.Float64
        is_scalar = not value_type.is_nested() and value_type != pl.Object
        is_as_needed = holds_values and is_scalar
        require(path, is_as_needed, f"hold values in '{name}'", f"holds {dtype}")
    return {name: widened(dtype) for name, dtype in types.items()}


@dataclass(frozen=True)
class _Tables:
    """Reads the tables of `folder` that `inputs` need; `types` are of encoded values."""

    folder: Path
    inputs: Inputs
    types: Types

    def encoding(self) -> Encoding:
        inputs = self.inputs
        types = {name: self.types[name] for name in inputs.categorical}
        for name, list_ in inputs.lists.items():
            if list_.item is None:
                types[name] = inputs.type_of_entries(list_, self.types)
        types |= dict.fromkeys(inputs.numbered, pl.Int64())
        vocabularies = []
        for number, name in enumerate(inputs.vocabularies):
            path = self._path(f"vocabulary.{number}")
            wanted = {VALUE: types[name], COUNT: pl.UInt32()}
            vocabularies.append(Vocabulary(name, as_typed(path, read_table(path), wanted, [VALUE])))
        knots = {}
        for number, column in enumerate(inputs.ranked):
            knots[column] = _knots(self._path(f"knots.{number}"))
        of_fields = tuple(vocabularies[: len(inputs.categorical)])
        return Encoding(of_fields, inputs.scales, knots, tuple(vocabularies[len(of_fields) :]))

    def known_matches(self, matches: MatchesDefinition) -> KnownMatches:
        """What matches know of lists; all lists must count the same values of a column."""
        lists = self.inputs.lists
        entry_types = {}
        item_types = {}
        for name, list_ in lists.items():
            entry_types[name] = self.inputs.type_of_entries(list_, self.types)
            item_types[list_.item] = entry_types[name]
        usual = {}
        for number, (item, column) in enumerate(usual_pairs(matches, lists)):
            path = self._path(f"usual.{number}")
            types = {ITEM: item_types[item], VALUE: self.types[column]}
            usual[item, column] = as_typed(path, read_table(path), types, [ITEM])
        counts = {}
        values_of: dict[str, pl.Series] = {}
        for number, (name, column) in enumerate(counted_pairs(matches)):
            path = self._path(f"counts.{number}")
            types = {VALUE: self.types[column], COUNT: pl.Float64()}
            table = as_typed(path, read_table(path), types, [VALUE])
            require_range(path, table[COUNT], (0, MAX_COUNT), f"hold counts in '{COUNT}'")
            first_values = values_of.setdefault(column, table[VALUE])
            what = f"count the values of '{column}' that other lists count"
            require(path, first_values.equals(table[VALUE]), what, "does not")
            counts[name, column] = table
        factors = {}
        for number, name in enumerate(matches.similarity):
            factors[name] = _item_factors(self._path(f"factors.{number}"), entry_types[name])
        return KnownMatches(usual, counts, factors)

    def log(self) -> pl.DataFrame:
        inputs = self.inputs
        path = self._path(LOG)
        types = log_types(inputs, self.types)
        nullable = [name for name in types if name.startswith("key ")]
        log = as_typed(path, read_table(path), types, nullable=nullable)
        limits: dict[str, float] = {
            SPLIT: len(SPLITS) - 1,
            SCENARIO: len(inputs.scenario.names) - 1,
        }
        for number, is_amount in enumerate(inputs.is_amount):
            limits[f"label {number}"] = MAX_UNITS if is_amount else 1
        for name, largest in limits.items():
            require_range(path, log[name], (0, largest), f"hold 0 to {largest:g} in '{name}'")
        if inputs.time is not None:
            num_times = len(whole_times(log[key_of(inputs, inputs.time)]).drop_nulls())
            require(path, num_times > 0, f"hold times of '{inputs.time}'", "has none")
        return log

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"


def _knots(path: Path) -> Knots:
    """Knots, which must be finite and ascend."""
    types = {VALUE: pl.Float64(), SCORE: pl.Float64()}
    table = as_typed(path, read_table(path), types)
    for name in types:
        number_K = table[name].to_numpy()
        ascends = bool(np.isfinite(number_K).all() and (np.diff(number_K) > 0).all())
        require(path, ascends, f"hold finite numbers in ascending order in '{name}'", "does not")
    return Knots(tuple(table[VALUE].to_list()), tuple(table[SCORE].to_list()))


def _item_factors(path: Path, item_type: pl.DataType) -> ItemFactors:
    table = read_table(path)
    names = [str(number) for number in range(max(1, table.width - 1))]
    table_types = {ITEM: item_type, **dict.fromkeys(names, pl.Float64())}
    table = as_typed(path, table, table_types, [ITEM])
    for name in names:
        require_range(path, table[name], (-MAX_FACTOR, MAX_FACTOR), "hold factors of length 1")
    return ItemFactors(table[ITEM], np.ascontiguousarray(table.drop(ITEM).to_numpy()))
