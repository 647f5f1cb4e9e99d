"""Rows: read and check the table of a definition; find scenario, labels and split of every row.

Shape legend: R rows of the study, T tasks, M scenarios.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.checks import is_list_of, named_columns, scenario_problems, value_problems
from hinet_search.data.columns import SPLITS
from hinet_search.data.labels import missing_labels, read_labels, units_of_amounts
from hinet_search.data.lists import DistinctLists, ListedRows, with_numbered_lists
from hinet_search.data.mapped import (
    blocks_of,
    collect_to_mapped_file,
    column_of,
    is_one_block,
    mapped_array,
    mapped_frame,
)
from hinet_search.data.numbers import parsed, text_columns, unusable, wrong_texts
from hinet_search.data.raw_values import as_text, known_values, text_of
from hinet_search.data.reading import NUM_ROWS, ROW_NUMBER, raise_problems
from hinet_search.data.source_rows import check_columns, reading_of, source_rows
from hinet_search.data.splits import LEFT_OUT, SPLIT, assign, num_rows_of_splits, split_problems
from hinet_search.results.cells import Labels, has_task, of_kind
from hinet_search.results.data_record import SampleRecord
from hinet_search.results.families import BERNOULLI, POISSON, Family
from hinet_search.study.data_definition import DataDefinition, truth_column
from hinet_search.study.task_definition import TaskDefinition, task_problems

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Sample:
    """Which rows a study searches on (R,), and its record of them."""

    is_drawn_R: NDArray[np.bool_]
    record: SampleRecord


@dataclass(frozen=True)
class RankGroups:
    """The groups that a ranking orders (data/derived/rank_groups.py).

    A group is named by the place of its first row in the table, which each row has (R,), -1 in
    none. With `as_of_first`, inputs that are made of other rows are as of that row.
    """

    first_R: NDArray[np.int32]
    as_of_first: bool


@dataclass(frozen=True)
class Rows:
    """The rows of a study in the order of the source.

    `frame` has the columns that the definition names, with the source's values. A column of lists
    holds numbers of lists in `lists`, where every distinct list is stored once. A label is 0 where
    the row's scenario does not have the task, whatever its column holds: read it only where
    `has_task_MT` says so. Arrays of more rows than a block are mapped from files in the folder
    `cache`; without one they are in memory.
    """

    frame: pl.DataFrame
    row_R: NDArray[np.uint64]  # row number in the source, from 0
    scenarios: tuple[str, ...]
    scenario_R: NDArray[np.int16]
    labels_RT: Labels
    has_task_MT: NDArray[np.bool_]
    split_R: NDArray[np.uint8]
    truth_RT: NDArray[np.float64] | None  # true probabilities, where the source knows them
    notes: tuple[str, ...]  # how many rows were left out, and why; how many have no label
    lists: Mapping[str, DistinctLists] = field(default_factory=dict)  # by column
    cache: Path | None = None
    # What a label of 1 stands for, by the number of every task of amounts.
    units: Mapping[int, float] = field(default_factory=dict)
    sample: Sample | None = None  # None if the study searches on all rows
    groups: RankGroups | None = None  # of the data's `rank`, if it has one

    @property
    def num_rows(self) -> int:
        """The number of rows, R."""
        return len(self.frame)

    @property
    def num_rows_of_splits(self) -> tuple[int, int, int]:
        """The number of rows of every split."""
        return num_rows_of_splits(self.split_R)

    def blocks(self) -> Iterator[slice]:
        """Yield the rows in blocks, see `blocks_of`."""
        return blocks_of(self.num_rows)

    def labels_of(self, task: int) -> Labels:
        """The labels of a task (R,): 0 and 1 as uint8, amounts as float32."""
        return of_kind(self.labels_RT[:, task], is_amount=task in self.units)

    def family_of(self, task: int) -> Family:
        """What the labels of a task are."""
        return POISSON if task in self.units else BERNOULLI

    def mapped(self, blocks: Iterable[NDArray[Value]]) -> NDArray[Value]:
        """Join blocks in the cache, see `mapped_array`."""
        return mapped_array(blocks, self.cache)

    def columns_and_split(self, *names: str) -> pl.LazyFrame:
        """Columns, each once, and the SPLIT of every row."""
        chosen = self.frame.select(list(dict.fromkeys(names)))
        return chosen.with_columns(column_of(SPLIT, self.split_R)).lazy()

    def collected(self, query: pl.LazyFrame) -> pl.DataFrame:
        """The rows of a query on these rows, in the cache if there are many."""
        if self.cache is None or is_one_block(self.num_rows):
            return query.collect()
        return collect_to_mapped_file(query, self.cache)

    @property
    def listed(self) -> ListedRows:
        """Frame and lists, without what belongs to a study."""
        return ListedRows(self.frame, self.lists)

    def with_distinct_ids(self, columns: Collection[str]) -> "Rows":
        """The rows with ids that are distinct by scenario, see `distinct_by_scenario`."""
        if not columns:
            return self
        chosen = self.frame.select(columns)
        replaced = (
            distinct_by_scenario(chosen[block], columns, self.scenario_R[block])
            for block in self.blocks()
        )
        return self.with_columns(mapped_frame(replaced, self.cache))

    def with_columns(self, columns: pl.DataFrame) -> "Rows":
        """The rows with further columns; a column of the same name is replaced."""
        return replace(self, frame=self.frame.with_columns(columns.get_columns()))


@dataclass(frozen=True)
class _Scenarios:
    """The values of the scenario column that count, with the scenario of each, and their rows."""

    raw: pl.Series
    index: list[int]
    names: tuple[str, ...]
    num_rows: int

    def values_of(self, task: TaskDefinition) -> pl.Series:
        """The values of the scenarios that have a task."""
        return self.raw.filter(pl.Series([task.is_in(self.names[i]) for i in self.index]))

    def codes(self, values: pl.Series) -> NDArray[np.int16]:
        return values.replace_strict(self.raw, self.index, return_dtype=pl.Int16).to_numpy()


def unlabelled(
    tasks: Mapping[str, TaskDefinition], scenario: pl.Expr, scenarios: _Scenarios
) -> pl.Expr:
    """Whether a row lacks the label of a task that its scenario has."""
    return pl.any_horizontal(
        pl.col(task.column).is_null() & scenario.is_in(scenarios.values_of(task).implode())
        for task in tasks.values()
    )


def distinct_by_scenario(
    frame: pl.DataFrame, columns: Iterable[str], scenario_R: NDArray[np.int16]
) -> pl.DataFrame:
    """Replace ids in these columns by texts of scenario number and id; null stays null."""
    scenarios = pl.Series(scenario_R).cast(pl.String)
    for name in columns:
        ids = scenarios + "/" + as_text(known_values(frame[name]))
        frame = frame.with_columns(ids.alias(name))
    return frame


def read_rows(definition: DataDefinition, folder: Path, cache: Path) -> Rows:
    """Read, filter and check the rows, streamed into a file in the folder `cache`.

    DataError holds every problem of the first stage that has one. Stages: columns; scenario
    values; texts that must be numbers; values of features, labels, time and user; splits without a
    row.
    """
    frame, scenarios, notes = _read_frame(definition, folder, cache)
    raise_problems(task_problems(definition.tasks, scenarios.names))
    listed = with_numbered_lists(frame, definition.features.lists.values(), frame.schema, cache)
    frame = listed.frame
    blocks = list(blocks_of(len(frame)))
    number_R = frame[ROW_NUMBER]
    row_R = mapped_array((number_R[block].to_numpy().astype(np.uint64) for block in blocks), cache)
    values_R = frame[definition.scenario.column]
    scenario_R = mapped_array((scenarios.codes(values_R[block]) for block in blocks), cache)
    absent_cells = definition.absent_cells(scenarios.names)
    has_task_MT = has_task(scenarios.names, tuple(definition.tasks), absent_cells)
    raise_problems(value_problems(definition, frame, row_R, scenario_R, has_task_MT))
    split_R = assign(definition, frame, row_R, cache)
    raise_problems(split_problems(definition, frame, split_R))
    num_left_out = len(frame) - sum(num_rows_of_splits(split_R))
    if num_left_out:
        notes += _count_note(num_left_out, "rows are in no split and are left out")
        rows = frame.with_columns(column_of(SPLIT, split_R)).lazy()
        frame = collect_to_mapped_file(rows.filter(pl.col(SPLIT) != LEFT_OUT), cache)
        is_kept_R = split_R != LEFT_OUT
        row_R = chosen_values(row_R, is_kept_R, cache)
        scenario_R = chosen_values(scenario_R, is_kept_R, cache)
        split_R = chosen_values(split_R, is_kept_R, cache)
    notes += missing_labels(definition, frame, scenario_R, has_task_MT)
    units = units_of_amounts(
        definition, frame, split_R == SPLITS.index("train"), scenario_R, has_task_MT
    )
    labels = (
        read_labels(definition, frame[block], has_task_MT[scenario_R[block]], units)
        for block in blocks_of(len(frame))
    )
    truths = [truth_column(task) for task in definition.tasks]
    has_truth = set(truths) <= set(frame.columns)
    return Rows(
        frame=frame.drop(ROW_NUMBER, SPLIT, strict=False),
        row_R=row_R,
        scenarios=scenarios.names,
        scenario_R=scenario_R,
        labels_RT=mapped_array(labels, cache),
        has_task_MT=has_task_MT,
        split_R=split_R,
        truth_RT=frame.select(truths).to_numpy() if has_truth else None,
        notes=tuple(notes),
        lists=listed.lists,
        cache=cache,
        units=units,
    )


def chosen_values(
    value_R: NDArray[Value], is_chosen_R: NDArray[np.bool_], cache: Path | None
) -> NDArray[Value]:
    """The values of the chosen rows, in the cache if there are many."""
    blocks = blocks_of(is_chosen_R.size)
    return mapped_array((value_R[block][is_chosen_R[block]] for block in blocks), cache)


def _read_frame(
    definition: DataDefinition, folder: Path, cache: Path
) -> tuple[pl.DataFrame, "_Scenarios", list[str]]:
    """Read the rows of the study's scenarios into a mapped file; check columns and scenarios."""
    # Numbered before the schema is asked: Polars then numbers and filters rows while it scans.
    lazy = source_rows(definition, folder, cache).with_row_index(ROW_NUMBER)
    dtypes = check_columns(definition, lazy)
    lazy = _select_columns(definition, lazy, dtypes)
    scenarios, notes = _scenarios(definition, lazy)
    lazy = lazy.filter(pl.col(definition.scenario.column).is_in(scenarios.raw.implode()))
    num_rows = scenarios.num_rows
    if definition.unlabelled == "drop":
        is_unlabelled = unlabelled(definition.tasks, pl.col(definition.scenario.column), scenarios)
        with reading_of(definition):
            num_unlabelled = int(lazy.select(is_unlabelled.sum()).collect().item())
        lazy = lazy.filter(~is_unlabelled)
        num_rows -= num_unlabelled
        notes += _count_note(num_unlabelled, "rows without a label are left out")
    lazy = _with_numbers_of_texts(definition, lazy, dtypes)
    if definition.not_finite == "drop":
        for name in definition.features.numeric:
            is_dropped = partial(unusable, clip=definition.features.clip.get(name))
            lazy = lazy.filter(
                ~pl.col(name).map_batches(is_dropped, return_dtype=pl.Boolean, is_elementwise=True)
            )
    with reading_of(definition):
        frame = collect_to_mapped_file(lazy, cache)
    notes += _count_note(num_rows - len(frame), "rows with NaN or infinity are dropped")
    return frame, scenarios, notes


def _select_columns(
    definition: DataDefinition, lazy: pl.LazyFrame, dtypes: dict[str, pl.DataType]
) -> pl.LazyFrame:
    """Row numbers, the named columns and the truths; categories become text, to sort by value."""
    truths = [truth_column(task) for task in definition.tasks]
    named = [column for _, column in named_columns(definition)]
    named += [truth for truth in truths if truth in dtypes]
    names = list(dict.fromkeys(named))
    list_columns = {list_.column for list_ in definition.features.lists.values()}
    categories = [name for name in names if isinstance(dtypes[name], pl.Categorical | pl.Enum)]
    category_lists = [
        name for name in list_columns if is_list_of(dtypes[name], pl.Categorical, pl.Enum)
    ]
    return lazy.select(ROW_NUMBER, *names).with_columns(
        pl.col(categories).cast(pl.String), pl.col(category_lists).cast(pl.List(pl.String))
    )


def _with_numbers_of_texts(
    definition: DataDefinition, lazy: pl.LazyFrame, dtypes: dict[str, pl.DataType]
) -> pl.LazyFrame:
    """Numeric features that are text as numbers; DataError for a text that is none."""
    columns = text_columns(definition.features.numeric, dtypes)
    if not columns:
        return lazy
    with reading_of(definition):
        wrong = wrong_texts(lazy, columns)
    remedy = "write nothing where a value is missing, or list it under categorical"
    raise_problems(
        [
            f"data.features.numeric: column '{texts.column}' must hold numbers, {texts.in_words}; "
            f"{remedy}"
            for texts in wrong
        ]
    )
    return lazy.with_columns(parsed(name) for name in columns)


def _count_note(count: int, what: str) -> list[str]:
    return [f"{count:,} {what}"] if count else []


def _scenarios(definition: DataDefinition, lazy: pl.LazyFrame) -> tuple[_Scenarios, list[str]]:
    column = definition.scenario.column
    with reading_of(definition):
        by_value = lazy.group_by(column).agg(pl.len().alias(NUM_ROWS))
        counts = by_value.collect(engine="streaming").sort(column)
    present = counts.filter(counts[column].is_not_null())
    texts = as_text(present[column]).to_list()
    raise_problems(scenario_problems(definition, texts))
    values = definition.scenario.values or {text: text for text in texts}
    name_of = {text_of(value): name for value, name in values.items()}
    names = tuple(dict.fromkeys(values.values()))
    is_chosen = pl.Series([text in name_of for text in texts], dtype=pl.Boolean)
    index = [names.index(name_of[text]) for text in texts if text in name_of]
    num_rows = int(present[NUM_ROWS].filter(is_chosen).sum())
    num_left_out = int(counts[NUM_ROWS].sum()) - num_rows
    notes = _count_note(num_left_out, "rows of other scenarios are left out")
    return _Scenarios(present[column].filter(is_chosen), index, names, num_rows), notes
