"""Spending: the best validation value of an arm after a time of training, and who was ahead when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hinet_search.compare import budget_curve, title
from hinet_search.records import StudyRecord
from hinet_search.report import reading

SHARES = (0.25, 0.5, 1.0)  # of the training time that every arm had


@dataclass(frozen=True)
class Spent:
    """One arm: best value so far at each change as (seconds, value), and the seconds its trials trained in all."""

    name: str
    is_focus: bool
    changes: tuple[tuple[float, float], ...]
    seconds: float

    @property
    def best(self) -> float:
        """The best value of all."""
        return self.changes[-1][1]

    def at(self, seconds: float) -> float | None:
        """The best value after that time; None before the first."""
        return next((value for when, value in reversed(self.changes) if when <= seconds), None)


@dataclass(frozen=True)
class Lead:
    """Who was ahead after a share of the common time, and with which value."""

    share: float
    name: str
    value: float


def spent(record: StudyRecord) -> list[Spent]:
    """All arms with a value, best first."""
    focus, found = reading.focus_of(record), []
    for arm in record.arms:
        points = budget_curve(record, arm)
        if points:
            changes = [(points[0].seconds, points[0].best)]
            changes += [(here.seconds, here.best) for before, here in pairwise(points) if here.best != before.best]
            found.append(Spent(title(arm.name), arm == focus, tuple(changes), points[-1].seconds))
    return sorted(found, key=lambda arm: arm.best, reverse=record.maximize)


def common_time(arms: Sequence[Spent]) -> float:
    """Seconds that every arm has trained."""
    return min(arm.seconds for arm in arms)


def leaders(arms: Sequence[Spent], *, maximize: bool) -> Iterator[Lead]:
    """The best arm after each share of the common time; none where no arm had a value by then."""
    pick = max if maximize else min
    for share in SHARES:
        known = [(value, arm.name) for arm in arms if (value := arm.at(share * common_time(arms))) is not None]
        if known:
            value, name = pick(known, key=lambda pair: pair[0])
            yield Lead(share, name, value)
