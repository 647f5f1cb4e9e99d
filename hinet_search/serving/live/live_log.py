"""Live log: the log of a served model, which goes on with every event that it is sent.

An event is in the journal before it counts, and counts before it is answered. From time to time the
changes of the journal become part of the state: a new generation is written, and says up to which
change it goes. So a process that is killed anywhere loses nothing and counts nothing twice.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hinet_search.data.derived.log_index import LogIndex, log_index
from hinet_search.data.derived.log_state import LATE, LogState, rolled, with_labels
from hinet_search.serving.live.events import EventReader, LoggedEvents, event_reader
from hinet_search.serving.live.journal import Change, Journal, damaged
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.state import ReadState, write_state

FOLD_CHANGES = 4_096  # more make answers slower


@dataclass(frozen=True)
class TakenEvents:
    """What became of events: rows `added`, rows whose labels came, those that brought nothing new
    (`again`), and those that came too late to count. `last` is the time of the last row.
    """

    added: int
    labelled: int
    again: int
    late: int
    last: int | None


class LiveLog:
    """The log of a model with the state of a folder, and the journal beside it."""

    def __init__(self, exported: ExportedModel, read: ReadState, journal: Journal) -> None:
        """Begin with what the state and the journal have."""
        self._exported = exported
        self._journal = journal
        self._read = read
        self._reader: EventReader = event_reader(exported)
        self._adding = threading.Lock()
        self._folding = threading.Lock()
        self._change = self._folded = read.events
        # A first state begins with the first event: a newer model may have logged it itself.
        self._fold_from = FOLD_CHANGES if read.generation else 1
        state = exported.encoder.history.log
        assert state is not None, "the model was checked"
        self._index = log_index(state)
        self._number = max(state.next_number, journal.next_number)
        self.catch_up()

    @property
    def state(self) -> LogState:
        """The state, without what is pending."""
        return self._index.state

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that an event must have, beside its id and its labels."""
        return self._reader.columns

    @property
    def last_time(self) -> int | None:
        """The time of the last row, None without one."""
        index = self._index
        last = int(index.pending.time_R.max(initial=index.state.last_moment))
        return None if last < 0 else index.state.origin + last

    @property
    def num_pending(self) -> int:
        """The number of changes that are in the journal alone."""
        return self._index.pending.time_R.size

    @property
    def needs_fold(self) -> bool:
        """Whether so many changes are pending that answers become slow, or there is no state."""
        return self.num_pending >= self._fold_from

    def index(self) -> LogIndex:
        """Return the index of the log as it is now."""
        return self._index

    def add(self, document: object) -> TakenEvents:
        """Add the events of a request. They are on disk and count when this returns.

        Errors: DataError for events that are not as they must be, of which none is added;
        EnvironmentFault if the journal cannot be written.
        """
        with self._adding:
            index = self._index
            logged = self._reader.read(document, index.state, self._number)
            self._number += len(logged.events)
            taken = self._journal.take(logged.events, self._change, self._first_moment())
            self._change = taken.last  # first, so that no number is given twice
            changed = [change.event for change in taken.changes if change.is_row]
            if changed == list(logged.events):
                self._index = index.with_later(logged.rows, logged.moments)
            else:
                self._index = self._with_changes(index, taken.changes)
        num_added = sum(change.is_row for change in taken.changes)
        return TakenEvents(
            added=num_added,
            labelled=len(taken.changes) - num_added,
            again=taken.again,
            late=taken.late,
            last=self.last_time,
        )

    def _first_moment(self) -> int:
        """The first moment of an event that is not too late.

        No state that is being written has added up rows from there on.
        """
        state = self._index.state
        last = int(self._index.pending.time_R.max(initial=state.last_moment))
        return max(state.added_before, last - state.reach - state.moments.units(LATE), 0)

    def catch_up(self) -> None:
        """Count the changes of the journal that this log does not have yet."""
        with self._adding:
            last = max(self._journal.last, self._change)
            changes = tuple(self._journal.changes(self._change, last))
            self._index = self._with_changes(self._index, changes)
            self._change = last
            self._number = max(self._number, self._journal.next_number)

    def fold(self) -> None:
        """Make the changes so far part of the state, and write its next generation.

        Errors: those of `write_state`; then the log is as it was, and needs it later.
        """
        with self._folding:
            self._fold_from = self.num_pending + FOLD_CHANGES
            up_to = self._change
            before = self._index.state
            changes = list(self._journal.changes(self._folded, up_to))
            state = self._folded_state(before, changes)
            encoder = self._exported.encoder
            encoder = replace(encoder, history=replace(encoder.history, log=state))
            write_state(self._read.folder, encoder, self._read.generation, events=up_to)
            self._read = replace(self._read, generation=self._read.generation + 1, events=up_to)
            self._journal.forget(state.added_before, up_to)
            index = log_index(state)
            with self._adding:
                later = tuple(self._journal.changes(up_to, self._change))
                self._index = self._with_changes(index, later)
                self._folded = up_to
                self._fold_from = FOLD_CHANGES

    def _logged(self, changes: Sequence[Change], state: LogState) -> LoggedEvents:
        """The events of changes, which were checked before they were written; else DataError."""
        try:
            return self._reader.logged([change.event for change in changes], state)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise damaged(self._journal.path) from error

    def _folded_state(self, state: LogState, changes: Sequence[Change]) -> LogState:
        labels = [change for change in changes if not change.is_row]
        if labels:
            logged = self._logged(labels, state)
            try:
                state = with_labels(state, logged.rows)
            except ValueError as error:
                raise damaged(self._journal.path) from error
        rows = [change for change in changes if change.is_row]
        if not rows:
            return state
        logged = self._logged(rows, state)
        return rolled(state, logged.rows, logged.moments)

    def _with_changes(self, index: LogIndex, changes: Sequence[Change]) -> LogIndex:
        if not changes:
            return index
        logged = self._logged(changes, index.state)
        is_row_R = np.array([change.is_row for change in changes], dtype=np.bool_)
        return index.with_later(logged.rows, logged.moments, is_row_R)
