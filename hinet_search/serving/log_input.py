"""Log input: what an exported model reads of the log."""

from collections.abc import Sequence
from itertools import chain
from typing import Annotated

from pydantic import Field, model_validator

from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, Frozen, Text
from hinet_search.study.event_definition import EventsDefinition, SessionDefinition, TimeUnit
from hinet_search.study.sequence_definition import SequenceDefinition


class LogInput(Frozen):
    """What is made of the log: the column of the `time` of rows, and that of users of sessions.

    `time_unit` is what numbers of time count, None for datetimes.
    """

    time: Text
    time_unit: TimeUnit | None = None
    events: EventsDefinition | None = None
    session: SessionDefinition | None = None
    user: Text | None = None
    sequences: Annotated[dict[Text, SequenceDefinition], LEFT_OUT_IF_EMPTY] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _has_inputs(self) -> "LogInput":
        if self.events is None and self.session is None and not self.sequences:
            raise ValueError("log must have events, sessions or sequences")
        if self.session is not None and self.user is None:
            raise ValueError("log must name the user of sessions")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all keys, and of the items of sequences, each once."""
        keys = () if self.events is None else self.events.keys
        users = () if self.user is None else (self.user,)
        of_sequences = (sequence.columns for sequence in self.sequences.values())
        return tuple(dict.fromkeys(chain(*keys, users, *of_sequences)))

    @property
    def numbered(self) -> tuple[str, ...]:
        """Labels and gaps of sequences, whose values are numbers of their own."""
        names: list[str] = []
        for name, sequence in self.sequences.items():
            names += sequence.part_names(name)[len(sequence.items) :]
        return tuple(names)

    def check_sequences(
        self, categorical: Sequence[str], tasks: Sequence[str], others: Sequence[str]
    ) -> None:
        """Raise ValueError unless sequences are of inputs and tasks that there are.

        Their parts must have names that no two inputs, of them and of `others`, have.
        """
        names = list(others)
        for name, sequence in self.sequences.items():
            wrong = {*sequence.items} - {*categorical} | {*sequence.labels} - {*tasks}
            if wrong:
                raise ValueError(
                    f"sequence {name} must be of categorical inputs and of tasks of 0 and 1, got "
                    f"{', '.join(sorted(wrong))}"
                )
            parts = sequence.part_names(name)
            repeated = sorted({*parts} & {*names})
            if repeated:
                raise ValueError(
                    "sequences must give every input another name, got twice: "
                    f"{', '.join(repeated)}"
                )
            names += parts
