"""Small data sets in memory for tests of training."""

from pathlib import Path

import numpy as np

from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.schema import Schema
from hinet_search.results.data_record import DataRecord

SCENARIOS, TASKS = ("home", "search"), ("click", "order")
VOCABULARY = 6


def columns(num_rows: int, seed: int, *, flip: float = 0.0) -> Columns:
    """Return rows whose first numeric input separates both tasks.

    `flip` is the share of wrong labels.
    """
    generator = np.random.default_rng(seed)
    numeric_RN = generator.normal(size=(num_rows, 2)).astype(np.float32)
    truth_RT = np.stack([numeric_RN[:, 0] > 0, numeric_RN[:, 0] > 0.5], axis=1)
    return Columns(
        ids_RF=generator.integers(0, VOCABULARY, size=(num_rows, 1)).astype(np.int32),
        numeric_RN=numeric_RN,
        scenario_R=(np.arange(num_rows) % 2).astype(np.int16),
        labels_RT=(truth_RT ^ (generator.random(truth_RT.shape) < flip)).astype(np.uint8),
        user_R=generator.integers(0, 20, size=num_rows).astype(np.int32),
        lists_RS=np.zeros((num_rows, 0), np.int32),
    )


def dataset(train: Columns, valid: Columns) -> Dataset:
    """Return a data set of these two splits (test = valid), with ids counted in `train`."""
    known_counts = np.bincount(train.ids_RF[:, 0], minlength=VOCABULARY)[1:]
    counts = np.sort(known_counts)[::-1].astype(np.int64)
    record = DataRecord(
        source="memory",
        fingerprint="none",
        split="as given",
        rows=(train.num_rows, valid.num_rows, valid.num_rows),
        scenarios=SCENARIOS,
        tasks=TASKS,
        num_categorical=1,
        num_numeric=2,
        cells=(),
    )
    schema = Schema(SCENARIOS, TASKS, ("item",), (VOCABULARY,), ("a", "b"))
    return Dataset(Path("memory"), schema, (counts,), train, valid, valid, record)


def separable(train_rows: int = 320, valid_rows: int = 200) -> Dataset:
    """Return a linearly separable problem."""
    return dataset(columns(train_rows, 1), columns(valid_rows, 2))
