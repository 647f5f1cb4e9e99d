"""Columns: encoded data on disk, memory-mapped by every slot of a machine.

A folder holds one .npy file per array and split, and `dataset.json` with names and sizes, written last.
Shape legend: R rows of a split, F categorical fields, N numeric inputs, T tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinet_search.records import DataRecord
from hinet_search.schema import Schema

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Columns:
    """One split. Ids are in order of training frequency, 0 = unknown; user_R is -1 everywhere when there is no user column."""

    ids_RF: NDArray[np.int32]
    numeric_RN: NDArray[np.float32]
    scenario_R: NDArray[np.int16]
    labels_RT: NDArray[np.uint8]
    user_R: NDArray[np.int32]

    @property
    def num_rows(self) -> int:
        """R."""
        return int(self.scenario_R.shape[0])

    def head(self, num_rows: int) -> Columns:
        """The first rows."""
        return Columns(
            ids_RF=self.ids_RF[:num_rows],
            numeric_RN=self.numeric_RN[:num_rows],
            scenario_R=self.scenario_R[:num_rows],
            labels_RT=self.labels_RT[:num_rows],
            user_R=self.user_R[:num_rows],
        )


@dataclass(frozen=True)
class Dataset:
    """An encoded data set. `frequencies[f][i]` is the training count of id i + 1 of field f, descending."""

    folder: Path
    full_schema: Schema
    frequencies: tuple[NDArray[np.int64], ...]
    train: Columns
    valid: Columns
    test: Columns
    record: DataRecord

    @property
    def fingerprint(self) -> str:
        """Hash of definition and source."""
        return self.record.fingerprint

    def schema(self, minimum_frequency: int = 1) -> Schema:
        """The schema when ids seen fewer than `minimum_frequency` times in training become 0 (a cut-off per field)."""
        sizes = tuple(int((counts >= minimum_frequency).sum()) + 1 for counts in self.frequencies)
        full = self.full_schema
        return Schema(full.scenarios, full.tasks, full.categorical, sizes, full.numeric)
