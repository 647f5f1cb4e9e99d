"""Describe: facts about the data to know before trusting a model trained on them.

Shape legend: R rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.data.columns import SPLITS, Dataset
from hinet_search.data.encoded_folder import open_encoding
from hinet_search.data.guess.training_settings import TrainingSettings, training_settings
from hinet_search.data.inspect.leaks import leak_suspects
from hinet_search.data.inspect.unseen import unseen_shares
from hinet_search.data.mapped import blocks_of
from hinet_search.data.rows import Rows, read_rows
from hinet_search.data.sample import of_sample, with_sample
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
    ranked: tuple[str, ...] = ()  # the groups of a ranking, in words


def describe(definition: DataDefinition, dataset: Dataset, folder: Path) -> Description:
    """Describe the rows of a definition and their encoding; `folder` is the folder of the study.

    Reads the source again.
    """
    record = dataset.record
    rows = read_rows(definition, folder, cache=dataset.folder.parent)
    rows = of_sample(with_sample(rows, definition, record.sampled_share))
    rows = rows.with_distinct_ids(definition.features.distinct_by_scenario)
    time = None
    if definition.time is not None and rows.frame[definition.time].count():
        times = rows.frame[definition.time]
        time = (str(times.min()), str(times.max()))
    return Description(
        source=record.source,
        split=record.split,
        rows=record.rows,
        cells=record.cells,
        categorical=tuple(_categorical(dataset, rows)),
        numeric=tuple(_numeric(rows.frame[name]) for name in definition.features.numeric),
        groups=record.groups,
        leaks=leak_suspects(dataset),
        time=time,
        warnings=record.warnings,
        settings=training_settings(
            dataset.train.num_rows,
            has_statistics=definition.features.statistics is not None,
            has_numbers=bool(definition.features.numeric),
            num_ids=sum(dataset.schema().vocabulary_sizes),
        ),
        searched_on=record.searched_on,
        ranked=tuple(count.in_words for count in record.ranked),
    )


def _categorical(dataset: Dataset, rows: Rows) -> Iterator[CategoricalFacts]:
    encoding = open_encoding(dataset.folder)
    unseen_valid = unseen_shares(rows, encoding, SPLITS.index("valid"))
    unseen_test = unseen_shares(rows, encoding, SPLITS.index("test"))
    for field, name in enumerate(dataset.full_schema.categorical):
        known = rows.frame.select(name).lazy().drop_nulls()
        num_values = len(known.unique().collect(engine="streaming"))
        missing = rows.frame[name].null_count()
        yield CategoricalFacts(name, num_values, missing, unseen_valid[field], unseen_test[field])


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
