"""Log state: what a log knows as of its last row, so that later rows get the inputs of one table.

Rows that a window may still lose, or whose label may not be known yet, are kept as they are
(`recent`). Older ones are added up: by key, as they are in no window but `all` and their labels are
known to every row to come, and as the last visit of each user; those that a sequence still shows
are kept too (`shown`). All are whole numbers, so rows that come one by one, in blocks or as one
table have the same inputs, bit for bit.

Rows may come, and may ask for their inputs, as late as LATE after the last one. Of older ones some
of what they should not see has been added up.

Shape legend: R rows, S rows of some keys, T tasks, L last labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.amounts import counted
from hinet_search.common.errors import DataError
from hinet_search.data.derived.added_up import (
    EVERYTHING,
    Keys,
    OlderRows,
    added_up,
    later_visits,
    merged,
    no_visits,
    older_rows,
    values_of_key,
    visits_before,
    with_older,
)
from hinet_search.data.derived.earlier_rows import earlier_rows, horizons, task_labels
from hinet_search.data.derived.event_log import (
    EventLog,
    Integers,
    KeyedRows,
    for_rows_of_keys,
    log_of,
)
from hinet_search.data.derived.events import (
    Prior,
    event_names,
    frame_of,
    inputs_of,
    names_of_key,
    write,
    zeros,
)
from hinet_search.data.derived.key_codes import column_codes, key_codes
from hinet_search.data.derived.log_index import LogIndex, log_index
from hinet_search.data.derived.moments import NO_TIME, Moments
from hinet_search.data.derived.rows_of_log import labelled_later, like, some_rows, with_rows
from hinet_search.data.derived.seen_sequences import SeenSequence, seen_sequence, still_shown
from hinet_search.data.derived.sessions import NAMES, session_inputs_of
from hinet_search.data.rows import Rows
from hinet_search.data.times import LARGEST, LONGEST, whole_times
from hinet_search.study.event_definition import EventsDefinition, TimeSpan
from hinet_search.study.log_definition import LogDefinition

LATE = TimeSpan(1, "h")


@dataclass(frozen=True)
class LogState:
    """A log as of its last row.

    `recent` are rows with a time and the columns of the keys, `moments` theirs, in units since
    `origin`, the log's first time. `older` has a table of every key with what was added up, see
    `added_up.py`, and `visits` the last visit of every user: all rows before the moment
    `added_before` were. Of these, `shown` are the last ones of every key of a sequence, as they
    are, with their moments. Rows are recent for at least `kept`, as others need their labels.
    """

    definition: LogDefinition
    tasks: tuple[str, ...]
    priors: tuple[Prior, ...]
    recent: Rows
    moments: Moments
    older: Mapping[Keys, pl.DataFrame]
    visits: pl.DataFrame | None
    added_before: int
    shown: Rows
    shown_moments: Moments
    origin: int = 0
    kept: int = 0

    @property
    def longest_window(self) -> int:
        """The longest window but `all`, in units of time; 0 without any."""
        windows = () if self.definition.events is None else self.definition.events.windows
        spans = [window for window in windows if isinstance(window, TimeSpan)]
        return max(map(self.moments.units, spans), default=0)

    @property
    def reach(self) -> int:
        """How long a row matters by its own moment, in units of time."""
        events = self.definition.events
        delay = None if events is None else events.labels_after
        after = self.moments.units(delay) if isinstance(delay, TimeSpan) else 0
        spans = [sequence.labels_after for sequence in self.definition.sequences.values()]
        delays = [self.moments.units(span) for span in spans if span is not None]
        return max([self.longest_window + after, *delays])

    @property
    def late(self) -> int:
        """How long after a row its label, and other rows of its moment, may come."""
        return max(self.reach, self.kept) + self.moments.units(LATE)

    @property
    def exact_from(self) -> int:
        """The first moment of a row that sees no row which was added up too early."""
        return self.added_before + self.reach if self.added_before > 0 else 0

    @property
    def last_moment(self) -> int:
        """The moment of the last row; NO_TIME without one."""
        return int(self.moments.time_R.max(initial=NO_TIME))

    @property
    def last_time(self) -> int | None:
        """The time of the last row, as its column has it in whole numbers; None without one."""
        return None if self.last_moment == NO_TIME else self.origin + self.last_moment

    @property
    def unlabelled(self) -> int:
        """The number of the scenario of rows without labels: it has no task."""
        return len(self.recent.has_task_MT) - 1

    @property
    def next_number(self) -> int:
        """A number for the next row: among those of a moment the last one."""
        return int(self.recent.row_R.max(initial=0)) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of `inputs_after`."""
        events = self.definition.events
        of_events = () if events is None else event_names(events, self.tasks)
        return of_events if self.definition.session is None else (*of_events, *NAMES)

    @property
    def keys(self) -> tuple[Keys, ...]:
        """The keys of events, and the user of sessions, each once."""
        return tuple(dict.fromkeys(self.definition.keys))

    @property
    def gap(self) -> int:
        """What ends a visit, in units of time."""
        session = self.definition.session
        return 0 if session is None else self.moments.units(session.gap)

    @cached_property
    def index(self) -> LogIndex:
        """The state for rows that ask, made when the first does."""
        return log_index(self)


def log_state_of(
    definition: LogDefinition,
    rows: Rows,
    tasks: Sequence[str],
    moments: Moments,
    priors: Sequence[Prior],
    origin: int = 0,
) -> LogState:
    """The state of a log after all of these rows; `priors` are those of the study.

    `origin` is the time of moment 0.
    """
    nothing = np.zeros(0, dtype=np.int64)
    frame = rows.frame.select(definition.columns)
    no_task_T = np.zeros((1, len(tasks)), dtype=np.bool_)  # of rows without labels
    has_task_MT = np.concatenate([rows.has_task_MT, no_task_T])
    none = some_rows(replace(rows, frame=frame, has_task_MT=has_task_MT), nothing)
    at_none = Moments(nothing, moments.unit)
    events = definition.events
    keys = () if events is None else events.keys
    older = {key: added_up(events, none, at_none, key) for key in keys if events is not None}
    visits = None if definition.session is None else no_visits(none.frame[definition.user])
    empty = LogState(
        definition=definition,
        tasks=tuple(tasks),
        priors=tuple(priors),
        recent=none,
        moments=at_none,
        older=older,
        visits=visits,
        added_before=NO_TIME,
        shown=none,
        shown_moments=at_none,
        origin=origin,
    )
    return rolled(empty, rows, moments)


def later_moments(state: LogState, times: pl.Series) -> Moments:
    """The moments of later rows, by the column of their times; a time before the log is moment 0.

    One that is no whole number is cut.
    """
    whole = whole_times(times)
    latest = min(state.origin + LONGEST, LARGEST)
    is_known_R: NDArray[np.bool_] | bool = True
    if whole.has_nulls():
        is_known_R = whole.is_not_null().to_numpy()
        whole = whole.fill_null(state.origin)
    moment_R = np.clip(whole.to_numpy(), state.origin, latest) - state.origin
    return Moments(np.where(is_known_R, moment_R, NO_TIME), state.moments.unit)


def rolled(state: LogState, rows: Rows, moments: Moments) -> LogState:
    """The state after further rows, which it must not have yet; those without a time are left out.

    DataError when rows are too old.
    """
    new = np.flatnonzero(moments.time_R != NO_TIME)
    refuse_old(moments.time_R, state.added_before)
    joined = with_rows(state.recent, some_rows(rows, new))
    time_R = np.concatenate([state.moments.time_R, moments.time_R[new]])
    added_before = max(state.added_before, int(time_R.max(initial=NO_TIME)) - state.late)
    is_old_R = time_R < added_before
    old = np.flatnonzero(is_old_R)
    recent = np.flatnonzero(~is_old_R)
    old_rows = some_rows(joined, old)
    at_old = Moments(time_R[old], moments.unit)
    shown, shown_moments = _shown(state, old_rows, at_old)
    older = {}
    if state.definition.events is not None:
        for key, table in state.older.items():
            newer = added_up(state.definition.events, old_rows, at_old, key)
            older[key] = merged(state.definition.events, len(state.tasks), newer, table)
    visits = state.visits
    if visits is not None:
        visits = later_visits(visits, state.definition.user, state.gap, old_rows, at_old)
    return replace(
        state,
        recent=some_rows(joined, recent),
        moments=Moments(time_R[recent], moments.unit),
        older=older,
        visits=visits,
        added_before=added_before,
        shown=shown,
        shown_moments=shown_moments,
    )


def _shown(state: LogState, rows: Rows, moments: Moments) -> tuple[Rows, Moments]:
    """The older rows that a sequence still shows after further ones became old."""
    sequences = tuple(state.definition.sequences.values())
    if not sequences:
        return state.shown, state.shown_moments
    joined = with_rows(state.shown, rows)
    together = Moments(np.concatenate([state.shown_moments.time_R, moments.time_R]), moments.unit)
    shown = np.flatnonzero(still_shown(sequences, joined, together))
    return some_rows(joined, shown), Moments(together.time_R[shown], moments.unit)


def with_labels(state: LogState, rows: Rows) -> LogState:
    """The state with the labels of recent rows that had none, which are known by their numbers.

    ValueError for a row that is not there.
    """
    return replace(state, recent=labelled_later(state.recent, rows))


def inputs_after(
    state: LogState, rows: Rows, moments: Moments, is_seen_R: NDArray[np.bool_] | None = None
) -> pl.DataFrame:
    """The columns of `event_inputs` and `session_inputs` of rows that follow a log.

    They see the log, and those of one another that are seen: all, unless `is_seen_R` says which.
    DataError when rows are too old.
    """
    refuse_old(moments.time_R, state.exact_from)
    log, together = _followed_by(state.recent, state.moments.time_R, rows, moments, is_seen_R)
    tables = []
    if state.definition.events is not None:
        tables += _event_tables(state, state.definition.events, log, together)
    if state.definition.session is not None and state.visits is not None:
        user = state.definition.user
        before = visits_before(state.visits, values_of_key(log.rows.frame, (user,)))
        tables.append(
            session_inputs_of(state.definition.session, user, [log], log.rows, together, before)
        )
    if not tables:
        return pl.DataFrame()
    return pl.concat(tables, how="horizontal")[state.recent.num_rows :]


def sequences_after(
    state: LogState, rows: Rows, moments: Moments, is_seen_R: NDArray[np.bool_] | None = None
) -> tuple[SeenSequence, ...]:
    """The sequences of rows that follow a log; they see what they see in `inputs_after`."""
    if not state.definition.sequences:
        return ()
    refuse_old(moments.time_R, state.exact_from)
    before = with_rows(state.shown, state.recent)
    time_R = np.append(state.shown_moments.time_R, state.moments.time_R)
    log, together = _followed_by(before, time_R, rows, moments, is_seen_R)
    later = slice(before.num_rows, None)
    return tuple(
        seen_sequence(sequence, log, state.tasks, together).of(later)
        for sequence in state.definition.sequences.values()
    )


def _followed_by(
    before: Rows,
    time_R: Integers,
    rows: Rows,
    moments: Moments,
    is_seen_R: NDArray[np.bool_] | None,
) -> tuple[EventLog, Moments]:
    """The log of rows with these times and of further ones, and the moments of all of them."""
    together = Moments(np.append(time_R, moments.time_R), moments.unit)
    log = log_of(with_rows(before, rows), together, EVERYTHING)
    if is_seen_R is not None:
        seen_R = np.append(np.ones(before.num_rows, dtype=np.bool_), is_seen_R)
        log = replace(log, is_seen_E=seen_R[log.row_E])
    return log, together


def _event_tables(
    state: LogState, events: EventsDefinition, log: EventLog, moments: Moments
) -> list[pl.DataFrame]:
    """The inputs of every key."""
    rows = log.rows
    labels = task_labels(log)
    places = horizons(events, log, moments)
    codes = column_codes(rows, list(chain.from_iterable(events.keys)))

    def use(older: OlderRows, value_RC: NDArray[np.float32], keyed: KeyedRows) -> None:
        recent = earlier_rows(keyed, log, places, labels, events.last)
        row_S = log.row_E[keyed.place_S]
        together = with_older(events, recent, older, row_S, keyed.time_S)
        columns = inputs_of(together, state.priors, events.smoothing, moments.units_a_second)
        write(value_RC, log, keyed, columns)

    tables = []
    for key, table in state.older.items():
        names = names_of_key(events, key, state.tasks)
        value_RC = zeros(rows, len(names))
        code_R = key_codes(rows, key, codes)
        older = older_rows(events, len(state.tasks), table, values_of_key(rows.frame, key))
        for_rows_of_keys(log, code_R, partial(use, older, value_RC))
        tables.append(frame_of(names, value_RC, rows))
    return tables


@dataclass(frozen=True)
class SeenLog:
    """What rows see of a log: the columns of `inputs_after` (R, C), and their sequences."""

    value_RC: NDArray[np.float32]
    sequences: tuple[SeenSequence, ...]


def seen_log(index: LogIndex, frame: pl.DataFrame, time: str) -> SeenLog:
    """What rows see that see none of one another; DataError when rows are too old."""
    state = index.state
    moments = later_moments(state, frame[time])
    refuse_old(moments.time_R, state.exact_from)
    asking = like(state.recent, frame)
    has_sequences = bool(state.definition.sequences)
    sequences = index.seen_sequences(asking, moments) if has_sequences else ()
    return SeenLog(index.inputs(asking, moments), sequences)


def refuse_old(time_R: Integers, first: int) -> None:
    """DataError for moments before the first that is still exact; no time is no such moment."""
    num_old = int(((time_R < first) & (time_R != NO_TIME)).sum())
    if num_old:
        raise DataError(
            f"rows must be at most {LATE} older than the last row of the log, got "
            f"{counted(num_old, 'older row')}: what they should not see is added up already",
            remedy="give rows in the order of time, or begin with an older state of the log",
        )
