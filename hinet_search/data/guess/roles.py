"""Roles: what every column of a table means to a study, guessed or given."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from hinet_search.data.guess.column_facts import ColumnFacts
from hinet_search.data.guess.thresholds import Threshold

GIVEN = "given"  # a reason
NO_SCENARIO = "none"  # given in place of a column: every row is of the only scenario


@dataclass(frozen=True)
class ColumnRole:
    """A column in its role, with the reason; `to_check` is empty when sure."""

    column: ColumnFacts
    reason: str
    to_check: str = ""

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.column.name

    def doubted(self, *doubts: str) -> "ColumnRole":
        """The role with further doubts; empty ones do not count."""
        return replace(self, to_check="; ".join(filter(None, [self.to_check, *doubts])))


@dataclass(frozen=True)
class ColumnRoles:
    """The roles of all columns. `scenario` is None where no column fits; tasks may be empty.

    A weight is never guessed.
    """

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
    weight: ColumnRole | None = None

    @property
    def ids(self) -> list[ColumnFacts]:
        """The user and the item, as far as the table has them."""
        return [role.column for role in (self.user, self.item) if role]

    @property
    def features(self) -> list[ColumnFacts]:
        """Categorical and numeric features."""
        return [role.column for role in (*self.categorical, *self.numeric)]

    def without(self, names: Collection[str]) -> "ColumnRoles | None":
        """The roles without these features; None if no feature would be left."""
        categorical = tuple(role for role in self.categorical if role.name not in names)
        numeric = tuple(role for role in self.numeric if role.name not in names)
        if not (categorical or numeric):
            return None
        return replace(self, categorical=categorical, numeric=numeric)

    def with_outcomes(self, outcomes: Collection[ColumnRole]) -> "ColumnRoles":
        """The roles with these features as outcomes; unchanged if no feature would be left."""
        rest = self.without({outcome.name for outcome in outcomes})
        return replace(rest, outcomes=(*self.outcomes, *outcomes)) if rest else self

    def with_doubts(self, doubts: Mapping[str, str]) -> "ColumnRoles":
        """The roles with doubts about features, by name of the column."""
        categorical = tuple(role.doubted(doubts.get(role.name, "")) for role in self.categorical)
        numeric = tuple(role.doubted(doubts.get(role.name, "")) for role in self.numeric)
        return replace(self, categorical=categorical, numeric=numeric)


@dataclass(frozen=True)
class KnownRoles:
    """Names of columns whose roles are given and not guessed.

    `roles` maps scenario, user, item, time, split and weight to columns, `tasks` the name of a task
    to its label. Where tasks are given, other columns that are named like a task are outcomes.
    `scenarios_of_tasks` are named by tasks as having them.
    `thresholds` make labels of numbers; such a number is no feature.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    scenarios_of_tasks: frozenset[str] = frozenset()
    never_features: tuple[str, ...] = ()
    thresholds: tuple[Threshold, ...] = ()

    def with_threshold(self, threshold: Threshold) -> "KnownRoles":
        """The roles with a task that is made of a column."""
        return replace(
            self,
            tasks={**self.tasks, threshold.name: threshold.label},
            never_features=tuple(dict.fromkeys((*self.never_features, threshold.column))),
            thresholds=(*self.thresholds, threshold),
        )

    @property
    def columns(self) -> frozenset[str]:
        """All names that are given."""
        return frozenset((*self.roles.values(), *self.tasks.values(), *self.never_features))


NOTHING_GIVEN = KnownRoles()
