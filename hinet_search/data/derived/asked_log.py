"""Asked log: what rows that ask see of a log, found by its index; they do not see one another.

Shape legend: R rows, C columns.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.log_index import LogIndex
from hinet_search.data.derived.log_state import later_moments, refuse_old
from hinet_search.data.derived.moments import NO_TIME
from hinet_search.data.derived.rows_of_log import like
from hinet_search.data.derived.seen_sequences import SeenSequence


def asked_inputs(index: LogIndex, frame: pl.DataFrame, time: str) -> pl.DataFrame:
    """The columns of `inputs_after` of rows that see the log, and none of one another.

    DataError when rows are too old.
    """
    value_RC = asked_values(index, frame, time)
    return pl.DataFrame(value_RC, schema=dict.fromkeys(index.state.names, pl.Float32))


def asked_values(index: LogIndex, frame: pl.DataFrame, time: str) -> NDArray[np.float32]:
    """The values (R, C) of `asked_inputs`."""
    state = index.state
    moments = later_moments(state, frame[time])
    refuse_old(moments.time_R[moments.time_R != NO_TIME], state.exact_from)
    return index.inputs(like(state.recent, frame), moments)


@dataclass(frozen=True)
class SeenLog:
    """What rows see of a log: the values (R, C) of `asked_values`, and their sequences."""

    value_RC: NDArray[np.float32]
    sequences: tuple[SeenSequence, ...]


def seen_log(index: LogIndex, frame: pl.DataFrame, time: str) -> SeenLog:
    """What rows see that see none of one another; errors as above."""
    return SeenLog(asked_values(index, frame, time), asked_sequences(index, frame, time))


def asked_sequences(index: LogIndex, frame: pl.DataFrame, time: str) -> tuple[SeenSequence, ...]:
    """The sequences of rows that see the log, and none of one another; errors as above."""
    state = index.state
    if not state.definition.sequences:
        return ()
    moments = later_moments(state, frame[time])
    refuse_old(moments.time_R[moments.time_R != NO_TIME], state.exact_from)
    return index.seen_sequences(like(state.recent, frame), moments)
