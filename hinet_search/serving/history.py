"""History: what an exported model keeps of the labels, lists and log of its study's rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.countable_labels import TEST
from hinet_search.data.derived.matches import (
    KnownMatches,
    counted_pairs,
    known_of,
    match_numbers,
    usual_pairs,
)
from hinet_search.data.encode import Vocabulary
from hinet_search.data.lists import ListedRows
from hinet_search.data.rows import Rows
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.log_rows import (
    LOG,
    PathOf,
    SeenInputs,
    log_of_folder,
    log_of_study,
    new_rows,
    seen_inputs,
    table_of_log,
    together,
)
from hinet_search.serving.match_tables import matches_of_folder, tables_of_matches
from hinet_search.serving.tables import Types
from hinet_search.study.data_definition import DataDefinition


@dataclass(frozen=True)
class DerivedInputs:
    """What is derived for rows: numbers (D, R) in the order of `Inputs.derived`, and sequences."""

    number_DR: NDArray[np.float64]
    sequences: tuple[NDArray[np.int32], ...] = ()


@dataclass(frozen=True)
class History:
    """What derived inputs are made of; None where the model has no such inputs."""

    matches: KnownMatches | None = None
    log: Rows | None = None

    def seen(
        self,
        inputs: Inputs,
        vocabularies: Mapping[str, Vocabulary],
        frame: pl.DataFrame,
        scenario_R: NDArray[np.int16],
        newer: Rows | None = None,
    ) -> SeenInputs:
        """What rows see of the log, to which `newer` rows are added."""
        if self.log is None:
            return SeenInputs()
        log = self.log if newer is None else together(self.log, newer)
        return seen_inputs(inputs, vocabularies, log, new_rows(inputs, log, frame, scenario_R))

    def derived(self, inputs: Inputs, rows: ListedRows, seen: SeenInputs) -> DerivedInputs:
        """The inputs of every row that are derived from labels, lists and the log."""
        columns = [column.to_numpy() for column in seen.statistics]
        if self.matches is not None:
            assert inputs.matches is not None, "what is known is of a definition"
            matches = match_numbers(self.matches, inputs.matches, inputs.lists, rows)
            columns += [column.to_numpy() for column in matches]
        columns += [column.to_numpy() for column in seen.log]
        number_DR = np.array(columns, dtype=np.float64).reshape(len(columns), len(rows.frame))
        return DerivedInputs(number_DR, seen.sequences)

    def notes(self, inputs: Inputs) -> Iterator[str]:
        """Notes for users of the exported model."""
        if self.log is not None:
            yield from _notes_of_log(inputs, self.log)
        if self.matches is not None:
            yield (
                "What is known of lists (users' entries, attributes of items) is of training rows; "
                "a row brings its own lists."
            )


def _notes_of_log(inputs: Inputs, log: Rows) -> Iterator[str]:
    """What new rows see of the log, and up to when it goes."""
    if inputs.clock is None and inputs.statistics is not None:
        yield "Label statistics are of training rows."
    elif inputs.clock is not None:
        frozen = not inputs.rolls_statistics
        splits = "train and valid" if frozen else "train, valid and test"
        until = _until(log, inputs.clock, TEST - 1 if frozen else TEST)
        none = ", none of test" if frozen else ""
        yield f"Label statistics are of {splits}{until}{none}. A row counts labels of days before."
    if inputs.log is not None:
        until = _until(log, inputs.log.time, TEST)
        yield f"A row sees the rows before its {inputs.log.time}: train, valid and test{until}."
    if inputs.rolls:
        yield (
            "The metrics of this model are of rows that see all before them: give labelled rows "
            "that are newer than the study to `predict --log`."
        )


def _until(log: Rows, column: str, last_split: int) -> str:
    """The last value of a time in the rows up to a split, in words."""
    last = log.frame[column].filter(pl.Series(log.split_R <= last_split)).max()
    return "" if last is None else f" up to {column} {last!s}"


def history_of(definition: DataDefinition, inputs: Inputs, types: Types, rows: Rows) -> History:
    """The history of a study's rows, as far as inputs of these types need it."""
    matches = None
    if inputs.matches is not None:
        matches = known_of(definition, inputs.matches, rows)
    return History(matches, log_of_study(inputs, types, rows))


def tables_of(history: History, inputs: Inputs) -> dict[str, pl.DataFrame]:
    """The tables of a history by name."""
    tables: dict[str, pl.DataFrame] = {}
    if history.matches is not None and inputs.matches is not None:
        tables |= tables_of_matches(history.matches, inputs, inputs.matches)
    if history.log is not None:
        tables[LOG] = table_of_log(history.log)
    return tables


def table_names(inputs: Inputs) -> list[str]:
    """Names of the tables of `tables_of`."""
    names: list[str] = []
    if inputs.matches is not None:
        counts = {
            "usual": len(usual_pairs(inputs.matches, inputs.lists)),
            "counts": len(counted_pairs(inputs.matches)),
            "factors": len(inputs.matches.similarity),
        }
        for name, count in counts.items():
            names += [f"{name}.{number}" for number in range(count)]
    return [*names, LOG] if inputs.reads_log else names


def history_of_folder(inputs: Inputs, types: Types, path_of: PathOf) -> History:
    """Read back the tables of `tables_of`; `path_of` maps the name of a table to its file.

    DataError when a table does not fit rows of `types`.
    """
    matches = None
    if inputs.matches is not None:
        matches = matches_of_folder(inputs, inputs.matches, types, path_of)
    return History(matches, log_of_folder(inputs, types, path_of))
