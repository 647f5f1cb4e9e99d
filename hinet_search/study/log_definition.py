"""Log definition: everything that is made of a log, and the columns that it needs of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from hinet_search.study.event_definition import EventsDefinition, SessionDefinition
from hinet_search.study.sequence_definition import SequenceDefinition


@dataclass(frozen=True)
class LogDefinition:
    """What is made of a log: events, sessions of the column `user`, and sequences by name."""

    events: EventsDefinition | None
    session: SessionDefinition | None
    user: str
    sequences: Mapping[str, SequenceDefinition] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The keys of events, and the user of sessions: those by which rows are added up."""
        keys = () if self.events is None else self.events.keys
        return keys if self.session is None else (*keys, (self.user,))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all keys, and of the items of sequences, each once."""
        of_sequences = [sequence.columns for sequence in self.sequences.values()]
        return tuple(dict.fromkeys(chain(*self.keys, *of_sequences)))
