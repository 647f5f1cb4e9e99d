"""Describe: facts about the data to know before trusting a model trained on them.

Shape legend: R rows, M scenarios, T tasks, D distinct lists, E entries of all distinct lists.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.encode import TrainingRows
from hinet_search.data.guess.training_settings import TrainingSettings, training_settings
from hinet_search.data.inspect.leaks import leak_suspects
from hinet_search.data.inspect.unseen import count_unseen
from hinet_search.data.lists import NONE, codes_of, distinct_values
from hinet_search.data.mapped import column_of
from hinet_search.data.rows import Rows, read_rows
from hinet_search.data.sample import of_sample, with_sample
from hinet_search.data.splits import SPLIT
from hinet_search.results.data_record import CellCount, LeakSuspect
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import ListDefinition

TRAIN = SPLITS.index("train")
MAX_BROKEN_SHARE = 0.05  # of the later task's positives; above it the tasks are no funnel


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
class ListFacts:
    """A list: mean entries a row, share of empty lists, share of entries unseen in train."""

    name: str
    mean_length: float
    empty: float
    unseen: float


@dataclass(frozen=True)
class Overlap:
    """`share[row][column]`: share of the row scenario's users or items that the column also has."""

    what: str
    count: int
    share: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class FunnelBreak:
    """Rows with the later task alone, in a scenario where nearly all rows have both."""

    scenario: str
    earlier: str
    later: str
    rows: int
    first_rows: tuple[int, ...]  # row numbers in the source, from 0


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
    lists: tuple[ListFacts, ...]
    groups: Mapping[str, int]  # inputs of every group that a search can leave out
    overlaps: tuple[Overlap, ...]
    funnel_breaks: tuple[FunnelBreak, ...]
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
    is_train_R = rows.mapped(rows.split_R[block] == TRAIN for block in rows.blocks())
    TrainingRows(rows.frame, pl.Series(is_train_R), rows.cache)
    ids = {}
    if definition.user is not None:
        ids["users"] = definition.user
    if definition.item is not None:
        ids["items"] = definition.item
    return Description(
        source=record.source,
        split=record.split,
        rows=record.rows,
        cells=record.cells,
        categorical=tuple(_categorical(dataset, rows)),
        numeric=tuple(_numeric(rows.frame[name]) for name in definition.features.numeric),
        lists=tuple(
            _list_facts(name, list_, rows) for name, list_ in definition.features.lists.items()
        ),
        groups=record.groups,
        overlaps=tuple(_overlap(what, rows.frame[column], rows) for what, column in ids.items()),
        funnel_breaks=_funnel_breaks(rows, record.tasks),
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


def _list_facts(name: str, list_: ListDefinition, rows: Rows) -> ListFacts:
    lists = rows.lists[list_.column]
    train_D, all_D = _rows_of_lists(list_, rows)
    if list_.item is not None:
        train = rows.columns_and_split(list_.item).filter(pl.col(SPLIT) == TRAIN)
        seen = distinct_values(_distinct(train.select(list_.item))[list_.item])
    else:
        is_of_train_E = pl.Series((train_D > 0)[lists.list_of_entry])
        seen = distinct_values(lists.entries_E.filter(is_of_train_E))
    is_unseen_E = codes_of(lists.entries_E, seen) == NONE
    unseen_D = np.bincount(lists.list_of_entry[is_unseen_E], minlength=lists.num_lists)
    num_entries = int(all_D @ lists.length_D)
    return ListFacts(
        name=name,
        mean_length=num_entries / rows.num_rows,
        empty=int(all_D[lists.length_D == 0].sum()) / rows.num_rows,
        unseen=int(all_D @ unseen_D) / max(num_entries, 1),
    )


def _rows_of_lists(
    list_: ListDefinition, rows: Rows
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many training rows, and how many rows, have each list (D,)."""
    num_lists = rows.lists[list_.column].num_lists
    train_D = np.zeros(num_lists, dtype=np.int64)
    all_D = np.zeros(num_lists, dtype=np.int64)
    for block in rows.blocks():
        list_R = rows.listed.block(block).list_numbers(list_.column)
        is_train_R = rows.split_R[block] == TRAIN
        train_D += np.bincount(list_R[is_train_R], minlength=num_lists)
        all_D += np.bincount(list_R, minlength=num_lists)
    return train_D, all_D


def _overlap(what: str, ids: pl.Series, rows: Rows) -> Overlap:
    of_rows = ids.alias("id").to_frame().with_columns(column_of("scenario", rows.scenario_R))
    pairs = _distinct(of_rows.lazy())
    both = pairs.join(pairs, on="id").group_by("scenario", "scenario_right").len()
    count_MM = np.zeros((len(rows.scenarios), len(rows.scenarios)))
    count_MM[both["scenario"].to_numpy(), both["scenario_right"].to_numpy()] = both["len"]
    share_MM = count_MM / np.maximum(count_MM.diagonal()[:, None], 1)
    shares = tuple(map(tuple, share_MM.tolist()))
    return Overlap(what, pairs["id"].n_unique(), shares)


def _funnel_breaks(rows: Rows, tasks: Sequence[str]) -> tuple[FunnelBreak, ...]:
    """Breaks between consecutive tasks that are nested in nearly all rows of a scenario.

    A task that a scenario lacks is no task of its funnel.
    """
    breaks = []
    for scenario, scenario_name in enumerate(rows.scenarios):
        for earlier, later in pairwise(np.flatnonzero(rows.has_task_MT[scenario]).tolist()):
            num_positive = 0
            num_broken = 0
            first = list[int]()
            for block in rows.blocks():
                earlier_R, later_R = rows.labels_RT[block].T[[earlier, later]]
                positive_R = (later_R > 0) & (rows.scenario_R[block] == scenario)
                broken = rows.row_R[block][positive_R & (earlier_R == 0)]
                num_positive += int(positive_R.sum())
                num_broken += broken.size
                first += broken[: 2 - len(first)].tolist()
            if 0 < num_broken < MAX_BROKEN_SHARE * num_positive:
                breaks.append(
                    FunnelBreak(
                        scenario_name, tasks[earlier], tasks[later], num_broken, tuple(first)
                    )
                )
    return tuple(sorted(breaks, key=lambda broken: tasks.index(broken.earlier)))


def _time_range(definition: DataDefinition, frame: pl.DataFrame) -> tuple[str, str] | None:
    if definition.time is None or frame[definition.time].drop_nulls().is_empty():
        return None
    return str(frame[definition.time].min()), str(frame[definition.time].max())
