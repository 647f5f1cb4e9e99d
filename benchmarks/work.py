"""Work of the benchmarks: synthetic rows of a fixed shape, as a Dataset and as a Parquet file.

Six scenarios of unequal size (or more, by Zipf's law), two tasks, 20 categorical fields whose
vocabularies grow from 10 to 100,000 (260,298 ids in all, drawn by Zipf's law so that 2,048 rows
touch 4 % of them), five numerics. Labels carry no signal: speed does not depend on what can be
learnt.
Shape legend: R rows, F categorical fields, N numeric inputs, T tasks.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.columns import Columns, Dataset
from hinet_search.data.schema import Schema
from hinet_search.results.cells import Labels
from hinet_search.results.data_record import DataRecord
from hinet_search.study.data_definition import (
    DataDefinition,
    ScenarioDefinition,
    SourceDefinition,
    TimeSplit,
)
from hinet_search.study.feature_definition import FeatureDefinition
from hinet_search.study.task_definition import TaskDefinition

SCENARIO_SHARES = (0.449, 0.251, 0.150, 0.080, 0.050, 0.020)
TASK_RATES = (0.25, 0.08)
NUM_USERS = 50_000
VALID_FROM, TEST_FROM = 0.8, 0.9  # shares of the rows, in order of time


def scenario_shares(num_scenarios: int) -> NDArray[np.float64]:
    """The share of the rows that every scenario has, largest first."""
    if num_scenarios == len(SCENARIO_SHARES):
        return np.array(SCENARIO_SHARES)
    shares: NDArray[np.float64] = 1 / np.arange(1, num_scenarios + 1)
    total: float = shares.sum()
    return shares / total


def scenario_names(num_scenarios: int) -> tuple[str, ...]:
    """Theirs, in order."""
    return tuple(f"scenario_{number}" for number in range(num_scenarios))


SCHEMA = Schema(
    scenarios=scenario_names(len(SCENARIO_SHARES)),
    tasks=("click", "order"),
    categorical=tuple(f"field_{number}" for number in range(20)),
    vocabulary_sizes=tuple(int(size) for size in np.geomspace(10, 100_000, 20).round()),
    numeric=tuple(f"numeric_{number}" for number in range(5)),
)


def draw_rows(num_rows: int, seed: int, num_scenarios: int = len(SCENARIO_SHARES)) -> Columns:
    """Rows in order of time. Ids run from 1 in order of probability, so none is unknown."""
    generator = np.random.default_rng(seed)
    return Columns(
        ids_RF=np.stack(
            [_zipf(size - 1, num_rows, generator) for size in SCHEMA.vocabulary_sizes], axis=1
        ),
        numeric_RN=generator.standard_normal((num_rows, len(SCHEMA.numeric)), dtype=np.float32),
        scenario_R=generator.choice(
            num_scenarios, num_rows, p=scenario_shares(num_scenarios)
        ).astype(np.int16),
        labels_RT=(generator.random((num_rows, len(TASK_RATES))) < TASK_RATES).astype(np.uint8),
        user_R=generator.integers(NUM_USERS, size=num_rows, dtype=np.int32),
        lists_RS=np.zeros((num_rows, 0), dtype=np.int32),
    )


def make_dataset(
    num_rows: int = 1_000_000, seed: int = 0, num_scenarios: int = len(SCENARIO_SHARES)
) -> Dataset:
    """The work as encoded data: the first 80 % of the rows train, then 10 % valid and 10 % test.

    Every field keeps its whole vocabulary in `full_schema`, so that fewer rows do not make smaller
    models.
    """
    rows = draw_rows(num_rows, seed, num_scenarios)
    schema = replace(SCHEMA, scenarios=scenario_names(num_scenarios))
    first, second = round(VALID_FROM * num_rows), round(TEST_FROM * num_rows)
    rank_of_id, frequencies = _by_training_frequency(rows.ids_RF[:first])
    ranked = [ranks[ids_R] for ranks, ids_R in zip(rank_of_id, rows.ids_RF.T, strict=True)]
    rows = replace(rows, ids_RF=np.stack(ranked, axis=1))
    train, valid, test = _cut(rows, (0, first, second, num_rows))
    record = DataRecord(
        source=f"benchmark {num_rows:,} rows",
        fingerprint=f"benchmark-{num_rows}-{seed}",
        split=f"time: first {VALID_FROM:.0%} train",
        rows=(train.num_rows, valid.num_rows, test.num_rows),
        scenarios=schema.scenarios,
        tasks=SCHEMA.tasks,
        num_categorical=len(SCHEMA.categorical),
        num_numeric=len(SCHEMA.numeric),
        cells=(),
    )
    return Dataset(Path(), schema, frequencies, train, valid, test, record)


def write_table(file: Path, num_rows: int = 1_000_000, seed: int = 0) -> DataDefinition:
    """Write a Parquet file of 30 columns, every other field as text; return its definition."""
    rows = draw_rows(num_rows, seed)
    fields = [
        pl.Series(name, ids_R)
        for name, ids_R in zip(SCHEMA.categorical, rows.ids_RF.T, strict=True)
    ]
    texts = [
        pl.concat_str(pl.lit("value "), pl.col(name)).alias(name)
        for name in SCHEMA.categorical[1::2]
    ]
    frame = pl.DataFrame(
        [
            pl.Series("scenario", rows.scenario_R),
            pl.Series("user", rows.user_R),
            pl.Series("time", np.arange(num_rows)),
            *fields,
            *_named(SCHEMA.numeric, rows.numeric_RN),
            *_named(SCHEMA.tasks, rows.labels_RT),
        ]
    ).with_columns(texts)
    frame.write_parquet(file)
    return DataDefinition(
        source=SourceDefinition.model_validate({"kind": "table", "path": str(file.resolve())}),
        scenario=ScenarioDefinition(column="scenario"),
        tasks={task: TaskDefinition(column=task) for task in SCHEMA.tasks},
        features=FeatureDefinition(categorical=SCHEMA.categorical, numeric=SCHEMA.numeric),
        split=TimeSplit(
            by="time",
            valid_from=round(VALID_FROM * num_rows),
            test_from=round(TEST_FROM * num_rows),
        ),
        user="user",
        time="time",
    )


def _zipf(num_ids: int, num_rows: int, generator: np.random.Generator) -> NDArray[np.int32]:
    """Ids from 1 to `num_ids`, id i with a probability in proportion to 1 / i."""
    cumulative = np.cumsum(1 / np.arange(1, num_ids + 1))
    draws_R = generator.random(num_rows) * cumulative[-1]
    ids_R: NDArray[np.int32] = (np.searchsorted(cumulative, draws_R, side="right") + 1).astype(
        np.int32
    )
    return ids_R


def _by_training_frequency(
    train_ids_RF: NDArray[np.int32],
) -> tuple[tuple[NDArray[np.int32], ...], tuple[NDArray[np.int64], ...]]:
    """Per field: the rank of every id (0 stays 0), and the training counts by rank."""
    rank_of_id, frequencies = [], []
    for size, ids_R in zip(SCHEMA.vocabulary_sizes, train_ids_RF.T, strict=True):
        counts = np.bincount(ids_R, minlength=size)[1:]
        ids_by_rank = np.argsort(-counts, kind="stable")
        ranks = np.zeros(size, dtype=np.int32)
        ranks[ids_by_rank + 1] = np.arange(1, size, dtype=np.int32)
        rank_of_id.append(ranks)
        frequencies.append(counts[ids_by_rank])
    return tuple(rank_of_id), tuple(frequencies)


def _cut(rows: Columns, ends: tuple[int, int, int, int]) -> Iterator[Columns]:
    for start, end in pairwise(ends):
        yield Columns(
            ids_RF=rows.ids_RF[start:end],
            numeric_RN=rows.numeric_RN[start:end],
            scenario_R=rows.scenario_R[start:end],
            labels_RT=rows.labels_RT[start:end],
            user_R=rows.user_R[start:end],
            lists_RS=rows.lists_RS[start:end],
        )


def _named(names: tuple[str, ...], values_RX: Labels) -> list[pl.Series]:
    return [pl.Series(name, values_R) for name, values_R in zip(names, values_RX.T, strict=True)]
