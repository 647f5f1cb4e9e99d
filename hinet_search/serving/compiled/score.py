"""Score: read a table, encode it as compiled.json says, and score it with the ONNX graphs.

    python score.py rows.parquet scores.parquet

Needs numpy, pyarrow and onnxruntime, and the folder that holds this file with `encoding/` beside
it. In Python: `Scorer(Path("model/compiled")).score(table)`, where the table is a pyarrow.Table, or
a dict of columns, gives a column per task: probabilities or, of the tasks in `amount_units`,
expected amounts.
Shape legend: R rows, F fields, N numbers, S slots of lists, T tasks, E entries of all lists.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

Array = NDArray[Any]
LARGEST = float(np.finfo(np.float32).max)
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class KnownIds:
    """The id of every value of a vocabulary: its place there, from 1."""

    type: pa.DataType
    id_of: dict[Any, int]

    def ids(self, column: pa.Array) -> Array:
        """Return the id of each value (R,), 0 without one."""
        if not self.id_of:
            return np.zeros(len(column), np.int32)
        coded = fitted(column, self.type).dictionary_encode()
        keys = coded.dictionary.to_pylist()
        ids = [self.id_of.get(key, 0) for key in keys]
        code_R = coded.indices.fill_null(len(ids)).to_numpy()
        return np.asarray(np.array([*ids, 0], np.int32)[code_R])


class Scorer:
    """The encoding and the graphs of one folder `compiled/`, whose files are read once."""

    def __init__(self, compiled: Path, num_threads: int = 1) -> None:
        self.layout = json.loads((compiled / "compiled.json").read_text(encoding="utf-8"))
        places = map(self.layout["scenarios"].index, self.layout["values"].values())
        self.number_of_value = np.array([*places], np.int32)
        self.known: dict[str, KnownIds] = {}
        self.knots: dict[str, tuple[Array, Array]] = {}
        if self.layout["reads_tables"]:
            self._read(compiled.parent / "encoding")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        self.graphs = [
            onnxruntime.InferenceSession(compiled / "onnx" / f"scenario.{number}.onnx", options)
            for number in range(len(self.layout["scenarios"]))
        ]

    def _read(self, encoding: Path) -> None:
        for spec in (*self.layout["ids"], *self.layout["lists"]):
            name = spec["vocabulary"]
            if name not in self.known:
                values = plain(pq.read_table(encoding / f"{name}.parquet")["value"])
                id_of = dict(zip(values.to_pylist(), range(1, len(values) + 1), strict=True))
                self.known[name] = KnownIds(values.type, id_of)
        for name in {spec["knots"] for spec in self.layout["numbers"]} - {None}:
            table = pq.read_table(encoding / f"{name}.parquet")
            self.knots[name] = table["value"].to_numpy(), table["score"].to_numpy()

    def score(self, rows: pa.Table | dict[str, Any]) -> NDArray[np.float32]:
        """Return P(task = 1), or the expected amount, (R, T) of raw rows, each in its scenario.

        It is NaN where the scenario does not have the task, see `absent_cells` of compiled.json.
        """
        if not self.layout["reads_tables"]:
            made = ", ".join(self.layout["not_encoded"]) or "columns of these types"
            raise ValueError(f"encode the rows yourself and call score_encoded: {made}")
        table = rows if isinstance(rows, pa.Table) else pa.table(rows)
        scenario_R = self.scenarios(table)
        ids_RF = self.ids(table, scenario_R)
        return self.score_encoded(ids_RF, self.numbers(table), self.lists(table), scenario_R)

    def score_encoded(
        self, ids_RF: Array, numbers_RN: Array, lists_RS: Array, scenario_R: Array
    ) -> NDArray[np.float32]:
        """Return what `score` does of encoded rows; `scenario_R` has numbers of scenarios."""
        arrays = {"ids": ids_RF, "numbers": numbers_RN, "lists": lists_RS}
        score_RT = np.empty((len(scenario_R), len(self.layout["tasks"])), np.float32)
        for number, graph in enumerate(self.graphs):
            rows = np.flatnonzero(scenario_R == number)
            for block in np.split(rows, range(ROWS_AT_ONCE, len(rows), ROWS_AT_ONCE)):
                if len(block):
                    inputs = {name: array[block] for name, array in arrays.items()}
                    score_RT[block] = graph.run(None, inputs)[0]
        return score_RT

    def scenarios(self, table: pa.Table) -> Array:
        """Return the number of each row's scenario (R,)."""
        column = self.layout["scenario_column"]
        values = self.layout["values"]
        if not column:  # every row is of the only scenario
            return np.zeros(len(table), np.int64)
        texts = as_text(plain(table[column]))
        place_R = pc.index_in(texts, value_set=pa.array([*values], pa.string()))
        if place_R.null_count:
            unknown = texts.filter(place_R.is_null())[0]
            raise ValueError(f"column '{column}' must hold {', '.join(values)}, got {unknown}")
        return np.asarray(self.number_of_value[place_R.to_numpy()])

    def ids(self, table: pa.Table, scenario_R: Array) -> Array:
        """Return the ids of all fields (R, F), 0 for what has none."""
        ids_RF = np.zeros((len(scenario_R), self.layout["num_ids"]), np.int32)
        for field, spec in enumerate(self.layout["ids"]):
            column = categories(table, spec, scenario_R)
            ids_RF[:, field] = self.known[spec["vocabulary"]].ids(column)
        return ids_RF

    def numbers(self, table: pa.Table) -> Array:
        """Return the numbers (R, N), standardised, then flags of missing values."""
        columns = []
        flags = []
        for spec in self.layout["numbers"]:
            number_R = self._usable(table, spec)
            number_R = self._transformed(number_R, spec)
            is_missing_R = np.isnan(number_R)
            centred_R = np.where(is_missing_R, spec["mean"], number_R) - spec["mean"]
            columns.append(centred_R / spec["spread"] if spec["spread"] else 0 * centred_R)
            if spec["flagged"]:
                flags.append(is_missing_R)
        empty = np.zeros((table.num_rows, 0))
        return np.column_stack([empty, *columns, *flags]).astype(np.float32)

    def _usable(self, table: pa.Table, spec: dict[str, Any]) -> Array:
        """Return the numbers of a column (R,), NaN where one is missing or cannot be used."""
        column = as_number(plain(table[spec["column"]]))
        number_R = column.to_numpy(zero_copy_only=False)
        is_finite_R = np.isfinite(number_R)
        is_refused = self.layout["not_finite"] == "refuse"
        if is_refused and (~is_finite_R & ~column.is_null().to_numpy(zero_copy_only=False)).any():
            raise ValueError(f"column '{spec['column']}' must be finite; missing values are null")
        limit = np.inf if spec["clip"] else LARGEST
        usable_R = np.where(is_finite_R & (np.abs(number_R) <= limit), number_R, np.nan)
        return usable_R.clip(*spec["clip"]) if spec["clip"] else usable_R

    def _transformed(self, number_R: Array, spec: dict[str, Any]) -> Array:
        kind = spec["transform"]
        if kind == "log":
            return np.copysign(np.log1p(np.abs(number_R)), number_R)
        if kind == "quantile":
            value_K, score_K = self.knots[spec["knots"]]
            if not len(value_K):
                return 0 * number_R
            return np.asarray(np.interp(number_R, value_K, score_K))
        if kind in ("sin", "cos"):
            angle_R = 2 * np.pi * (np.remainder(number_R, spec["cycle"]) / spec["cycle"])
            return np.asarray({"sin": np.sin, "cos": np.cos}[kind](angle_R))
        return number_R

    def lists(self, table: pa.Table) -> Array:
        """Return the slots of all lists side by side (R, S)."""
        slots = [np.zeros((table.num_rows, 0), np.int32)]
        for spec in self.layout["lists"]:
            known = self.known[spec["vocabulary"]]
            row_E, entries = entries_of(plain(table[spec["column"]]), spec["separator"], known.type)
            is_known_E = pc.is_valid(entries).to_numpy(zero_copy_only=False)
            row_E = row_E[is_known_E]
            id_E = known.ids(entries)[is_known_E]
            kept_E = (place_in_row(row_E) < spec["length"]) & (id_E > 0)
            row_E = row_E[kept_E]
            id_E = id_E[kept_E]
            slots_RL = np.zeros((table.num_rows, spec["length"]), np.int32)
            slots_RL[row_E, place_in_row(row_E)] = id_E
            slots.append(slots_RL)
        return np.concatenate(slots, axis=1)


def categories(table: pa.Table, spec: dict[str, Any], scenario_R: Array) -> pa.Array:
    """Return the values of a column, as texts with the number of the scenario if need be."""
    column = plain(table[spec["column"]])
    if not spec["distinct_by_scenario"]:
        return column
    numbers = pc.cast(pa.array(scenario_R), pa.string())
    return pc.binary_join_element_wise(numbers, as_text(column), "/")


def place_in_row(row_E: Array) -> Array:
    """Return the place of each entry among those of its row; rows ascend."""
    return np.asarray(np.arange(len(row_E)) - np.searchsorted(row_E, row_E))


def entries_of(
    column: pa.Array, separator: str | None, kind: pa.DataType
) -> tuple[Array, pa.Array]:
    """Return the row of each entry of all lists (E,), and the entries; `kind` is that of ids."""
    if pa.types.is_null(column.type):
        return np.zeros(0, np.int64), pa.nulls(0)
    if separator is None:
        return pc.list_parent_indices(column).to_numpy(), plain(pc.list_flatten(column))
    texts = pc.split_pattern(column, separator)
    entries = pc.utf8_trim_whitespace(pc.list_flatten(texts))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        entries = parsed(entries, kind)
    else:
        entries = pc.if_else(pc.equal(entries, ""), None, entries)
    return pc.list_parent_indices(texts).to_numpy(), entries


def parsed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return texts as numbers of a type; null for a text that is none."""
    coded = texts.dictionary_encode()
    numbers = [number_in(text, kind) for text in coded.dictionary.to_pylist()]
    return pa.array(numbers, kind).take(coded.indices)


def number_in(text: str, kind: pa.DataType) -> int | float | None:
    """Return the number that a text is, if the type has it."""
    if pa.types.is_floating(kind):
        try:
            return float(text) if text.isascii() and "_" not in text else None
        except ValueError:
            return None
    if not re.fullmatch("[+-]?0{0,99}[0-9]{1,20}", text):
        return None
    low, high = (0, 2**64) if kind == pa.uint64() else (-(2**63), 2**63)
    return int(text) if low <= int(text) < high else None


def fitted(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return values as a type; null for an integer that the type does not have."""
    if pa.types.is_integer(column.type) and pa.types.is_integer(kind) and column.type != kind:
        # One of both types is uint64: they share the numbers that are not negative as int64.
        is_shared = pc.greater_equal(pc.cast(column, pa.int64(), safe=False), 0)
        return pc.if_else(is_shared, pc.cast(column, kind, safe=False), pa.scalar(None, kind))
    return column.cast(kind)


def as_number(column: pa.Array) -> pa.Array:
    """Return a column as float64, rounded; numbers may be text, where blank is missing."""
    if pa.types.is_string(column.type):
        texts = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(texts, ""), None, texts)
    return pc.cast(column, pa.float64(), safe=False)


def plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as one array: texts have one type, and so have integers but uint64."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_integer(array.type) and array.type != pa.uint64():
        return array.cast(pa.int64())
    is_text = pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type)
    return array.cast(pa.string()) if is_text else array


def as_text(column: pa.Array) -> pa.Array:
    """Return values as texts; a whole float is written without `.0`."""
    texts = pc.cast(column, pa.string())
    if pa.types.is_floating(column.type):
        return pc.replace_substring_regex(texts, r"\.0$", "")
    return texts


if __name__ == "__main__":
    reader = Scorer(Path(__file__).parent)
    scores = reader.score(pq.read_table(sys.argv[1])).T
    columns = [pa.array(score_R, mask=np.isnan(score_R)) for score_R in scores]
    pq.write_table(pa.table(columns, names=reader.layout["tasks"]), sys.argv[2])
