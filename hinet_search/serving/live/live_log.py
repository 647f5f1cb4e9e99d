"""Live log: the log and label statistics of a served model, which go on with every event.

An event is in the journal before it counts, and counts before it is answered. From time to time the
changes of the journal become part of the state: a new generation is written, and says up to which
change it goes. So a process that is killed anywhere loses nothing and counts nothing twice.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hinet_search.serving.history import Live
from hinet_search.serving.live.events import EventReader, LoggedEvents, event_reader
from hinet_search.serving.live.journal import Change, Journal, damaged
from hinet_search.serving.live.live_state import folded, history_of, live_of, with_events
from hinet_search.serving.live.timeline import Timeline, timeline_of
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.state import ReadState, write_state

FOLD_CHANGES = 4_096  # more make answers slower


@dataclass(frozen=True)
class TakenEvents:
    """What became of events: rows `added`, rows whose labels came, those that brought nothing new
    (`again`), and those that came too late to count. `last` is the time of the last row; of label
    statistics alone the number of their last day, or hour.
    """

    added: int
    labelled: int
    again: int
    late: int
    last: int | None


class LiveLog:
    """What a model with the state of a folder knows of events, and the journal beside it."""

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
        history = exported.encoder.history
        self._live = self._stored = live_of(history, exported.encoder.inputs)
        next_number = 1 if history.log is None else history.log.next_number
        self._number = max(next_number, journal.next_number)
        self.catch_up()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that an event must have, beside its id and its labels."""
        return self._reader.columns

    @property
    def last(self) -> int | None:
        """See `TakenEvents`."""
        return self._timeline(self._live).last

    @property
    def counted_to(self) -> str:
        """The time of the last row of the log, or the end of the last day that has a label."""
        return self._timeline(self._live).last_in_words

    @property
    def num_pending(self) -> int:
        """The number of changes that are in the journal alone."""
        return self._change - self._folded

    @property
    def needs_fold(self) -> bool:
        """Whether so many changes are pending that answers become slow, or there is no state."""
        return self.num_pending >= self._fold_from

    def live(self) -> Live:
        """Return counts and log as they are now."""
        return self._live

    def _timeline(self, live: Live) -> Timeline:
        encoder = self._exported.encoder
        return timeline_of(live, encoder.inputs, encoder.types)

    def add(self, document: object) -> TakenEvents:
        """Add the events of a request. They are on disk and count when this returns.

        Errors: DataError for events that are not as they must be, of which none is added;
        EnvironmentFault if the journal cannot be written.
        """
        with self._adding:
            live = self._live
            timeline = self._timeline(live)
            logged = self._reader.read(document, timeline, self._number)
            self._number += len(logged.events)
            taken = self._journal.take(logged.events, self._change, timeline.first)
            self._change = taken.last  # first, so that no number is given twice
            changed = [change.event for change in taken.changes if change.is_row]
            if changed == list(logged.events):
                self._live = with_events(live, logged)
            else:
                self._live = self._with_changes(live, taken.changes)
        num_added = sum(change.is_row for change in taken.changes)
        return TakenEvents(
            added=num_added,
            labelled=len(taken.changes) - num_added,
            again=taken.again,
            late=taken.late,
            last=self.last,
        )

    def catch_up(self) -> None:
        """Count the changes of the journal that are not counted yet."""
        with self._adding:
            last = max(self._journal.last, self._change)
            changes = tuple(self._journal.changes(self._change, last))
            self._live = self._with_changes(self._live, changes)
            self._change = last
            self._number = max(self._number, self._journal.next_number)

    def fold(self) -> None:
        """Make the changes so far part of the state, and write its next generation.

        Errors: those of `write_state`; then all is as it was, and needs it later.
        """
        with self._folding:
            self._fold_from = self.num_pending + FOLD_CHANGES
            up_to = self._change
            stored = self._with_folded(tuple(self._journal.changes(self._folded, up_to)))
            encoder = self._exported.encoder
            encoder = replace(encoder, history=history_of(stored, encoder.history))
            write_state(self._read.folder, encoder, self._read.generation, events=up_to)
            self._read = replace(self._read, generation=self._read.generation + 1, events=up_to)
            self._journal.forget(self._timeline(stored).forgotten, up_to)
            with self._adding:
                later = tuple(self._journal.changes(up_to, self._change))
                self._live = self._with_changes(stored, later)
                self._stored = stored
                self._folded = up_to
                self._fold_from = FOLD_CHANGES

    def _logged(self, changes: Sequence[Change]) -> LoggedEvents:
        """The events of changes, which were checked before they were written; else DataError."""
        timeline = self._timeline(self._stored)
        try:
            return self._reader.logged([change.event for change in changes], timeline)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise damaged(self._journal.path) from error

    def _with_folded(self, changes: Sequence[Change]) -> Live:
        if not changes:
            return self._stored
        is_row_R = np.array([change.is_row for change in changes], dtype=np.bool_)
        try:
            return folded(self._stored, self._logged(changes), is_row_R)
        except ValueError as error:
            raise damaged(self._journal.path) from error

    def _with_changes(self, live: Live, changes: Sequence[Change]) -> Live:
        if not changes:
            return live
        is_row_R = np.array([change.is_row for change in changes], dtype=np.bool_)
        return with_events(live, self._logged(changes), is_row_R)
