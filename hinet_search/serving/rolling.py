"""Rolling: the inputs of new rows that have labels, and label counts and the log after them.

A row counts labels of the state and of the new rows, those known when its day (or hour) began, and
sees the rows of the log before its moment. Rows without a label count and see others, but are not
counted and not seen. What the state has is not added again: of label counts days that it has
counted, of the log rows that are not later than its last one. So rows that come twice change
nothing.
Shape legend: R rows.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.derived.label_counts import (
    is_counted,
    newer_statistics,
    rolled_counts,
)
from hinet_search.data.derived.log_state import inputs_after, later_moments, rolled, sequences_after
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.rows_of_log import some_rows
from hinet_search.data.rows import Rows
from hinet_search.data.splits import LEFT_OUT
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import History, RolledInputs
from hinet_search.serving.inputs import Inputs
from hinet_search.study.event_definition import TimeSpan

TRAIN = 0
A_DAY = TimeSpan(1, "d")


@dataclass(frozen=True)
class Rolled:
    """What new rows have, and what they leave.

    `inputs` are those of the R rows, `encoder` has the history after them. `counted` rows were
    added; `unlabelled` ones lack a label, and `again` were there before.
    """

    inputs: RolledInputs
    encoder: Encoder
    counted: int
    unlabelled: int
    again: int


@dataclass(frozen=True)
class _Part:
    """The history and the inputs after rows, and which of these it had before (R,)."""

    history: History
    inputs: RolledInputs
    is_again_R: NDArray[np.bool_]


def roll(encoder: Encoder, rows: Rows, is_labelled_R: NDArray[np.bool_]) -> Rolled:
    """Roll what an encoder counts over rows, see `Encoder.rows`; `is_labelled_R` is of these.

    DataError when rows are too old for the log.
    """
    history = encoder.history
    inputs = RolledInputs()
    split_R = np.where(is_labelled_R, np.uint8(TRAIN), np.uint8(LEFT_OUT))
    is_again_R = np.zeros(rows.num_rows, dtype=np.bool_)
    if encoder.inputs.rolls_statistics:
        part = _with_counts(history, encoder.inputs, replace(rows, split_R=split_R))
        history = part.history
        inputs = part.inputs
        is_again_R = part.is_again_R
    if encoder.inputs.log is not None:
        part = log_after(history, encoder.inputs, rows, is_labelled_R)
        history = part.history
        is_again_R = part.is_again_R
        inputs = replace(inputs, log=part.inputs.log, sequences=part.inputs.sequences)
    num_labelled = int(is_labelled_R.sum())
    num_again = int((is_again_R & is_labelled_R).sum())
    return Rolled(
        inputs,
        replace(encoder, history=history),
        counted=num_labelled - num_again,
        unlabelled=rows.num_rows - num_labelled,
        again=num_again,
    )


def age_of_log(encoder: Encoder, frame: pl.DataFrame) -> float | None:
    """The seconds from the last row of the log to the middle one of some rows, if that is long.

    That is longer than the longest window, or a day without any. None without a log.
    """
    state = encoder.history.log
    log = encoder.inputs.log
    if state is None or log is None:
        return None
    time_R = later_moments(state, frame[log.time]).time_R
    if not (time_R != NO_TIME).any():
        return None
    age = float(np.median(time_R[time_R != NO_TIME])) - max(state.last_moment, 0)
    longest = state.longest_window or state.moments.units(A_DAY)
    return age / state.moments.units_a_second if age > longest else None


def _with_counts(history: History, inputs: Inputs, rows: Rows) -> _Part:
    before = history.counts
    definition = inputs.statistics
    assert before is not None, "a model with statistics has their counts"
    assert definition is not None, "and their definition"
    assert definition.clock is not None, "nothing is counted anew without one"
    statistics = newer_statistics(before, definition, rows, inputs.tasks)
    after = replace(history, counts=rolled_counts(before, definition, rows))
    is_again_R = is_counted(before, definition, rows.frame[definition.clock])
    return _Part(after, RolledInputs(statistics=statistics), is_again_R)


def log_after(
    history: History, inputs: Inputs, rows: Rows, is_labelled_R: NDArray[np.bool_]
) -> _Part:
    """The log after rows, and what they see of it; those with labels are seen."""
    state = history.log
    log = inputs.log
    assert state is not None, "a model with inputs of a log has its state"
    assert log is not None, "and their definition"
    numbers_R = np.arange(rows.num_rows, dtype=np.uint64) + np.uint64(state.next_number)
    rows = replace(rows, row_R=numbers_R)
    moments = later_moments(state, rows.frame[log.time])
    is_again_R = (moments.time_R != NO_TIME) & (moments.time_R <= state.last_moment)
    is_new_R = is_labelled_R & ~is_again_R
    seen = RolledInputs(
        log=inputs_after(state, rows, moments, is_new_R),
        sequences=sequences_after(state, rows, moments, is_new_R),
    )
    new = np.flatnonzero(is_new_R)
    after = rolled(state, some_rows(rows, new), Moments(moments.time_R[new], moments.unit))
    return _Part(replace(history, log=after), seen, is_again_R)
