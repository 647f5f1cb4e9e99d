"""Roles: what every column of a table means to a study, guessed or given."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hinet_search.data.guess.column_facts import ColumnFacts


@dataclass(frozen=True)
class ColumnRole:
    """A column in its role, with the reason; `to_check` is empty when sure."""

    column: ColumnFacts
    reason: str
    to_check: str = ""


@dataclass(frozen=True)
class ColumnRoles:
    """The roles of all columns. `scenario` is None where no column fits; tasks may be empty."""

    scenario: ColumnRole | None
    tasks: tuple[ColumnRole, ...]
    user: ColumnRole | None
    item: ColumnRole | None
    time: ColumnRole | None
    split: ColumnRole | None
    categorical: tuple[ColumnRole, ...]
    numeric: tuple[ColumnRole, ...]
    outcomes: tuple[ColumnRole, ...]
    left_out: tuple[ColumnRole, ...]


@dataclass(frozen=True)
class KnownRoles:
    """Names of columns whose roles are given and not guessed; None leaves a role to the guess.

    `tasks` maps the name of a task to its label. Where tasks are given, other columns that are
    named like a task are outcomes. `scenarios_of_tasks` are named by tasks as having them.
    """

    scenario: str | None = None
    tasks: Mapping[str, str] = field(default_factory=dict)
    scenarios_of_tasks: frozenset[str] = frozenset()
    user: str | None = None
    item: str | None = None
    time: str | None = None
    split: str | None = None
    never_features: tuple[str, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """All names that are given."""
        single = (self.scenario, self.user, self.item, self.time, self.split)
        given = [name for name in single if name is not None]
        return frozenset((*given, *self.tasks.values(), *self.never_features))
