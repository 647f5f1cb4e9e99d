"""Describe: facts about the data to know before trusting a model trained on them.

Shape legend: R rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.data.blocks import blocks_of
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.guess.training_settings import TrainingSettings, training_settings
from hinet_search.data.inspect.leaks import leak_suspects
from hinet_search.data.inspect.unseen import count_unseen
from hinet_search.data.mapped import column_of
from hinet_search.data.rows import Rows, read_rows
from hinet_search.data.sample import of_sample, with_sample
from hinet_search.data.splits import SPLIT
from hinet_search.results.data_record import CellCount, LeakSuspect
from hinet_search.study.data_definition import DataDefinition


@dataclass(frozen=True)
class CategoricalFacts:
    """A categorical feature: distinct values, missing values, shares of rows without an id."""

    name: str
    num_values: int
    missing: int
    unseen_valid: float
    unseen_test: float


@dataclass(frozen=True)
class NumericFacts:
    """A numeric feature: rows without a finite value, and the range of the others."""

    name: str
    missing: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Description:
    """The data in numbers; `time` is the range of the time column as text.

    `settings` are what training on these rows should start from; `searched_on` are the rows of the
    sample in words, empty without one.
    """

    source: str
    split: str
    rows: tuple[int, int, int]
    cells: tuple[CellCount, ...]
    categorical: tuple[CategoricalFacts, ...]
    numeric: tuple[NumericFacts, ...]
    groups: Mapping[str, int]  # inputs of every group that a search can leave out
    leaks: tuple[LeakSuspect, ...]
    time: tuple[str, str] | None
    warnings: tuple[str, ...]
    settings: TrainingSettings
    searched_on: str


def describe(definition: DataDefinition, dataset: Dataset, folder: Path) -> Description:
    """Describe the rows of a definition and their encoding; `folder` is the folder of the study.

    Reads the source again.
    """
    record = dataset.record
    rows = read_rows(definition, folder, cache=dataset.folder.parent)
    rows = of_sample(with_sample(rows, definition, record.sampled_share))
    rows = rows.with_distinct_ids(definition.features.distinct_by_scenario)
    return Description(
        source=record.source,
        split=record.split,
        rows=record.rows,
        cells=record.cells,
        categorical=tuple(_categorical(dataset, rows)),
        numeric=tuple(_numeric(rows.frame[name]) for name in definition.features.numeric),
        groups=record.groups,
        leaks=leak_suspects(dataset),
        time=_time_range(definition, rows.frame),
        warnings=record.warnings,
        settings=training_settings(
            dataset.train.num_rows,
            has_statistics=definition.features.statistics is not None,
            has_numbers=bool(definition.features.numeric),
            num_ids=sum(dataset.schema().vocabulary_sizes),
        ),
        searched_on=record.searched_on,
    )


def _categorical(dataset: Dataset, rows: Rows) -> Iterator[CategoricalFacts]:
    names = dataset.full_schema.categorical
    unseen_valid = _unseen(rows, dataset.valid, SPLITS.index("valid"), names)
    unseen_test = _unseen(rows, dataset.test, SPLITS.index("test"), names)
    for field, name in enumerate(names):
        num_values = len(_distinct(rows.frame.select(name).lazy()))
        missing = rows.frame[name].null_count()
        yield CategoricalFacts(name, num_values, missing, unseen_valid[field], unseen_test[field])


def _distinct(rows: pl.LazyFrame) -> pl.DataFrame:
    """The distinct rows without a missing value, in any order."""
    return rows.drop_nulls().unique().collect(engine="streaming")


def _unseen(rows: Rows, columns: Columns, split: int, names: Sequence[str]) -> tuple[float, ...]:
    """Per field the share of a split's rows with a value without an id; `columns` are the split."""
    num_unseen = np.zeros(len(names))
    start = 0
    for block in rows.blocks():
        of_split = rows.frame[block].filter(column_of(SPLIT, rows.split_R[block]) == split)
        end = start + len(of_split)
        for field, name in enumerate(names):
            num_unseen[field] += count_unseen(of_split[name], columns.ids_RF[start:end, field])
        start = end
    return tuple((num_unseen / max(start, 1)).tolist())


def _numeric(values: pl.Series) -> NumericFacts:
    num_present = 0
    low = np.inf
    high = -np.inf
    for block in blocks_of(len(values)):
        present_R = values[block].cast(pl.Float64).drop_nulls().to_numpy()
        present_R = present_R[np.isfinite(present_R)]
        num_present += present_R.size
        low = present_R.min(initial=low)
        high = present_R.max(initial=high)
    if num_present == 0:
        return NumericFacts(values.name, len(values), None, None)
    return NumericFacts(values.name, len(values) - num_present, float(low), float(high))


def _time_range(definition: DataDefinition, frame: pl.DataFrame) -> tuple[str, str] | None:
    if definition.time is None or frame[definition.time].drop_nulls().is_empty():
        return None
    return str(frame[definition.time].min()), str(frame[definition.time].max())
