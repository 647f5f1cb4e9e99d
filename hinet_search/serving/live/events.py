"""Events: read the events that a request sends, and make rows of them.

An event is an object with an `id`, the columns that the log and label statistics are made of (keys,
time, clock, scenario), and the columns of labels, or none of them if its labels are not known yet.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError, shortened
from hinet_search.data.derived.event_log import Integers
from hinet_search.data.derived.moments import NO_TIME
from hinet_search.data.derived.rows_of_log import some_rows
from hinet_search.data.numbers import rows_and_first
from hinet_search.data.raw_values import as_text, text_of
from hinet_search.data.rows import Rows
from hinet_search.serving.label_columns import labels_of_rows
from hinet_search.serving.live.journal import StoredEvent
from hinet_search.serving.live.timeline import Timeline
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.requests.document import EVENTS, Value
from hinet_search.serving.requests.rows import (
    ColumnReader,
    nearest_float,
    number_reader,
    reader_of,
    series_of,
)
from hinet_search.serving.row_checks import KEY, scenario_problems
from hinet_search.study.task_definition import TaskDefinition
from hinet_search.study.validation_messages import in_words

ID = "id"
WANTED = f'a request must be {{"{EVENTS}": [{{"{ID}": ID, NAME: VALUE, ...}}, ...]}}'
LONGEST_ID = 200


@dataclass(frozen=True)
class LoggedEvents:
    """Events as rows with moments; a row without labels is of a scenario that has no task."""

    events: tuple[StoredEvent, ...]
    rows: Rows
    moment_R: Integers

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """Whether a row has labels (R,)."""
        return self.rows.scenario_R < len(self.rows.scenarios)

    def where(self, is_chosen_R: NDArray[np.bool_]) -> "LoggedEvents":
        """Some of the events."""
        chosen = np.flatnonzero(is_chosen_R)
        events = tuple(self.events[number] for number in chosen)
        return LoggedEvents(events, some_rows(self.rows, chosen), self.moment_R[chosen])


@dataclass(frozen=True)
class EventReader:
    """Reads the events of a model, which have a value in every column of `readers`."""

    exported: ExportedModel
    readers: tuple[ColumnReader, ...]
    tasks: Mapping[str, TaskDefinition]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that an event must have, beside its id."""
        return tuple(reader.name for reader in self.readers)

    @cached_property
    def label_columns(self) -> tuple[str, ...]:
        """The columns of labels."""
        return tuple(dict.fromkeys(task.column for task in self.tasks.values()))

    def read(self, document: object, timeline: Timeline, first_number: int) -> LoggedEvents:
        """The events of a request; DataError with every problem.

        `first_number` numbers the first of them.
        """
        objects = _objects(document)
        ids = [_id(number, event) for number, event in enumerate(objects)]
        self._refuse_missing(objects)
        stored: list[StoredEvent] = []
        for event_id, event in zip(ids, objects, strict=True):
            number = first_number + len(stored)
            row = {name: event[name] for name in self.columns}
            labels = {name: event[name] for name in self.label_columns if name in event}
            has_any = any(value is not None for value in labels.values())
            known = _text(labels) if has_any else None
            stored.append(StoredEvent(event_id, number, NO_TIME, _text(row), known))
        logged = self.logged(stored, timeline)
        timeline.refuse(logged.moment_R)
        moments = logged.moment_R.tolist()
        taken = []
        for each, moment, is_labelled in zip(stored, moments, logged.is_labelled, strict=True):
            known = each.labels if is_labelled else None
            taken.append(replace(each, moment=moment, labels=known))
        return replace(logged, events=tuple(taken))

    def logged(self, events: Sequence[StoredEvent], timeline: Timeline) -> LoggedEvents:
        """Events that were read, as rows; DataError with every problem of their values."""
        given = [json.loads(event.row) for event in events]
        types = self.exported.encoder.types
        problems = []
        columns = {}
        for reader in self.readers:
            values, problem = reader.read([row[reader.name] for row in given])
            problems.append(problem)
            columns[reader.name] = series_of(reader.name, values, types[reader.name])
        if any(problems):
            raise DataError(*filter(None, problems))
        frame = pl.DataFrame(columns)
        inputs = self.exported.file.inputs
        wrong = scenario_problems(inputs.scenario, frame.lazy())
        if wrong:
            raise DataError(*wrong)
        known = [json.loads(event.labels or "{}") for event in events]
        numbers = np.array([event.number for event in events], dtype=np.uint64)
        rows = replace(self._rows(frame, known), row_R=numbers)
        return LoggedEvents(tuple(events), rows, timeline.moments(frame))

    def _rows(self, frame: pl.DataFrame, known: Sequence[Mapping[str, Value]]) -> Rows:
        """The rows of a frame with what is known of their labels.

        A row without a label of one of its tasks has none.
        """
        encoder = self.exported.encoder
        inputs = self.exported.file.inputs
        has_task_RT = inputs.has_task[encoder.scenario_numbers(frame)]
        is_known_RT = np.zeros(has_task_RT.shape, dtype=np.bool_)
        problems = []
        columns = []
        for name in self.label_columns:
            of_column = [self.tasks[task].column == name for task in inputs.tasks]
            given = [
                row.get(name) if any(has_tasks) else None
                for row, has_tasks in zip(known, has_task_RT[:, of_column].tolist(), strict=True)
            ]
            values, problem = label_series(name, self.tasks, given)
            problems.append(problem)
            columns.append(values.alias(f"{KEY}{name}"))
            is_given_R = np.array([name in row for row in known], dtype=np.bool_)
            is_known_RT[:, of_column] = is_given_R[:, np.newaxis]
        if any(problems):
            raise DataError(*filter(None, problems))
        found = labels_of_rows(self.exported, self.tasks, pl.DataFrame([*frame, *columns]), EVENTS)
        is_labelled_R = found.is_labelled_R & (is_known_RT | ~has_task_RT).all(axis=1)
        rows = encoder.rows_of_log(frame, found.labels_RT)
        no_scenario = np.int16(len(rows.scenarios))
        scenario_R = np.where(is_labelled_R, rows.scenario_R, no_scenario)
        return replace(rows, scenario_R=scenario_R)

    def _refuse_missing(self, objects: Sequence[Mapping[str, Value]]) -> None:
        problems = []
        for name in self.columns:
            without = [number for number, event in enumerate(objects) if name not in event]
            if without:
                rows = rows_and_first(len(without), without)
                problems.append(f"column '{name}' is not in {rows}")
        if problems:
            raise DataError(*problems)


def event_reader(exported: ExportedModel) -> EventReader:
    """The reader of events for a model with a log, or with statistics that are counted anew.

    DataError for types that JSON has no values for.
    """
    inputs = exported.file.inputs
    types = exported.encoder.types
    readers = tuple(reader_of(name, types[name]) for name in inputs.columns_of_events)
    return EventReader(exported, readers, exported.profile.tasks)


def label_series(
    name: str, tasks: Mapping[str, TaskDefinition], values: Sequence[Value]
) -> tuple[pl.Series, str]:
    """The labels of a column, and the problem of those that are none, or ''.

    Each is read by itself, so that it means the same beside any others: as text if the tasks of
    the column compare it by `equals`, else as a number.
    """
    rules = [task.equals for task in tasks.values() if task.column == name]
    if None not in rules:
        wanted = "texts, numbers, or true and false"
        reader = ColumnReader(name, wanted, frozenset({str, type(None)}), _label_as_text)
        labels, problem = reader.read(values)
        return pl.Series(name, labels, dtype=pl.String), problem
    labels, problem = number_reader(name).read(values)
    numbers = [None if label is None else nearest_float(label) for label in labels]
    return pl.Series(name, numbers, dtype=pl.Float64), problem


def _label_as_text(value: Value) -> str:
    if isinstance(value, bool | int):
        return text_of(value)
    if isinstance(value, float):
        text: str = as_text(pl.Series([value])).item()
        return text
    raise ValueError(value)


def _objects(document: object) -> Sequence[Mapping[str, Value]]:
    if not isinstance(document, dict) or list(document) != [EVENTS]:
        got = ", ".join(map(repr, document)) if isinstance(document, dict) else in_words(document)
        raise DataError(f"{WANTED}, got {shortened(got) or 'no key'}")
    events = document[EVENTS]
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise DataError(f"{WANTED}, got {shortened(in_words(events))}")
    return events


def _id(number: int, event: Mapping[str, Value]) -> str:
    value = event.get(ID)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID:
        raise DataError(
            f"event {number}: '{ID}' must be a text of 1 to {LONGEST_ID} characters or a whole "
            f"number that no other event has, got {shortened(in_words(value))}"
        )
    return value


def _text(values: Mapping[str, Value]) -> str:
    return json.dumps(values, separators=(",", ":"))
