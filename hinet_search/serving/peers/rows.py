"""Rows: encoded rows as tables that other libraries read, and the ids of values.

Their columns are features, whose names are safe in any of these libraries.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from torch import nn

from hinet_search.data.columns import Columns
from hinet_search.data.encode import VALUE
from hinet_search.data.peers.found import Kind
from hinet_search.data.raw_values import as_text
from hinet_search.data.schema import Schema
from hinet_search.serving.encoder import Encoder

BLOCK = 1_000_000  # rows in memory at a time
PADDING, UNKNOWN = "__PAD__", "__OOV__"  # as FuxiCTR names them


@dataclass(frozen=True)
class PeerFeature:
    """A column: the input `origin`, with `size` ids from 0; a list may have those of a field."""

    name: str
    kind: Kind
    origin: str
    size: int = 0
    length: int = 0
    shared_with: str = ""
    is_scenario: bool = False


@dataclass(frozen=True)
class PeerColumns:
    """The columns of encoded rows: features in the order in which a network reads them, labels.

    `indicators` are columns that are 1 in the rows of a scenario, if there are several.
    """

    schema: Schema
    features: tuple[PeerFeature, ...]
    labels: tuple[str, ...]
    indicators: tuple[str, ...] = ()

    def of_kind(self, kind: Kind) -> list[PeerFeature]:
        """Return the features of a kind."""
        return [feature for feature in self.features if feature.kind == kind]

    @property
    def scenario(self) -> str:
        """The column of the scenario."""
        return next(feature.name for feature in self.features if feature.is_scenario)

    @property
    def renamed(self) -> Mapping[str, str]:
        """The names of inputs and tasks that could not stay, and what they became."""
        pairs = {feature.origin: feature.name for feature in self.features}
        pairs |= dict(zip(self.schema.tasks, self.labels, strict=True))
        return {origin: name for origin, name in pairs.items() if origin != name}


def columns_of(schema: Schema, scenario: str) -> PeerColumns:
    """Return the columns of encoded rows; `scenario` is the column of the scenario."""
    names = _Names()
    fields = [
        PeerFeature(names.safe(name), "categorical", name, size)
        for name, size in zip(schema.categorical, schema.vocabulary_sizes, strict=False)
    ]
    of_scenario = PeerFeature(
        names.safe(scenario), "categorical", scenario, schema.num_scenarios, is_scenario=True
    )
    lists = [
        PeerFeature(
            names.safe(each.name),
            "list",
            each.name,
            schema.vocabulary_sizes[each.field],
            each.length,
            fields[each.field].name if schema.has_item(each) else "",
        )
        for each in schema.pooled_lists
    ]
    numbers = [PeerFeature(names.safe(name), "numeric", name) for name in schema.numeric]
    labels = tuple(names.safe(task) for task in schema.tasks)
    in_scenario = [names.safe(f"in_{name}") for name in schema.scenarios]
    indicators = tuple(in_scenario) if len(in_scenario) > 1 else ()
    return PeerColumns(schema, (*fields, of_scenario, *lists, *numbers), labels, indicators)


class _Names:
    """Names of ASCII letters, digits and _, each given once, that a torch module may have."""

    def __init__(self) -> None:
        self._module = nn.ModuleDict()
        self._given: set[str] = set()

    def safe(self, name: str) -> str:
        safe = re.sub("[^A-Za-z0-9_]", "_", name) or "_"
        safe = f"_{safe}" if safe[0].isdigit() else safe
        while safe in self._given or hasattr(self._module, safe):
            safe += "_"
        self._given.add(safe)
        return safe


def write_rows(path: Path, columns: PeerColumns, rows: Columns, offset: int) -> None:
    """Write encoded rows as a Parquet file, block by block.

    Ids begin at `offset`. With one, unknown ids come last, and empty slots of lists are 0; without,
    unknown ids are 0, and lists have no empty slots.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: pq.ParquetWriter | None = None
    for start in range(0, max(rows.num_rows, 1), BLOCK):
        table = _table(columns, rows.head(start + BLOCK), start, offset)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _table(columns: PeerColumns, rows: Columns, start: int, offset: int) -> pa.Table:
    """Return the rows from `start` on."""
    arrays: dict[str, pa.Array] = {}
    ids_RF, lists_RS = rows.ids_RF[start:], rows.lists_RS[start:]
    field, number, slot = 0, 0, 0
    for feature in columns.features:
        if feature.is_scenario:
            arrays[feature.name] = pa.array(rows.scenario_R[start:].astype(np.int32) + offset)
        elif feature.kind == "categorical":
            id_R = np.where(ids_RF[:, field] < feature.size, ids_RF[:, field], 0)
            unknown = feature.size if offset else 0
            arrays[feature.name] = pa.array(np.where(id_R > 0, id_R, unknown).astype(np.int32))
            field += 1
        elif feature.kind == "list":
            slots_RL = lists_RS[:, slot : slot + feature.length]
            known_RL = np.where(slots_RL < feature.size, slots_RL, 0)
            arrays[feature.name] = _lists(known_RL, keep_empty=bool(offset))
            slot += feature.length
        else:
            arrays[feature.name] = pa.array(rows.numeric_RN[start:, number])
            number += 1
    for task, label in enumerate(columns.labels):
        arrays[label] = pa.array(rows.labels_RT[start:, task].astype(np.float32))
    for scenario, name in enumerate(columns.indicators):
        arrays[name] = pa.array((rows.scenario_R[start:] == scenario).astype(np.float32))
    return pa.table(arrays)


def _lists(ids_RL: NDArray[np.int32], *, keep_empty: bool) -> pa.Array:
    """Return lists of ids; without empty slots they have the known ids alone."""
    kept_RL = np.full(ids_RL.shape, fill_value=True) if keep_empty else ids_RL > 0
    ends = np.cumsum(kept_RL.sum(axis=1), dtype=np.int32)
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids_RL[kept_RL]))


def write_vocabularies(path: Path, columns: PeerColumns, encoder: Encoder, offset: int) -> None:
    """Write the id of every value, or bucket of values, as JSON, by feature, as FuxiCTR does."""
    vocabularies = {feature.name: ids for feature, ids in _vocabularies(columns, encoder, offset)}
    path.write_text(json.dumps(vocabularies, indent=1), encoding="utf-8")


def _vocabularies(
    columns: PeerColumns, encoder: Encoder, offset: int
) -> Iterator[tuple[PeerFeature, dict[str, int]]]:
    tables = {each.name: each.table for each in encoder.encoding.all_vocabularies}
    fields = {feature.name: feature.origin for feature in columns.features}
    for feature in columns.features:
        if feature.kind == "numeric":
            continue
        if feature.is_scenario:
            names = columns.schema.scenarios
            values = encoder.inputs.scenario.values
            ids = {text: names.index(name) + offset for text, name in values.items()}
            unknown = feature.size + 1
        else:
            table = tables[fields.get(feature.shared_with, feature.origin)].head(feature.size - 1)
            ids = {text: number for number, text in enumerate(as_text(table[VALUE]), 1)}
            unknown = feature.size
        yield feature, ids | ({PADDING: 0, UNKNOWN: unknown} if offset else {})
