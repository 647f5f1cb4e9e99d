"""Rows: the table of a definition, read and checked, with the scenario, labels and split of every row.

Shape legend: R rows that count, T tasks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from hinet_search import plugins
from hinet_search.data.checks import (
    column_problems,
    is_list_of,
    named_columns,
    not_finite,
    scenario_problems,
    value_problems,
)
from hinet_search.data.contents import Contents
from hinet_search.data.encode import known_values
from hinet_search.data.lists import DistinctLists, ListedRows, with_numbered_lists
from hinet_search.data.mapped import mapped
from hinet_search.data.matching import as_text, text_of
from hinet_search.data.splits import LEFT_OUT, assign, split_problems
from hinet_search.definition import DataDefinition, TaskDefinition, truth_column
from hinet_search.errors import DataError
from hinet_search.yaml_file import validated

SOURCES = "hinet_search.data.sources"
ROW_NUMBER = "row number in the source"
MAX_PROBLEMS = 20


@dataclass(frozen=True)
class Rows:
    """Rows that count, in the order of the source. `frame` has the named columns as the source gives them.

    A column of lists holds the number of the row's list in `lists`, which has every list once.
    """

    frame: pl.DataFrame
    row_R: NDArray[np.uint64]  # row number in the source, from 0
    scenarios: tuple[str, ...]
    scenario_R: NDArray[np.int16]
    labels_RT: NDArray[np.uint8]
    split_R: NDArray[np.uint8]
    truth_RT: NDArray[np.float64] | None  # true probabilities, where the source knows them
    notes: tuple[str, ...]  # how many rows were left out, and why; how many have no label
    lists: Mapping[str, DistinctLists] = field(default_factory=dict)  # by column

    @property
    def listed(self) -> ListedRows:
        """Frame and lists, without what makes the rows those of a study."""
        return ListedRows(self.frame, self.lists)


@dataclass(frozen=True)
class _Scenarios:
    """Raw values of the scenario column that count, and the index of the scenario of each."""

    raw: pl.Series
    index: list[int]
    names: tuple[str, ...]


def source_identity(definition: DataDefinition, folder: Path, contents: Contents) -> str:
    """What the source says of the content of its rows; ConfigurationError when its options are wrong."""
    source = plugins.load(SOURCES, definition.source.kind)
    options = validated(source.Options, definition.source.options, "data.source")
    return str(source.identity(options, folder, contents))


def source_rows(definition: DataDefinition, folder: Path) -> pl.LazyFrame:
    """All rows as the source gives them, none checked; DataError when it has none."""
    source = plugins.load(SOURCES, definition.source.kind)
    rows: pl.LazyFrame = source.load(validated(source.Options, definition.source.options, "data.source"), folder)
    return rows


def read_rows(definition: DataDefinition, folder: Path, cache: Path) -> Rows:
    """Read, filter and check; DataError holds every problem of the first stage that has one.

    The rows are streamed into a file in the folder `cache`.

    Stages: columns; scenario values; values of features, labels, time and user; splits without a row.
    """
    # Numbered before its schema is asked: Polars then numbers and filters rows as it scans.
    lazy = source_rows(definition, folder).with_row_index(ROW_NUMBER)
    dtypes = {name: dtype for name, dtype in lazy.collect_schema().items() if name != ROW_NUMBER}
    raise_problems(column_problems(definition, dtypes))
    lazy = _chosen_columns(definition, lazy, dtypes)
    scenarios, notes = _scenarios(definition, lazy)
    frame = _mapped(lazy.filter(pl.col(definition.scenario.column).is_in(scenarios.raw.implode())), cache)
    listed = with_numbered_lists(frame, (one.column for one in definition.features.lists.values()))
    frame = listed.frame
    if definition.not_finite == "drop":
        frame, notes = _without_not_finite(definition, frame, notes, cache)
    row_R = frame.drop_in_place(ROW_NUMBER).to_numpy().astype(np.uint64)
    raise_problems(value_problems(definition, frame, row_R))
    split_R = assign(definition, frame, row_R)
    raise_problems(split_problems(definition, frame, split_R))
    kept_R = split_R != LEFT_OUT
    if not kept_R.all():
        notes = [*notes, f"{(~kept_R).sum():,} rows are in no split and are left out"]
        frame, row_R, split_R = _kept(frame, pl.Series(kept_R), cache), row_R[kept_R], split_R[kept_R]
    notes = [*notes, *_missing_labels(definition, frame)]
    truths = [truth_column(task) for task in definition.tasks]
    return Rows(
        frame=frame,
        row_R=row_R,
        scenarios=scenarios.names,
        scenario_R=_scenario_codes(frame[definition.scenario.column], scenarios),
        labels_RT=np.stack([_labels(task, frame[task.column]) for task in definition.tasks.values()], axis=1),
        split_R=split_R,
        truth_RT=frame.select(truths).to_numpy() if set(truths) <= set(frame.columns) else None,
        notes=tuple(notes),
        lists=listed.lists,
    )


def raise_problems(problems: list[str]) -> None:
    """DataError with all problems, the first twenty in full."""
    if problems:
        more = len(problems) - MAX_PROBLEMS
        raise DataError(*problems[:MAX_PROBLEMS], *([f"and {more:,} more problems"] if more > 0 else []))


def _chosen_columns(definition: DataDefinition, lazy: pl.LazyFrame, dtypes: dict[str, pl.DataType]) -> pl.LazyFrame:
    """Row numbers, the named columns and the truths; categories of Polars become text, which orders by value."""
    names = list(dict.fromkeys(column for _, column in named_columns(definition)))
    names += [truth_column(task) for task in definition.tasks if truth_column(task) in dtypes]
    lists = {one.column for one in definition.features.lists.values()}
    coded = [name for name in names if isinstance(dtypes[name], pl.Categorical | pl.Enum)]
    coded_lists = [name for name in lists if is_list_of(dtypes[name], pl.Categorical, pl.Enum)]
    texts = (pl.col(coded).cast(pl.String), pl.col(coded_lists).cast(pl.List(pl.String)))
    return lazy.select(ROW_NUMBER, *names).with_columns(*texts)


def _collected(lazy: pl.LazyFrame) -> pl.DataFrame:
    try:
        return lazy.collect()
    except PolarsError as error:
        raise _unreadable(error) from error


def _mapped(lazy: pl.LazyFrame, cache: Path) -> pl.DataFrame:
    try:
        return mapped(lazy, cache)
    except PolarsError as error:
        raise _unreadable(error) from error


def _kept(frame: pl.DataFrame, kept_R: pl.Series, cache: Path) -> pl.DataFrame:
    return mapped(frame.lazy().filter(kept_R), cache)


def _unreadable(error: PolarsError) -> DataError:
    return DataError(f"data.source: rows cannot be read: {str(error).splitlines()[0]}")


def _scenarios(definition: DataDefinition, lazy: pl.LazyFrame) -> tuple[_Scenarios, list[str]]:
    column = definition.scenario.column
    counts = _collected(lazy.group_by(column).agg(pl.len().alias(ROW_NUMBER)).sort(column))
    present = counts.filter(counts[column].is_not_null())
    texts = as_text(present[column]).to_list()
    raise_problems(scenario_problems(definition, texts))
    values = definition.scenario.values or {text: text for text in texts}
    name_of = {text_of(value): name for value, name in values.items()}
    names = tuple(dict.fromkeys(values.values()))
    kept = pl.Series([text in name_of for text in texts], dtype=pl.Boolean)
    index = [names.index(name_of[text]) for text in texts if text in name_of]
    left_out = int(counts[ROW_NUMBER].sum()) - int(present[ROW_NUMBER].filter(kept).sum())
    notes = [f"{left_out:,} rows of other scenarios are left out"] if left_out else []
    return _Scenarios(present[column].filter(kept), index, names), notes


def _without_not_finite(
    definition: DataDefinition, frame: pl.DataFrame, notes: list[str], cache: Path
) -> tuple[pl.DataFrame, list[str]]:
    finite = pl.Series(np.ones(len(frame), dtype=bool))
    for name in definition.features.numeric:
        finite &= ~not_finite(frame[name])
    dropped = len(frame) - int(finite.sum())
    if not dropped:
        return frame, notes
    return _kept(frame, finite, cache), [*notes, f"{dropped:,} rows with NaN or infinity are dropped"]


def _scenario_codes(values: pl.Series, scenarios: _Scenarios) -> NDArray[np.int16]:
    return values.replace_strict(scenarios.raw, scenarios.index, return_dtype=pl.Int16).to_numpy()


def _missing_labels(definition: DataDefinition, frame: pl.DataFrame) -> Iterator[str]:
    """Of rules that take a missing value for a 0; the others refuse one."""
    for name, task in definition.tasks.items():
        missing = known_values(frame[task.column]).null_count()
        if task.equals is not None and missing:
            yield f"{missing:,} rows have no '{task.column}' and count as not '{text_of(task.equals)}' (task {name})"


def _labels(task: TaskDefinition, values: pl.Series) -> NDArray[np.uint8]:
    if task.equals is not None:
        positive = (as_text(values) == text_of(task.equals)).fill_null(value=False)
    elif task.above is not None:
        positive = values > task.above
    elif task.at_least is not None:
        positive = values >= task.at_least
    else:
        positive = values
    return positive.cast(pl.UInt8).to_numpy()
