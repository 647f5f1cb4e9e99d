"""Strategy: what a search has to decide, as the simulated clock asks it.

The standard library alone: strategies of other libraries are of this form too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from replay.table import Table, Values


class Decision(Enum):
    """What becomes of a training after an evaluation."""

    GO_ON = "go on"
    STOP = "stop"  # for good
    PAUSE = "pause"  # it may be resumed later, from where it is


@dataclass(frozen=True)
class New:
    """Train new values, or the table's default where there are none."""

    values: Values | None


@dataclass(frozen=True)
class Resume:
    """Go on with a paused trial."""

    trial: int


class Strategy(Protocol):
    """A search of one space. Trials are numbered from 0 in the order in which they start."""

    def next(self) -> New | Resume:
        """Return what a free slot should do."""

    def started(self, trial: int, values: Values) -> None:
        """Learn the number and the true values of the last proposal: the nearest in the table."""

    def evaluated(self, trial: int, epochs: float, value: float) -> Decision:
        """Learn a value after so many epochs; decide whether the training goes on."""

    def ended(self, trial: int, value: float) -> None:
        """Learn the best value of a training that came to its own end."""


MakeStrategy = Callable[[Table, int], Strategy]  # the integer is a seed
