"""Score: read a table, encode it as compiled.json says, and score it with the ONNX graphs.

    python score.py rows.parquet scores.parquet

Needs numpy, pyarrow and onnxruntime, and the folder that holds this file with `encoding/` beside
it. In Python: `Scorer(Path("model/compiled")).score(table)`, where the table is a pyarrow.Table, or
a dict of columns, gives a column of probabilities per task.
Shape legend: R rows, F fields, N numbers, S slots of lists, T tasks, E entries of all lists.
"""

import json
import sys
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


class Scorer:
    """The encoding and the graphs of one folder `compiled/`."""

    def __init__(self, compiled: Path, num_threads: int = 1) -> None:
        self.layout = json.loads((compiled / "compiled.json").read_text())
        self.encoding = compiled.parent / "encoding"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        self.graphs = [
            onnxruntime.InferenceSession(compiled / "onnx" / f"scenario.{number}.onnx", options)
            for number in range(len(self.layout["scenarios"]))
        ]

    def score(self, rows: pa.Table | dict[str, Any]) -> NDArray[np.float32]:
        """Return P(task = 1) (R, T) of raw rows, each in its own scenario."""
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
        """Return P(task = 1) (R, T) of encoded rows; `scenario_R` has numbers of scenarios."""
        arrays = {"ids": ids_RF, "numbers": numbers_RN, "lists": lists_RS}
        score_RT = np.empty((len(scenario_R), len(self.layout["tasks"])), np.float32)
        for number, graph in enumerate(self.graphs):
            rows = np.flatnonzero(scenario_R == number)
            for block in np.split(rows, range(ROWS_AT_ONCE, len(rows), ROWS_AT_ONCE)):
                if len(block):
                    inputs = {name: array[block] for name, array in arrays.items()}
                    score_RT[block] = graph.run(["probabilities"], inputs)[0]
        return score_RT

    def scenarios(self, table: pa.Table) -> Array:
        """Return the number of each row's scenario (R,)."""
        column, values = self.layout["scenario_column"], self.layout["values"]
        number_of = {text: self.layout["scenarios"].index(name) for text, name in values.items()}
        texts = as_text(plain(table[column])).to_pylist()
        unknown = sorted({str(text) for text in texts if text not in number_of})
        if unknown:
            raise ValueError(f"column '{column}' must hold {', '.join(values)}, got {unknown[0]}")
        return np.array([number_of[text] for text in texts], dtype=np.int32)

    def ids(self, table: pa.Table, scenario_R: Array) -> Array:
        """Return the ids of all fields (R, F), 0 for what has none."""
        ids_RF = np.zeros((len(scenario_R), self.layout["num_ids"]), np.int32)
        for field, spec in enumerate(self.layout["ids"]):
            column = plain(table[spec["column"]])
            if spec["distinct_by_scenario"]:
                numbers = pc.cast(pa.array(scenario_R), pa.string())
                column = pc.binary_join_element_wise(numbers, as_text(column), "/")
            ids_RF[:, field] = ids_of(column, self.vocabulary(spec))
        return ids_RF

    def numbers(self, table: pa.Table) -> Array:
        """Return the numbers (R, N), standardised, then flags of missing values."""
        columns, flags = [], []
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
        column = pc.cast(plain(table[spec["column"]]), pa.float64())
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
            knots = pq.read_table(self.encoding / f"{spec['knots']}.parquet")
            value_K, score_K = knots["value"].to_numpy(), knots["score"].to_numpy()
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
            column, vocabulary = plain(table[spec["column"]]), self.vocabulary(spec)
            if spec["separator"] is not None:
                column = pc.split_pattern(column, spec["separator"])
            row_E = pc.list_parent_indices(column).to_numpy()
            entries = plain(pc.list_flatten(column))
            if spec["separator"] is not None:
                entries, vocabulary = pc.utf8_trim_whitespace(entries), as_text(vocabulary)
                entries = pc.if_else(pc.equal(entries, ""), None, entries)
            is_known_E = pc.is_valid(entries).to_numpy(zero_copy_only=False)
            row_E, id_E = row_E[is_known_E], ids_of(entries, vocabulary)[is_known_E]
            kept_E = (place_in_row(row_E) < spec["length"]) & (id_E > 0)
            row_E, id_E = row_E[kept_E], id_E[kept_E]
            slots_RL = np.zeros((table.num_rows, spec["length"]), np.int32)
            slots_RL[row_E, place_in_row(row_E)] = id_E
            slots.append(slots_RL)
        return np.concatenate(slots, axis=1)

    def vocabulary(self, spec: dict[str, Any]) -> pa.Array:
        """Return the values that have an id, in the order of their ids."""
        return plain(pq.read_table(self.encoding / f"{spec['vocabulary']}.parquet")["value"])


def place_in_row(row_E: Array) -> Array:
    """Return the place of each entry among those of its row; rows ascend."""
    return np.asarray(np.arange(len(row_E)) - np.searchsorted(row_E, row_E))


def ids_of(column: pa.Array, vocabulary: pa.Array) -> Array:
    """Return the id of each value (R,): its place in the vocabulary, from 1; 0 without one."""
    places = pc.index_in(column.cast(vocabulary.type), value_set=vocabulary)
    return np.asarray(pc.fill_null(pc.add(places, 1), 0).to_numpy(zero_copy_only=False))


def plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as one array; texts and integers of any size have one type."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_integer(array.type):
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
    pq.write_table(pa.table(list(scores), names=reader.layout["tasks"]), sys.argv[2])
