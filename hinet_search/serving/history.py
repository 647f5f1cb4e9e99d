"""History: facts from the labels, lists and log of a study's rows, stored with an exported model.

It ends with the known data of the study. New rows that are scored do not add to it; a fit on newer
rows does (newer/growth.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.blocks import blocks_of
from hinet_search.data.derived.countable_labels import (
    EVERYONE,
    MOST_PARTS,
    key_columns,
    quantities,
)
from hinet_search.data.derived.days import period_type, span_in_words
from hinet_search.data.derived.label_counts import DAY as COUNTED_DAY
from hinet_search.data.derived.label_counts import LabelCounts, label_counts, later_values
from hinet_search.data.derived.later_counts import LaterCounts
from hinet_search.data.derived.log_index import LogIndex
from hinet_search.data.derived.log_state import LogState, seen_log
from hinet_search.data.derived.matches import (
    KnownMatches,
    counted_pairs,
    known_of,
    match_values,
    usual_pairs,
)
from hinet_search.data.derived.seen_sequences import SeenSequence
from hinet_search.data.lists import ListedRows
from hinet_search.data.rows import Rows
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.log_input import LogInput, time_in_words
from hinet_search.serving.log_tables import (
    PathOf,
    log_state_of_folder,
    log_state_of_study,
    log_table_names,
    tables_of_log,
)
from hinet_search.serving.match_tables import MAX_COUNT, matches_of_folder, tables_of_matches
from hinet_search.serving.tables import Types, as_typed, read_table, require, require_range
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.statistics_definition import StatisticsDefinition

DAYS = "days"
DAY = "day"


@dataclass(frozen=True)
class RolledInputs:
    """Inputs of rows that were rolled over, in place of those that the history has for them."""

    statistics: pl.DataFrame | None = None
    log: pl.DataFrame | None = None
    sequences: tuple[SeenSequence, ...] | None = None

    def of(self, rows: slice | NDArray[np.intp]) -> "RolledInputs":
        """Those of some of the rows."""
        sequences = self.sequences
        return RolledInputs(
            statistics=_some(self.statistics, rows),
            log=_some(self.log, rows),
            sequences=None if sequences is None else tuple(each.of(rows) for each in sequences),
        )

    def where(self, is_chosen_R: NDArray[np.bool_]) -> "RolledInputs":
        """Those of chosen rows (R,)."""
        return self.of(np.flatnonzero(is_chosen_R))


def _some(inputs: pl.DataFrame | None, rows: slice | NDArray[np.intp]) -> pl.DataFrame | None:
    """The inputs of some rows; a table without columns has no rows that could be taken."""
    return inputs if inputs is None or not inputs.width else inputs[rows]


NOT_ROLLED = RolledInputs()


@dataclass(frozen=True)
class DerivedInputs:
    """What is derived for rows: numbers (D, R) in the order of `Inputs.derived`, and sequences."""

    number_DR: NDArray[np.float64]
    sequences: tuple[SeenSequence, ...] = ()


@dataclass(frozen=True)
class Live:
    """Counts and a log with the same events since they were stored; None where nothing changes."""

    counts: LaterCounts | None = None
    log: LogIndex | None = None


STORED = Live()


@dataclass(frozen=True)
class History:
    """What derived inputs are computed from; None where the model has no such inputs."""

    counts: LabelCounts | None = None
    matches: KnownMatches | None = None
    log: LogState | None = None

    def derived(
        self,
        inputs: Inputs,
        rows: ListedRows,
        rolled: RolledInputs = NOT_ROLLED,
        live: Live = STORED,
    ) -> DerivedInputs:
        """The inputs of every row that are derived from labels, lists and the log.

        Those that are `rolled` are taken as they are. A row sees the counts and the log that are
        `live`, or else what is stored, and no other of the rows. DataError when rows are too old
        for the log.
        """
        columns = self._statistics(inputs, rows, rolled, live)
        sequences = rolled.sequences or ()
        if self.matches is not None:
            columns += [*_match_values(self.matches, inputs, rows)]
        if rolled.log is not None:
            columns += map(pl.Series.to_numpy, rolled.log)
        elif self.log is not None and inputs.log is not None:
            seen = seen_log(live.log or self.log.index, rows.frame, inputs.log.time)
            columns += [*seen.value_RC.T]
            sequences = seen.sequences
        number_DR = np.array(columns, dtype=np.float64).reshape(len(columns), len(rows.frame))
        return DerivedInputs(number_DR, sequences)

    def _statistics(
        self, inputs: Inputs, rows: ListedRows, rolled: RolledInputs, live: Live
    ) -> list[NDArray[Any]]:
        """The columns of label statistics of every row."""
        if rolled.statistics is not None:
            return [column.to_numpy() for column in rolled.statistics]
        if self.counts is None or inputs.statistics is None:
            return []
        counts = live.counts or self.counts
        return [*later_values(counts, inputs.statistics, rows.frame, inputs.tasks)]

    def last_counted(self, inputs: Inputs) -> str:
        """The last day (or hour) with a counted label, in the unit of the clock; empty if none.

        Of a log it is the time of the last row.
        """
        if self.log is not None and inputs.log is not None:
            return time_in_words(self.log.last_time, self.log.moments, inputs.log)
        definition = inputs.statistics
        if definition is None or definition.clock is None:
            return ""
        if self.counts is None or self.counts.days.is_empty():
            return ""
        return span_in_words(self.counts.days[0], self.counts.days[-1], definition)[1]

    def notes(self, inputs: Inputs, *, with_newer: bool = False) -> Iterator[str]:
        """Notes for users of the exported model, which may have learned from newer rows."""
        if self.counts is not None and inputs.statistics is not None:
            yield from self._statistics_notes(inputs.statistics, with_newer=with_newer)
        if self.log is not None and inputs.log is not None:
            yield _log_note(self.log, inputs.log)
        if self.matches is not None:
            yield (
                "What is known of lists (users' entries, attributes of items) is of training rows; "
                "a row brings its own lists."
            )

    def _statistics_notes(
        self, definition: StatisticsDefinition, *, with_newer: bool
    ) -> Iterator[str]:
        newer = " and newer rows" if with_newer else ""
        counted = f"Label statistics are of {self._labels_in_words(definition, newer)}."
        if definition.is_frozen:
            yield (
                f"{counted} New rows add to them when the model is fit again on them, not when it "
                "scores them."
            )
        else:
            yield (
                f"{counted} The metrics of this model are of statistics that are counted anew "
                f"every {definition.period}: roll them forward with `predict --state`."
            )
        if definition.clock is not None:
            late = f", but none of the last {definition.labels_after}" if definition.delay else ""
            yield (
                f"A row counts labels of {definition.period}s before its own {definition.clock}"
                f"{late}; one long enough after the last {definition.period} counts all."
            )

    def _labels_in_words(self, definition: StatisticsDefinition, newer: str) -> str:
        assert self.counts is not None, "only called with statistics"
        days = self.counts.days
        if definition.clock is None or days.is_empty():
            return f"training rows{newer}"
        first, last = span_in_words(days[0], days[-1], definition)
        time = f"{definition.clock} {first} to {last}"
        if not definition.is_frozen:
            return f"train, valid, test{newer}, {time}"
        if newer:
            return f"train, valid{newer}, {time}"
        return f"train and valid, {time}, none of test"


def _match_values(known: KnownMatches, inputs: Inputs, rows: ListedRows) -> NDArray[np.float64]:
    """The matches of rows, one block after another (D, R)."""
    definition = inputs.matches
    assert definition is not None, "what is known is of a definition"
    blocks = [
        match_values(known, definition, inputs.lists, rows.block(block))
        for block in blocks_of(len(rows.frame))
    ]
    return np.concatenate(blocks, axis=1)


def _log_note(log: LogState, inputs: LogInput) -> str:
    """What a row sees of the log, and how the log goes on."""
    last = time_in_words(log.last_time, log.moments, inputs)
    return (
        f"A row sees the rows of the log before its {inputs.time}: those of train, valid and "
        f"test, up to {last or 'none'}. New rows are added by `predict --state`; "
        "the metrics of this model are of rows that see all before them."
    )


def history_of(definition: DataDefinition, inputs: Inputs, types: Types, rows: Rows) -> History:
    """The history of a study's rows, as far as inputs of these types need it."""
    counts = None
    if inputs.statistics is not None:
        counts = label_counts(inputs.statistics, rows)
    matches = None
    if inputs.matches is not None:
        matches = known_of(definition, inputs.matches, rows)
    return History(counts, matches, log_state_of_study(definition, inputs, types, rows))


def tables_of(history: History, inputs: Inputs) -> dict[str, pl.DataFrame]:
    """The tables of a history by name."""
    tables = tables_of_statistics(history, inputs)
    if history.matches is not None and inputs.matches is not None:
        tables |= tables_of_matches(history.matches, inputs, inputs.matches)
    return tables | tables_of_log(history.log)


def tables_of_statistics(history: History, inputs: Inputs) -> dict[str, pl.DataFrame]:
    """The tables of label counts by name."""
    tables: dict[str, pl.DataFrame] = {}
    if history.counts is not None and inputs.statistics is not None:
        tables[DAYS] = pl.DataFrame({DAY: history.counts.days})
        for number, key in enumerate((EVERYONE, *inputs.statistics.keys)):
            tables[f"statistics.{number}"] = history.counts.of_keys[key]
    return tables


def table_names(inputs: Inputs) -> list[str]:
    """Names of the tables of `tables_of`."""
    names: list[str] = []
    counts: dict[str, int] = {}
    if inputs.statistics is not None:
        names.append(DAYS)
        counts["statistics"] = 1 + len(inputs.statistics.keys)
    if inputs.matches is not None:
        counts["usual"] = len(usual_pairs(inputs.matches, inputs.lists))
        counts["counts"] = len(counted_pairs(inputs.matches))
        counts["factors"] = len(inputs.matches.similarity)
    for name, count in counts.items():
        names += [f"{name}.{number}" for number in range(count)]
    return [*names, *log_table_names(inputs)]


def history_of_folder(inputs: Inputs, types: Types, path_of: PathOf) -> History:
    """Read back the tables of `tables_of`; `path_of` maps the name of a table to its file.

    DataError when a table does not fit rows of `types`.
    """
    counts = statistics_of_folder(inputs, types, path_of)
    matches = None
    if inputs.matches is not None:
        matches = matches_of_folder(inputs, inputs.matches, types, path_of)
    return History(counts, matches, log_state_of_folder(inputs, types, path_of))


def rolling_tables(history: History, inputs: Inputs) -> dict[str, pl.DataFrame]:
    """The tables of what rolls forward, by name."""
    tables = tables_of_log(history.log)
    if inputs.rolls_statistics:
        tables |= tables_of_statistics(history, inputs)
    return tables


def rolling_of_folder(history: History, inputs: Inputs, types: Types, path_of: PathOf) -> History:
    """A history with what rolls forward as `rolling_tables` has it; DataError as below."""
    log = log_state_of_folder(inputs, types, path_of)
    if not inputs.rolls_statistics:
        return replace(history, log=log)
    return replace(history, counts=statistics_of_folder(inputs, types, path_of), log=log)


def statistics_of_folder(inputs: Inputs, types: Types, path_of: PathOf) -> LabelCounts | None:
    """Read back the tables of `tables_of_statistics`; None without statistics.

    DataError when a table does not fit rows of `types`.
    """
    definition = inputs.statistics
    if definition is None:
        return None
    path = path_of(DAYS)
    clock = definition.clock
    day_type = pl.Int64() if clock is None else period_type(types[clock], definition)
    days = as_typed(path, read_table(path), {DAY: day_type}, [DAY])[DAY]
    require(path, days.is_sorted(), "have its days in order", "has not")
    most = _largest_quantities(inputs)
    of_keys = {}
    for number, key in enumerate((EVERYONE, *definition.keys)):
        path = path_of(f"statistics.{number}")
        columns = key_columns(key)
        key_types = dict(zip(columns, (types[name] for name in key), strict=True))
        table_types = {**key_types, **dict.fromkeys((COUNTED_DAY, *most), pl.Int64())}
        table = as_typed(path, read_table(path), table_types, [*columns, COUNTED_DAY])
        day_numbers = table[COUNTED_DAY]
        require(path, day_numbers.is_sorted(), "have its days in order", "has not")
        require_range(path, day_numbers, (0, len(days) - 1), "number the days of its study")
        for name, largest in most.items():
            require_range(path, table[name], (0, largest), f"hold counts in '{name}'")
        of_keys[key] = table
    return LabelCounts(days, of_keys)


def _largest_quantities(inputs: Inputs) -> dict[str, int]:
    """The largest value that a table may have of everything that is counted."""
    counts = quantities(inputs.has_task)
    names = quantities(inputs.has_task, np.flatnonzero(inputs.is_amount).tolist())
    return {name: MAX_COUNT if name in counts else MOST_PARTS for name in names}
