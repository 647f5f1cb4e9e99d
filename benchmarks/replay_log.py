"""Replay: the test rows of a study, one at a time, through the log of its exported model.

    python benchmarks/replay_log.py STUDY ARM [--variant NAME] [--output FOLDER] [--rows N]

The log, and statistics that are counted anew, begin as they were before test. Each row asks for its
inputs, and then comes as an event; now and then the state is written and read again. All inputs
must equal, bit for bit, those of the study's one table, and the scores those of all rows at once
but for the last bits of a float32.
"""

import argparse
import json
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

import hinet_search as hs
from hinet_search.data.columns import SPLITS
from hinet_search.data.derived.days import numbers_of, periods_of
from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.derived.label_counts import label_counts, later_values
from hinet_search.data.derived.log_state import seen_log
from hinet_search.data.derived.rows_of_log import some_rows
from hinet_search.data.derived.statistics import statistic_names
from hinet_search.data.rows import Rows, read_rows, source_rows
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
from hinet_search.study.load_study import load_study

TEST = SPLITS.index("test")
FOLDS = 5  # times that the state is written and read


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
        replay(study.spec.data, rows, frame, exported, Path(folder) / "state", given.rows)


def raw_rows(
    definition: DataDefinition, folder: Path, cache: Path, rows: Rows, exported: ExportedModel
) -> pl.DataFrame:
    """The rows of a study as the source has them, with the columns of the model and of labels."""
    inputs, types = exported.encoder.inputs, exported.encoder.types
    labels = [task.column for task in definition.tasks.values()]
    every = source_rows(definition, folder, cache).select(*inputs.columns, *labels)
    return cast_rows(inputs, every, types).collect()[rows.row_R]


def replay(
    definition: DataDefinition,
    rows: Rows,
    frame: pl.DataFrame,
    exported: ExportedModel,
    folder: Path,
    most: int | None,
) -> None:
    """Replay the test rows in the order of time."""
    inputs, encoder = exported.encoder.inputs, exported.encoder
    expected = inputs_of_table(definition, rows, inputs)
    write_state_before_test(definition, rows, encoder, folder)
    test = test_in_order(rows, frame, inputs)[:most]
    distinct = encoder.with_distinct_ids(frame, encoder.scenario_numbers(frame))
    asking, adding, found = [], [], []
    with closing(Journal(folder)) as journal:
        live = LiveLog(*read_state(exported, folder), journal)
        for number, row in enumerate(test.tolist()):
            event = event_of(definition, frame, row, live)
            began = time.perf_counter()
            asked_row = distinct[row : row + 1]
            found.append(seen(live.live(), inputs, asked_row))
            asked = time.perf_counter()
            live.add({"events": [event]})
            asking.append(asked - began)
            adding.append(time.perf_counter() - asked)
            if number % (test.size // FOLDS + 1) == test.size // FOLDS:
                live.fold()
                live = LiveLog(*read_state(exported, folder), journal)
    rolled = pl.DataFrame(np.array(found), schema=expected.schema)
    whole = whole_days(frame[test], inputs)
    of_log = [name for name in expected.columns if name not in derived_statistics(inputs)]
    is_equal = rolled[whole].equals(expected[test][whole])
    is_equal &= rolled.select(of_log).equals(expected[test].select(of_log))
    print(f"{test.size:,} rows of test, {expected.width} inputs that roll, equal: {is_equal}")
    print(f"{test.size - whole.size:,} of them were before a row of an earlier day: no statistics")
    print(f"{in_words('asking', asking)}\n{in_words('adding', adding)}")
    largest = score_difference(exported, frame[test], rolled, expected[test])
    print(f"largest difference of a score: {largest:.2g}")


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


def seen(live: Live, inputs: Inputs, row: pl.DataFrame) -> NDArray[np.float32]:
    """The inputs that roll of one row that asks."""
    values = [np.zeros(0, dtype=np.float32)]
    if live.counts is not None and inputs.statistics is not None:
        values.append(later_values(live.counts, inputs.statistics, row, inputs.tasks)[:, 0])
    if live.log is not None and inputs.log is not None:
        values.append(seen_log(live.log, row, inputs.log.time).value_RC[0])
    return np.concatenate(values)


def inputs_of_table(definition: DataDefinition, rows: Rows, inputs: Inputs) -> pl.DataFrame:
    """The inputs that roll of all rows of a study."""
    derived = derive_numbers(definition, rows)
    tables = [derived.events, derived.session]
    if inputs.rolls_statistics:
        tables.insert(0, derived.statistics)
    table = pl.concat(tables, how="horizontal")
    return table.select(name for name in table.columns if name in inputs.scaled)


def rolled_inputs(inputs: Inputs, table: pl.DataFrame) -> RolledInputs:
    """The inputs of rows in place of those that the encoder would derive."""
    names = derived_statistics(inputs)
    if not names:
        return RolledInputs(log=table)
    return RolledInputs(table.select(names), table.drop(names) if inputs.log else None)


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
    exported: ExportedModel, frame: pl.DataFrame, found: pl.DataFrame, expected: pl.DataFrame
) -> float:
    """Of scores one at a time, and of all at once with the inputs of the table."""
    encoder = exported.encoder
    whole = predictions(exported, encoder.columns(frame, rolled_inputs(encoder.inputs, expected)))
    some = range(0, len(frame), max(1, len(frame) // 500))
    differences = []
    for row in some:
        block = slice(row, row + 1)
        columns = encoder.columns(frame[block], rolled_inputs(encoder.inputs, found[block]))
        differences.append(np.abs(predictions(exported, columns)[0] - whole[row]).max())
    return float(np.max(differences))


if __name__ == "__main__":
    main()
