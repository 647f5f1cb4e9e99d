"""Log input: what an exported model reads of the log."""

from pydantic import model_validator

from hinet_search.common.frozen_model import Frozen, Text
from hinet_search.study.event_definition import (
    EventsDefinition,
    LogDefinition,
    SessionDefinition,
    TimeUnit,
)


class LogInput(Frozen):
    """What is made of the log: the column of the `time` of rows, and that of users of sessions.

    `time_unit` is what numbers of time count, None for datetimes.
    """

    time: Text
    time_unit: TimeUnit | None = None
    events: EventsDefinition | None = None
    session: SessionDefinition | None = None
    user: Text | None = None

    @model_validator(mode="after")
    def _has_inputs(self) -> "LogInput":
        if self.events is None and self.session is None:
            raise ValueError("log must have events or sessions")
        if self.session is not None and self.user is None:
            raise ValueError("log must name the user of sessions")
        return self

    @property
    def definition(self) -> LogDefinition:
        """What inputs are made of a log, without the column of the time."""
        return LogDefinition(self.events, self.session, self.user or "")
