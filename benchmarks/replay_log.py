"""Replay: the test rows of a study, one at a time, through the log of its exported model.

    python benchmarks/replay_log.py STUDY ARM [--variant NAME] [--output FOLDER] [--rows N]

The log, and statistics that are counted anew, begin as they were before test. Each row asks for its
inputs, and then comes as an event; now and then the state is written and read again. All numbers
and slots of sequences must equal, bit for bit, those of the study's one table, and the scores those
of all rows at once, but for the last bits of a float32.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

import hinet_search as hs
from hinet_search.data.columns import SPLITS, Columns
from hinet_search.data.derived.days import numbers_of, periods_of
from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.derived.label_counts import label_counts, later_values
from hinet_search.data.derived.log_state import seen_log
from hinet_search.data.derived.rows_of_log import some_rows
from hinet_search.data.derived.seen_sequences import IdsOfItems, SeenSequence
from hinet_search.data.derived.statistics import statistic_names
from hinet_search.data.encode import VALUE
from hinet_search.data.rows import Rows, read_rows
from hinet_search.data.source_rows import source_rows
from hinet_search.data.study_data import dataset_of
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import Live, RolledInputs
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.live.journal import Journal
from hinet_search.serving.live.live_log import LiveLog
from hinet_search.serving.log_tables import log_state_of_study
from hinet_search.serving.model_folder import ExportedModel, open_folder
from hinet_search.serving.predict import predictions
from hinet_search.serving.row_checks import cast_rows
from hinet_search.serving.state import read_state, write_state
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.load_study import ResolvedStudy, load_study

TEST = SPLITS.index("test")
FOLDS = 5  # times that the state is written and read
SCORED = 500  # rows that are scored one at a time


def main() -> None:
    """Replay, and print what was equal and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("arm")
    parser.add_argument("--variant")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rows", type=int, help="the first rows of test alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        hs.export(given.study, model, arm=given.arm, variant=given.variant, output=given.output)
        exported = open_folder(model, torch.device("cpu"))
        study = load_study(given.study, variant=given.variant)
        rows = read_rows(study.spec.data, study.folder, Path(folder))
        frame = raw_rows(study.spec.data, study.folder, Path(folder), rows, exported)
        replay(study, rows, frame, exported, Path(folder), given.rows)


def raw_rows(
    definition: DataDefinition, folder: Path, cache: Path, rows: Rows, exported: ExportedModel
) -> pl.DataFrame:
    """The rows of a study as the source has them, with the columns of the model and of labels."""
    inputs, types = exported.encoder.inputs, exported.encoder.types
    labels = [task.column for task in definition.tasks.values()]
    every = source_rows(definition, folder, cache).select(*inputs.columns, *labels)
    return cast_rows(inputs, every, types).collect()[rows.row_R]


@dataclass
class Replayed:
    """What rows saw that came one at a time, and the seconds to ask for it and to add the row."""

    value_RC: list[NDArray[np.float32]] = field(default_factory=list)
    slots_RS: list[NDArray[np.int32]] = field(default_factory=list)
    asking: list[float] = field(default_factory=list)
    adding: list[float] = field(default_factory=list)


def replay(
    study: ResolvedStudy,
    rows: Rows,
    frame: pl.DataFrame,
    exported: ExportedModel,
    folder: Path,
    most: int | None,
) -> None:
    """Replay the test rows in the order of time, and compare."""
    definition = study.spec.data
    inputs, encoder = exported.encoder.inputs, exported.encoder
    expected = inputs_of_table(definition, rows, inputs)
    write_state_before_test(definition, rows, encoder, folder / "state")
    test = test_in_order(rows, frame, inputs)[:most]
    replayed = one_at_a_time(definition, frame, exported, folder / "state", test)
    found_RS = np.array(replayed.slots_RS)
    slots_RS = slots_of_study(study, folder, encoder, rows, test)
    rolled = pl.DataFrame(np.array(replayed.value_RC), schema=expected.schema)
    whole = whole_days(frame[test], inputs)
    of_log = [name for name in expected.columns if name not in derived_statistics(inputs)]
    is_equal = rolled[whole].equals(expected[test][whole])
    is_equal &= rolled.select(of_log).equals(expected[test].select(of_log))
    print(f"{test.size:,} rows of test, {expected.width} inputs that roll, equal: {is_equal}")
    print(f"{test.size - whole.size:,} of them were before a row of an earlier day: no statistics")
    print(f"{found_RS.shape[1]} slots of sequences, equal: {np.array_equal(found_RS, slots_RS)}")
    print(f"{in_words('asking', replayed.asking)}\n{in_words('adding', replayed.adding)}")
    largest = score_difference(
        exported, frame[test[whole]], rolled[whole], expected[test[whole]], slots_RS[whole]
    )
    print(f"largest difference of a score: {largest:.2g}")


def one_at_a_time(
    definition: DataDefinition,
    frame: pl.DataFrame,
    exported: ExportedModel,
    folder: Path,
    test: NDArray[np.intp],
) -> Replayed:
    """Ask for the inputs of every row, and then add it."""
    encoder = exported.encoder
    distinct = encoder.with_distinct_ids(frame, encoder.scenario_numbers(frame))
    ids_of = ids_by_dictionary(encoder)
    replayed = Replayed()
    with closing(Journal(folder)) as journal:
        live = LiveLog(*read_state(exported, folder), journal)
        for number, row in enumerate(test.tolist()):
            event = event_of(definition, frame, row, live)
            began = time.perf_counter()
            value_C, sequences = seen(live.live(), encoder.inputs, distinct[row : row + 1])
            replayed.asking.append(time.perf_counter() - began)
            replayed.value_RC.append(value_C)
            replayed.slots_RS.append(slots_of(sequences, ids_of)[0])
            began = time.perf_counter()
            live.add({"events": [event]})
            replayed.adding.append(time.perf_counter() - began)
            if number % (test.size // FOLDS + 1) == test.size // FOLDS:
                live.fold()
                live = LiveLog(*read_state(exported, folder), journal)
    return replayed


def test_in_order(rows: Rows, frame: pl.DataFrame, inputs: Inputs) -> NDArray[np.intp]:
    """The numbers of the test rows in the order of time."""
    test = np.flatnonzero(rows.split_R == TEST)
    column = inputs.clock if inputs.log is None else inputs.log.time
    assert column is not None, "the model must have inputs that roll"
    return test[np.lexsort((rows.row_R[test], frame[column].to_numpy()[test]))]


def whole_days(frame: pl.DataFrame, inputs: Inputs) -> NDArray[np.intp]:
    """The rows before whom all rows of earlier days have come, by the clock of statistics."""
    if inputs.statistics is None or inputs.clock is None or not inputs.rolls_statistics:
        return np.arange(len(frame))
    day_R = numbers_of(periods_of(frame[inputs.clock], inputs.statistics))
    earliest_later_R = np.minimum.accumulate(day_R[::-1])[::-1]
    return np.flatnonzero(day_R <= earliest_later_R)


def derived_statistics(inputs: Inputs) -> tuple[str, ...]:
    """The names of statistics that roll."""
    if inputs.statistics is None or not inputs.rolls_statistics:
        return ()
    return statistic_names(inputs.statistics, inputs.tasks)


def slots_of_study(
    study: ResolvedStudy, cache: Path, encoder: Encoder, rows: Rows, test: NDArray[np.intp]
) -> NDArray[np.int32]:
    """The slots of sequences of test rows, in which ids that the model does not know are 0."""
    largest_S = np.concatenate([*largest_ids(encoder), np.zeros(0, dtype=np.int64)])
    of_split = np.searchsorted(np.flatnonzero(rows.split_R == TEST), test)
    lists_RS = dataset_of(study, cache, lambda _line: None).test.lists_RS
    slots_RS = np.asarray(lists_RS[of_split, lists_RS.shape[1] - largest_S.size :])
    return np.where(slots_RS > largest_S, 0, slots_RS)


def largest_ids(encoder: Encoder) -> Iterator[NDArray[np.int64]]:
    """Yield the largest id of every slot of a sequence: items, then labels and gaps."""
    sizes = {each.name: len(each.table) for each in encoder.encoding.vocabularies}
    for sequence in encoder.inputs.sequences.values():
        any_id = np.iinfo(np.int32).max
        of_parts = [*map(sizes.__getitem__, sequence.items), *[any_id] * (len(sequence.labels) + 1)]
        yield np.repeat(of_parts, sequence.length)


def ids_by_dictionary(encoder: Encoder) -> IdsOfItems:
    """Look ids up one by one: rows that ask are few, and very many."""
    ids = {
        each.name: {value: number for number, value in enumerate(each.table[VALUE].to_list(), 1)}
        for each in encoder.encoding.vocabularies
    }

    def ids_of(items: pl.DataFrame) -> NDArray[np.int32]:
        found = [[ids[values.name].get(value, 0) for value in values.to_list()] for values in items]
        return np.array(found, dtype=np.int32).reshape(items.width, len(items)).T

    return ids_of


def slots_of(sequences: Sequence[SeenSequence], ids_of: IdsOfItems) -> NDArray[np.int32]:
    """The slots of all sequences of some rows, side by side."""
    encoded = [each.encoded(ids_of) for each in sequences]
    return np.concatenate(encoded, axis=1) if encoded else np.zeros((1, 0), dtype=np.int32)


def seen(
    live: Live, inputs: Inputs, row: pl.DataFrame
) -> tuple[NDArray[np.float32], Sequence[SeenSequence]]:
    """The inputs that roll of one row that asks."""
    values = [np.zeros(0, dtype=np.float32)]
    sequences: Sequence[SeenSequence] = ()
    if live.counts is not None and inputs.statistics is not None:
        values.append(later_values(live.counts, inputs.statistics, row, inputs.tasks)[:, 0])
    if live.log is not None and inputs.log is not None:
        of_log = seen_log(live.log, row, inputs.log.time)
        values.append(of_log.value_RC[0])
        sequences = of_log.sequences
    return np.concatenate(values), sequences


def inputs_of_table(definition: DataDefinition, rows: Rows, inputs: Inputs) -> pl.DataFrame:
    """The inputs that roll of all rows of a study."""
    derived = derive_numbers(definition, rows)
    tables = [derived.events, derived.session]
    if inputs.rolls_statistics:
        tables.insert(0, derived.statistics)
    table = pl.concat(tables, how="horizontal")
    return table.select(name for name in table.columns if name in inputs.scaled)


def encoded(
    encoder: Encoder, frame: pl.DataFrame, table: pl.DataFrame, slots_RS: NDArray[np.int32]
) -> Columns:
    """Encode rows with these inputs in place of those that the encoder would derive."""
    names = derived_statistics(encoder.inputs)
    rolled = RolledInputs(
        statistics=table.select(names) if names else None,
        log=table.drop(names) if encoder.inputs.log else None,
    )
    columns = encoder.columns(frame, rolled)
    return replace(columns, lists_RS=np.concatenate([columns.lists_RS, slots_RS], axis=1))


def write_state_before_test(
    definition: DataDefinition, rows: Rows, encoder: Encoder, folder: Path
) -> None:
    """Write the state of the log and of counts as of the last row before test."""
    before = np.flatnonzero(rows.split_R < TEST)
    inputs = encoder.inputs
    history = encoder.history
    if inputs.rolls_statistics and inputs.statistics is not None:
        counts = label_counts(inputs.statistics, some_rows(rows, before))
        history = replace(history, counts=counts)
    log = log_state_of_study(definition, inputs, encoder.types, rows, before)
    write_state(folder, replace(encoder, history=replace(history, log=log)), 0)


def in_words(what: str, seconds: list[float]) -> str:
    """What took how long."""
    p50, p99 = np.percentile(np.array(seconds) * 1e3, [50, 99])
    return f"{what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def event_of(
    definition: DataDefinition, frame: pl.DataFrame, row: int, live: LiveLog
) -> dict[str, Any]:
    """A row as JSON would have it."""
    names = [*live.columns, *(task.column for task in definition.tasks.values())]
    values = frame.select(*dict.fromkeys(names)).row(row, named=True)
    return {"id": row, **json.loads(json.dumps(values, default=str))}


def score_difference(
    exported: ExportedModel,
    frame: pl.DataFrame,
    rolled: pl.DataFrame,
    expected: pl.DataFrame,
    slots_RS: NDArray[np.int32],
) -> float:
    """Of scores one at a time, and of all at once with the inputs of the table."""
    encoder = exported.encoder
    whole = predictions(exported, encoded(encoder, frame, expected, slots_RS))
    differences = []
    for row in range(0, len(frame), max(1, len(frame) // SCORED)):
        block = slice(row, row + 1)
        columns = encoded(encoder, frame[block], rolled[block], slots_RS[block])
        differences.append(np.abs(predictions(exported, columns)[0] - whole[row]).max())
    return float(np.max(differences))


if __name__ == "__main__":
    main()
