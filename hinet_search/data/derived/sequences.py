"""Sequences: the last rows of a key before each row, as ids that lie slot by slot.

Of a sequence, a row at time t has in slot 0 its key's last strictly earlier row, in slot 1 the one
before, and so on. Each of its parts is a list of ids; 0 is a slot without a row:

    items    the id that the earlier row's item has in its field, which may be 0 = unknown
    labels   1 where the label is not known at t, or the row's scenario lacks the task; 2 for a
             label of 0 and 3 for one of 1. It is known if its row's time < t - labels_after
    gap      1 + floor(log2(1 + seconds since the earlier row)), at most NUM_GAPS

What a row may see is as for events: rows of the same moment do not see each other, and rows of a
split see those of its own and of the splits before. A row with a null in the key, or without a
time, has no earlier rows, and is one of none.

Shape legend: R rows of the table, E rows of a log, S rows of some keys, N of them that are seen,
B some of the S rows, P parts, I items, T labels, L slots of one part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import DataError
from hinet_search.data.derived.event_log import (
    EventLog,
    Integers,
    KeyedRows,
    Moments,
    column_codes,
    for_rows_of_keys,
    key_codes,
    log_of,
    seen_rows,
    walks,
    wanted_rows,
)
from hinet_search.data.encode import COUNT, VALUE, Vocabulary, ids_of
from hinet_search.data.mapped import blocks_of
from hinet_search.data.rows import Rows
from hinet_search.data.schema import ListField, SequenceField
from hinet_search.study.event_definition import SequenceDefinition, key_name
from hinet_search.study.feature_definition import ListDefinition

UNKNOWN_LABEL = 1
ZERO = 2
ONE = 3
NUM_GAPS = 31  # the last one begins at 2**30 - 1 seconds, 34 years
SLOTS_AT_ONCE = 2**20
ALWAYS = 2**32 - 1  # a count that no minimum frequency exceeds

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class LoggedParts:
    """What the rows of a log show of themselves to later ones: item ids and ids of known labels."""

    items_RI: Ids
    labels_RT: NDArray[np.uint8]

    @property
    def num_parts(self) -> int:
        """The number of parts with the gap, P."""
        num_items = self.items_RI.shape[1]
        num_labels = self.labels_RT.shape[1]
        return int(num_items + num_labels + 1)


def sequence_vocabularies(sequences: Mapping[str, SequenceDefinition]) -> tuple[Vocabulary, ...]:
    """The vocabularies of labels and gaps: all ids that there can be, however rare they are."""
    vocabularies = []
    for name, sequence in sequences.items():
        *labels, gap = sequence.part_names(name)[len(sequence.items) :]
        vocabularies += [_of_numbers(label, ONE) for label in labels]
        vocabularies.append(_of_numbers(gap, NUM_GAPS))
    return tuple(vocabularies)


def _of_numbers(name: str, most: int) -> Vocabulary:
    values = pl.Series(VALUE, range(1, most + 1), dtype=pl.Int64)
    counts = pl.Series(COUNT, [ALWAYS] * most, dtype=pl.UInt32)
    return Vocabulary(name, pl.DataFrame([values, counts]))


def sequence_fields(
    lists_of_rows: Mapping[str, ListDefinition],
    sequences: Mapping[str, SequenceDefinition],
    categorical: Sequence[str],
) -> tuple[tuple[ListField, ...], tuple[SequenceField, ...]]:
    """The lists of the sequences of a schema, and what joins them.

    The schema has these categorical fields and lists too. The vocabularies of labels and gaps
    follow theirs.
    """
    num_vocabularies = len(categorical)
    num_vocabularies += sum(list_.item is None for list_ in lists_of_rows.values())
    lists = []
    fields = []
    for name, sequence in sequences.items():
        parts = sequence.part_names(name)
        num_items = len(sequence.items)
        for number, part in enumerate(parts):
            field = num_vocabularies
            if number < num_items:
                field = categorical.index(sequence.items[number])
            else:
                num_vocabularies += 1
            lists.append(ListField(part, field, sequence.length, "mean"))
        *labels, gap = parts[num_items:]
        fields.append(SequenceField(name, sequence.reader, parts[:num_items], tuple(labels), gap))
    return tuple(lists), tuple(fields)


def encode_sequences(
    sequences: Mapping[str, SequenceDefinition],
    rows: Rows,
    tasks: Sequence[str],
    moments: Moments,
    vocabularies: Mapping[str, Vocabulary],
) -> tuple[Ids, ...]:
    """The slots (R, P * L) of every sequence, one part after the other, of the wanted rows.

    `vocabularies` has one of every item. DataError when a key has only one value.
    """
    logs = [log_of(rows, moments, walk) for walk in walks(rows, moments)]
    for name, sequence in sequences.items():
        codes = column_codes(rows, sequence.key)
        if all(codes[column].num_values <= 1 for column in sequence.key):
            raise DataError(
                f"data.features.sequences.{name}.of: a key must have at least two values, got one "
                f"or none in {key_name(sequence.key)}",
                remedy="name the columns that tell users or items apart",
            )
    return tuple(
        sequence_slots(sequence, logs, moments, logged_parts(sequence, rows, tasks, vocabularies))
        for sequence in sequences.values()
    )


def logged_parts(
    sequence: SequenceDefinition,
    rows: Rows,
    tasks: Sequence[str],
    vocabularies: Mapping[str, Vocabulary],
) -> LoggedParts:
    """What rows show of themselves in a sequence."""

    def items_of(block: slice) -> Ids:
        ids = [ids_of(rows.frame[item][block], vocabularies[item]) for item in sequence.items]
        return np.stack(ids, axis=1)

    return LoggedParts(
        rows.mapped(map(items_of, rows.blocks())),
        rows.mapped(label_ids(sequence, rows, tasks, block) for block in rows.blocks()),
    )


def label_ids(
    sequence: SequenceDefinition, rows: Rows, tasks: Sequence[str], block: slice
) -> NDArray[np.uint8]:
    """The ids (B, T) that the labels of rows have once they are known."""
    numbers = [tasks.index(label) for label in sequence.labels]
    has_label_BT = rows.has_task_MT[rows.scenario_R[block]][:, numbers]
    is_one_BT = rows.labels_RT[block][:, numbers] > 0
    known_BT = np.where(is_one_BT, np.uint8(ONE), np.uint8(ZERO))
    return np.where(has_label_BT, known_BT, np.uint8(UNKNOWN_LABEL))


def sequence_slots(
    sequence: SequenceDefinition, logs: Sequence[EventLog], moments: Moments, parts: LoggedParts
) -> Ids:
    """The slots (R, P * L) of the wanted rows that these logs are of; zeros of others."""
    rows = logs[0].rows
    drawn = None
    num_rows = rows.num_rows
    is_wanted_R = wanted_rows(rows)
    if is_wanted_R is not None:
        drawn = np.flatnonzero(is_wanted_R)
        num_rows = drawn.size
    shape = (parts.num_parts, sequence.length)
    slots_RPL = rows.mapped(
        np.zeros((block.stop - block.start, *shape), dtype=np.int32)
        for block in blocks_of(num_rows)
    )

    delay = moments.units(sequence.labels_after)
    num_at_once = max(1, SLOTS_AT_ONCE // sequence.length)

    def fill(log: EventLog, known_E: Integers | None, keyed: KeyedRows) -> None:
        seen = seen_rows(keyed, log)
        start_S = seen.position(keyed.start_S)
        moment_S = seen.position(keyed.moment_S)
        known_S = moment_S
        if known_E is not None:
            known_S = seen.position(keyed.first_from(known_E))
        row_S = log.row_E[keyed.place_S]
        earlier = EarlierSlots(seen.only(row_S), seen.time_N, parts, moments.units_a_second)
        # The rows that the log is of, as many at once as fit into memory.
        position = np.flatnonzero(log.gives_inputs(row_S))
        for start in range(0, position.size, num_at_once):
            some = position[start : start + num_at_once]
            place_B = row_S[some]
            if drawn is not None:
                place_B = np.searchsorted(drawn, place_B)
            slots_RPL[place_B] = earlier.slots(
                keyed.as_of_S[some], start_S[some], moment_S[some], known_S[some], sequence.length
            )

    code_R = key_codes(rows, sequence.key)
    for log in logs:
        known_E = log.num_before(delay) if delay else None
        for_rows_of_keys(log, code_R, partial(fill, log, known_E))
    return slots_RPL.reshape(num_rows, -1)


def gap_ids(units: Integers, units_a_second: int) -> Integers:
    """The ids of times since an earlier row, in units of time."""
    seconds = units // units_a_second
    _, exponent = np.frexp((1 + seconds).astype(np.float64))  # 1 + floor(log2), exact below 2**53
    return np.minimum(exponent, NUM_GAPS)


@dataclass(frozen=True)
class EarlierSlots:
    """The rows of some keys that others see (N,), in the order of keys and time.

    `row_N` is the row in `parts` of each.
    """

    row_N: Integers
    time_N: Integers
    parts: LoggedParts
    units_a_second: int

    def slots(
        self,
        time_B: Integers,
        start_B: Integers,
        moment_B: Integers,
        known_B: Integers,
        length: int,
    ) -> Ids:
        """The slots (B, P, L) of rows.

        Of the positions of their keys, `start_B` is the first, `moment_B` the first that is not
        earlier than the row, and `known_B` the first whose labels are not known.
        """
        num_items = self.parts.items_RI.shape[1]
        num_labels = self.parts.labels_RT.shape[1]
        slots_BPL = np.zeros((time_B.size, num_items + num_labels + 1, length), dtype=np.int32)
        depth = min(length, int((moment_B - start_B).max(initial=0)))
        if not depth:
            return slots_BPL
        position_BL = moment_B[:, None] - 1 - np.arange(depth)
        is_there_BL = position_BL >= start_B[:, None]
        position_BL = np.where(is_there_BL, position_BL, 0)
        row_BL = self.row_N[position_BL]
        for number in range(num_items):
            id_BL = self.parts.items_RI[row_BL, number]
            slots_BPL[:, number, :depth] = np.where(is_there_BL, id_BL, 0)
        is_known_BL = position_BL < known_B[:, None]
        for number in range(num_labels):
            label_BL = self.parts.labels_RT[row_BL, number]
            known_BL = np.where(is_known_BL, label_BL, UNKNOWN_LABEL)
            slots_BPL[:, num_items + number, :depth] = np.where(is_there_BL, known_BL, 0)
        gap_BL = gap_ids(time_B[:, None] - self.time_N[position_BL], self.units_a_second)
        slots_BPL[:, -1, :depth] = np.where(is_there_BL, gap_BL, 0)
        return slots_BPL
