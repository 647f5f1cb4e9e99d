"""Live state: counts and the log of a model with events that came, some of them not stored yet."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hinet_search.data.derived.later_counts import later_counts
from hinet_search.data.derived.log_index import log_index
from hinet_search.data.derived.log_state import LogState, rolled, with_labels
from hinet_search.data.derived.moments import Moments
from hinet_search.serving.history import History, Live
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.live.events import LoggedEvents
from hinet_search.study.event_definition import TimeSpan


def live_of(history: History, inputs: Inputs) -> Live:
    """What events add to: a log, statistics that are counted anew, or both.

    A label may come until its day (or hour) counts and an hour longer, also where the log alone
    would forget its row before.
    """
    counts = None
    log = history.log
    statistics = inputs.statistics
    if inputs.rolls_statistics and history.counts is not None and statistics is not None:
        counts = later_counts(history.counts, statistics, len(inputs.tasks))
        if log is not None:
            kept = TimeSpan(statistics.delay + 1, statistics.period[0])
            log = replace(log, kept=log.moments.units(kept))
    return Live(counts, None if log is None else log_index(log))


def with_events(
    live: Live, logged: LoggedEvents, is_row_R: NDArray[np.bool_] | None = None
) -> Live:
    """With further events; those that are no rows are labels of rows of before."""
    counts = live.counts
    if counts is not None:
        labelled = logged if logged.is_labelled.all() else logged.where(logged.is_labelled)
        counts = counts.with_later(labelled.rows)
    log = live.log
    if log is not None:
        log = log.with_later(logged.rows, _moments(log.state, logged), is_row_R)
    return Live(counts, log)


def folded(live: Live, logged: LoggedEvents, is_row_R: NDArray[np.bool_]) -> Live:
    """With these events for good, and no others; ValueError for labels of a row that is not there.

    All indices are made, so that no row that asks has to wait.
    """
    counts = live.counts
    if counts is not None:
        counts = counts.folded(logged.where(logged.is_labelled).rows)
    if live.log is None:
        return Live(counts)
    state = live.log.state
    if not is_row_R.all():
        state = with_labels(state, logged.where(~is_row_R).rows)
    if is_row_R.any():
        new = logged.where(is_row_R)
        state = rolled(state, new.rows, _moments(state, new))
    return Live(counts, log_index(state))


def history_of(live: Live, history: History) -> History:
    """A history with what is stored of a live state."""
    if live.counts is not None:
        history = replace(history, counts=live.counts.counts)
    if live.log is not None:
        history = replace(history, log=live.log.state)
    return history


def _moments(state: LogState, logged: LoggedEvents) -> Moments:
    return Moments(logged.moment_R, state.moments.unit)
