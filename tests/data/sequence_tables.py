"""Sequences of small random logs, by plain loops over pairs of rows."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.event_log import NO_TIME
from hinet_search.data.encode import COUNT, VALUE, Vocabulary
from hinet_search.study.event_definition import SequenceDefinition, TimeSpan
from tests.data.event_tables import (
    PARTIAL,
    TASKS,
    PlainRow,
    RandomLog,
    asking,
    plain_rows,
    random_log,
    seen_by,
)

TABS = Vocabulary("tab", pl.DataFrame({VALUE: ["b"], COUNT: [3]}))  # `a` has no id
PRICES = Vocabulary("price", pl.DataFrame({VALUE: [2.5, 1.5], COUNT: [3, 2]}))
VOCABULARIES = {"tab": TABS, "price": PRICES}
IDS = {"b": 1, 2.5: 1, 1.5: 2}
UNKNOWN_LABEL, ZERO, ONE = 1, 2, 3


@dataclass(frozen=True)
class SequencesOfLog:
    """A random log, and definitions of its sequences by name."""

    log: RandomLog
    sequences: dict[str, SequenceDefinition]


def sequences_of_log(seed: int) -> SequencesOfLog:
    """One sequence with labels of a user, and one without any of a user at a price."""
    draw = np.random.default_rng(seed + 10_000)
    after = TimeSpan(int(draw.choice([0, 1, 7, 900])), "s")
    labelled = SequenceDefinition(
        of="user",
        items=("tab", "price"),
        labels=(TASKS[PARTIAL], TASKS[0]),
        length=int(draw.choice([1, 2, 3, 30])),
        labels_after=after,
    )
    plain = SequenceDefinition(
        of=("user", "price"), items=("tab",), length=int(draw.choice([1, 4])), reader="mean"
    )
    return SequencesOfLog(random_log(seed), {"seen": labelled, "priced": plain})


def plain_slots(log: RandomLog, sequence: SequenceDefinition) -> NDArray[np.int32]:
    """The slots (R, P, L) of a sequence, from a loop over all rows."""
    plain = plain_rows(log, sequence.key)
    values = {item: log.rows.frame[item].to_list() for item in sequence.items}
    slots = [_slots_of_row(sequence, plain, row, values) for row in asking(log, plain)]
    return np.array(slots, dtype=np.int32)


def _slots_of_row(
    sequence: SequenceDefinition,
    plain: list[PlainRow],
    row: PlainRow,
    values: dict[str, list[object]],
) -> list[list[int]]:
    newest = seen_by(plain, row)[::-1][: sequence.length]
    empty = [0] * (sequence.length - len(newest))
    places = [plain.index(other) for other in newest]
    of_items = [[IDS.get(values[item][place], 0) for place in places] for item in sequence.items]
    of_labels = [
        [_label_id(sequence, row, other, TASKS.index(label)) for other in newest]
        for label in sequence.labels
    ]
    gaps = [_gap_id(row.time - other.time) for other in newest]
    return [[*part, *empty] for part in (*of_items, *of_labels, gaps)]


def _label_id(sequence: SequenceDefinition, row: PlainRow, other: PlainRow, task: int) -> int:
    assert sequence.labels_after is not None
    is_known = other.time < row.time - sequence.labels_after.number
    if not is_known or (task == PARTIAL and other.scenario != 0):
        return UNKNOWN_LABEL
    return ONE if other.labels[task] else ZERO


def _gap_id(seconds: int) -> int:
    assert seconds > 0 > NO_TIME
    bucket = 0
    while 2 ** (bucket + 1) <= 1 + seconds:
        bucket += 1
    return min(1 + bucket, 31)
