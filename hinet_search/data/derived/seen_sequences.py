"""Seen sequences: what later rows see of a log, before the values of items have ids.

A log goes on while vocabularies may grow, so it keeps values. The slots of a sequence hold numbers
of rows of the log; the ids of these rows are looked up when the slots are encoded.

Shape legend: R rows that see, N rows of the log, U of them that are seen, I items, T labels,
P parts, L slots of one part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.event_log import EventLog
from hinet_search.data.derived.key_codes import column_codes, key_codes
from hinet_search.data.derived.moments import Moments
from hinet_search.data.derived.sequences import (
    Ids,
    LoggedParts,
    label_ids,
    sequence_slots,
)
from hinet_search.data.rows import Rows
from hinet_search.study.sequence_definition import SequenceDefinition

IdsOfItems = Callable[[pl.DataFrame], Ids]  # the ids (U, I) of rows with the columns of the items


@dataclass(frozen=True)
class SeenSequence:
    """A sequence of some rows: `items` are values of the N rows of a log.

    Of `slots_RPL` the first part is 1 + the number of the row in a slot, 0 without one; labels and
    gaps follow as ids.
    """

    items: pl.DataFrame
    slots_RPL: Ids

    def of(self, rows: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "SeenSequence":
        """The sequence of some of the rows."""
        return replace(self, slots_RPL=self.slots_RPL[rows])

    def encoded(self, ids_of: IdsOfItems) -> Ids:
        """The slots (R, P * L) with the ids of the items, as training has them."""
        number_RL = self.slots_RPL[:, 0]
        others = self.slots_RPL[:, 1:]
        seen_U, place_RL = _seen_rows(number_RL, len(self.items))
        none_1I = np.zeros((1, self.items.width), dtype=np.int32)
        ids_RLI = np.concatenate([none_1I, ids_of(self.items[seen_U])])[place_RL]
        slots_RPL = np.concatenate([ids_RLI.transpose(0, 2, 1), others], axis=1)
        return slots_RPL.reshape(len(slots_RPL), -1)


def _seen_rows(number_RL: Ids, num_rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows (U,) that are in some slot, and 1 + the place of each slot's among them, or 0."""
    if number_RL.size < num_rows:  # the few rows of a request, of a large log
        number_U = np.unique(number_RL)
        number_U = number_U[number_U > 0]
        place_RL = np.searchsorted(number_U, number_RL) + (number_RL > 0)
        return number_U.astype(np.intp) - 1, place_RL
    is_seen_N = np.zeros(1 + num_rows, dtype=np.bool_)
    is_seen_N[number_RL] = True
    is_seen_N[0] = False
    place_N = np.where(is_seen_N, np.cumsum(is_seen_N), 0)
    return np.flatnonzero(is_seen_N) - 1, place_N[number_RL]


def seen_sequence(
    sequence: SequenceDefinition, log: EventLog, tasks: Sequence[str], moments: Moments
) -> SeenSequence:
    """The sequence of all rows of a log."""
    parts = numbered_parts(sequence, log.rows, tasks)
    slots_RS = sequence_slots(sequence, [log], moments, parts)
    num_parts = 1 + len(sequence.labels) + 1
    return SeenSequence(
        log.rows.frame.select(sequence.items),
        slots_RS.reshape(log.rows.num_rows, num_parts, sequence.length),
    )


def numbered_parts(sequence: SequenceDefinition, rows: Rows, tasks: Sequence[str]) -> LoggedParts:
    """What rows show of themselves, with 1 + their number in place of their items."""
    number_R1 = np.arange(1, rows.num_rows + 1, dtype=np.int32)[:, None]
    return LoggedParts(number_R1, label_ids(sequence, rows, tasks, slice(None)))


def still_shown(
    sequences: Sequence[SequenceDefinition], rows: Rows, moments: Moments
) -> NDArray[np.bool_]:
    """Which rows (R,) are among the last ones of their key that some sequence is long."""
    is_shown_R = np.zeros(rows.num_rows, dtype=np.bool_)
    for sequence in sequences:
        codes = column_codes(rows, sequence.key)
        code_R = key_codes(rows, [codes[name] for name in sequence.key])
        order_R = np.lexsort((rows.row_R, moments.time_R, code_R))
        code_R = code_R[order_R]
        end_R = np.searchsorted(code_R, code_R, side="right")
        is_last_R = end_R - np.arange(code_R.size) <= sequence.length
        is_shown_R[order_R] |= is_last_R & (code_R >= 0)
    return is_shown_R
