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


@dataclass(frozen=True)
class SeenLog:
    """What rows see of a log: the columns of `inputs_after` (R, C), and their sequences."""

    value_RC: NDArray[np.float32]
    sequences: tuple[SeenSequence, ...]


def seen_log(index: LogIndex, frame: pl.DataFrame, time: str) -> SeenLog:
    """What rows see that see none of one another; DataError when rows are too old."""
    state = index.state
    moments = later_moments(state, frame[time])
    refuse_old(moments.time_R[moments.time_R != NO_TIME], state.exact_from)
    asking = like(state.recent, frame)
    has_sequences = bool(state.definition.sequences)
    sequences = index.seen_sequences(asking, moments) if has_sequences else ()
    return SeenLog(index.inputs(asking, moments), sequences)
