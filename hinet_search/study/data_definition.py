"""Data definition: what the columns of a table mean, independent of how they are stored.

It is part of a study under `data:` or a YAML file of its own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from hinet_search.common.errors import did_you_mean
from hinet_search.common.frozen_model import (
    LEFT_OUT_IF_NONE,
    Fraction,
    Frozen,
    Large,
    PluginChoice,
    Text,
)
from hinet_search.results.cells import CellName
from hinet_search.study.event_definition import TimeUnit
from hinet_search.study.feature_definition import FeatureDefinition
from hinet_search.study.task_definition import RankDefinition, TaskDefinition, task_problems


class SourceDefinition(PluginChoice):
    """Where rows come from.

    `kind` names a file in data/sources; its Options type checks the other keys.
    """

    @property
    def in_words(self) -> str:
        """The kind, followed by all text options such as the path, in one line."""
        texts = [value for value in self.options.values() if isinstance(value, str)]
        return " ".join([self.kind, *" ".join(texts).split()])


# The column of the scenario, and its value, where every row is of the only scenario.
EVERY_ROW, ONLY = "(every row)", "only"


class ScenarioDefinition(Frozen):
    """The column with the scenario of each row, and the values to use; or the only scenario.

    `every_row` names the scenario that all rows are of; then there is no column. `values` maps a
    raw value to its display name, in the order of the report. Values with the same name form one
    scenario; rows with other values are left out. Values are compared as text: 1 matches the number
    1, 1.0 and "1". Without `values` every value of the column is a scenario, sorted.
    """

    column: Text = EVERY_ROW
    values: dict[bool | int | str, str] | None = None
    every_row: Annotated[Text | None, LEFT_OUT_IF_NONE] = None

    @model_validator(mode="before")
    @classmethod
    def _column_of_every_row(cls, given: Any) -> Any:
        """Let the only scenario be the value of a column, as others are."""
        if not isinstance(given, dict) or given.get("every_row") is None:
            return given
        of_every_row = {"column": EVERY_ROW, "values": {ONLY: given["every_row"]}}
        return given if given.keys() - {"every_row"} else {**given, **of_every_row}

    @model_validator(mode="after")
    def _either(self) -> "ScenarioDefinition":
        is_column = self.column != EVERY_ROW
        only = None if is_column else {ONLY: self.every_row}
        if is_column == (self.every_row is not None) or only not in (None, self.values):
            raise ValueError(
                "must have 'column', the column of the scenario, or 'every_row', the name of the "
                "only scenario, and not both"
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Display names of `values`, empty without them."""
        return tuple(dict.fromkeys((self.values or {}).values()))


class ColumnSplit(Frozen):
    """Split by a column of the table, which has one value per split."""

    by: Literal["column"]
    column: Text
    train: str | int = "train"
    valid: str | int = "valid"
    test: str | int = "test"


class TimeSplit(Frozen):
    """Split by cut points on the time column.

    Rows before `valid_from` are for training, rows from `test_from` on for test. Numbers are in the
    unit of the column; dates (2022-05-03) are for date and datetime columns.
    """

    by: Literal["time"]
    valid_from: int | float | str
    test_from: int | float | str

    @field_validator("valid_from", "test_from")
    @classmethod
    def _number_or_date(cls, cut: int | float | str) -> int | float | str:
        try:
            _moment(cut)
        except ValueError as error:
            raise ValueError(
                f"must be a number or an ISO date such as 2026-05-08, got {cut!r}"
            ) from error
        return cut

    @model_validator(mode="after")
    def _in_order(self) -> "TimeSplit":
        first = _moment(self.valid_from)
        second = _moment(self.test_from)
        if _kind(first) != _kind(second):
            raise ValueError(
                "valid_from and test_from must be two numbers, two dates, "
                "or two dates with an offset"
            )
        if first >= second:
            raise ValueError(
                f"valid_from must be before test_from, got {self.valid_from} and {self.test_from}"
            )
        return self


def _moment(cut: int | float | str) -> Any:
    """Convert a cut point to an ordered value; ValueError if a text is no ISO date or datetime."""
    return datetime.fromisoformat(cut) if isinstance(cut, str) else cut


def _kind(moment: float | datetime) -> tuple[bool, bool]:
    """Return the kind of a cut: number, date, or date with an offset; kinds have no order."""
    return isinstance(moment, datetime), isinstance(moment, datetime) and moment.tzinfo is not None


def _leaves_training_rows(valid: float, test: float) -> None:
    if valid + test >= 1:
        raise ValueError(
            f"valid + test must be below 1 so that training rows are left, got {valid} + {test}"
        )


class RandomSplit(Frozen):
    """Split rows by a hash of row number and seed: stable, without a random generator."""

    by: Literal["random"]
    seed: Annotated[int, Field(gt=-(2**63), lt=2**63)] = 0
    valid: Fraction = 0.1
    test: Fraction = 0.2

    @model_validator(mode="after")
    def _some_training(self) -> "RandomSplit":
        _leaves_training_rows(self.valid, self.test)
        return self


class UserSplit(Frozen):
    """Split users by a hash of user id and seed: all rows of a user are in one split."""

    by: Literal["user"]
    seed: Annotated[int, Field(gt=-(2**63), lt=2**63)] = 0
    valid: Fraction = 0.1
    test: Fraction = 0.2

    @model_validator(mode="after")
    def _some_training(self) -> "UserSplit":
        _leaves_training_rows(self.valid, self.test)
        return self


Split = Annotated[ColumnSplit | TimeSplit | RandomSplit | UserSplit, Field(discriminator="by")]


class DataDefinition(Frozen):
    """What the columns of a table mean.

    `rank` names the rows that a ranking orders together, for metrics within these groups and inputs
    as of their first row. `time_unit` is what the numbers of a time column count, `s`, `ms`, `us`
    or `ns`; events, sessions, sequences and visits need it. `never_features` lists outcomes (play
    time) and keys; using one of them as a feature is an error. `weight` is a column of numbers of
    at least 0: what a row counts in training, in units of the mean of the training rows; metrics
    count all rows alike. `minimum_frequency` maps rarer ids to 0 = unknown. `not_finite` sets how
    NaN and infinity in numeric features are handled: refuse (default), impute (the training mean,
    with a flag), or drop the rows. Null is always imputed with a flag. With `unlabelled: drop`,
    rows that lack the label of a task of their scenario are left out; else they are refused, or by
    a rule `equals` count as 0. If a source has a column `truth_TASK`, it is the true probability of
    that task: it gives the reachable AUC and is never a feature.
    """

    source: SourceDefinition
    scenario: ScenarioDefinition
    tasks: dict[Text, TaskDefinition] = Field(min_length=1)
    features: FeatureDefinition
    split: Split
    user: Text | None = None
    item: Text | None = None
    time: Text | None = None
    time_unit: Annotated[TimeUnit | None, LEFT_OUT_IF_NONE] = None
    rank: Annotated[RankDefinition | None, LEFT_OUT_IF_NONE] = None
    weight: Annotated[Text | None, LEFT_OUT_IF_NONE] = None
    never_features: tuple[Text, ...] = ()
    minimum_frequency: Large = 1
    not_finite: Literal["refuse", "impute", "drop"] = "refuse"
    unlabelled: Annotated[Literal["drop"] | None, LEFT_OUT_IF_NONE] = None

    @model_validator(mode="after")
    def _consistent(self) -> "DataDefinition":
        if self.scenario.values is not None:
            problems = task_problems(self.tasks, self.scenario.names)
            if problems:
                raise ValueError("; ".join(problems))
        self._check_outcomes()
        self._check_weight()
        if isinstance(self.split, TimeSplit) and self.time is None:
            raise ValueError("a split by time needs the key 'time' (the time column)")
        self._check_events()
        self._check_sequences()
        self._check_rank()
        if isinstance(self.split, UserSplit) and self.user is None:
            raise ValueError("a split by user needs the key 'user' (the user column)")
        matches = self.features.matches
        if matches is not None and (matches.rates or matches.similarity) and self.user is None:
            raise ValueError(
                "rates and similarity of matches need the key 'user' "
                "(one list of every user counts)"
            )
        return self

    def _check_outcomes(self) -> None:
        """Raise ValueError if a feature or the clock of statistics is an outcome."""
        labels = {task.column for task in self.tasks.values()}
        barred = {**dict.fromkeys(self.never_features, "is listed in never_features")}
        barred |= dict.fromkeys(labels, "is the label of a task")
        barred |= {truth_column(task): "is the true probability of a task" for task in self.tasks}
        if isinstance(self.split, ColumnSplit):
            barred[self.split.column] = "is the split column"
        wrong = [
            f"{name} {barred[name]}" for name in sorted(self.features.seen_columns & set(barred))
        ]
        if wrong:
            raise ValueError(f"a feature must not be an outcome: {'; '.join(wrong)}")
        statistics = self.features.statistics
        if statistics is not None and statistics.clock in labels:
            raise ValueError(
                "the clock of statistics must be a column of days, "
                f"got the label {statistics.clock}"
            )

    def _check_weight(self) -> None:
        """Raise ValueError if the column of weights has another use too."""
        statistics = self.features.statistics
        uses: dict[str, list[str | None]] = {
            "scenario": [self.scenario.column],
            "tasks": [task.column for task in self.tasks.values()],
            "features": [*self.features.seen_columns, statistics.clock if statistics else None],
            "split": [self.split.column] if isinstance(self.split, ColumnSplit) else [],
            **{key: [getattr(self, key)] for key in ("user", "item", "time")},
        }
        others = [key for key, columns in uses.items() if self.weight in columns]
        if self.weight is not None and others:
            raise ValueError(
                f"weight must be a column of weights alone, got '{self.weight}', which is in "
                f"{' and '.join(others)} too; take it out there, or copy it to a column of its own"
            )

    def _check_events(self) -> None:
        """Raise ValueError if keys that inputs of the log need are missing."""
        features = self.features
        declared = {
            "events": features.events is not None,
            "session": features.session is not None,
            "sequences": bool(features.sequences),
        }
        for name, is_declared in declared.items():
            if is_declared and self.time is None:
                raise ValueError(
                    f"features.{name} needs the key 'time' (a column with the moment of each row)"
                )
        if features.session is not None and self.user is None:
            raise ValueError("features.session needs the key 'user' (the user column)")
        if self.time_unit is not None and self.time is None:
            raise ValueError("time_unit is of the column under 'time', which is missing; name it")

    def _check_sequences(self) -> None:
        """Raise ValueError if a label of a sequence does not belong to a task of 0 and 1."""
        known = [name for name, task in self.tasks.items() if not task.is_amount]
        for name, sequence in self.features.sequences.items():
            for label in sequence.labels:
                if label not in known:
                    raise ValueError(
                        f"sequence {name}: label '{label}' must be the name of a task of 0 and 1, "
                        f"got {', '.join(known) or 'none'}{did_you_mean(label, known)}"
                    )

    def _check_rank(self) -> None:
        """Raise ValueError if a key that visits need is missing, or a group is an outcome."""
        if self.rank is None:
            return
        missing = [key for key in ("user", "time") if getattr(self, key) is None]
        if self.rank.visit is not None and missing:
            raise ValueError(
                f"rank.visit needs the keys 'user' and 'time', got no '{missing[0]}'; name its "
                "column, or write rank.group with the columns of a request"
            )
        labels = [task.column for task in self.tasks.values()]
        wrong = [name for name in self.group_columns if name in labels]
        if wrong:
            raise ValueError(f"rank.group must not hold the label of a task, got {wrong[0]}")

    @property
    def group_columns(self) -> tuple[Text, ...]:
        """The columns of `rank.group`, none without it."""
        return () if self.rank is None else self.rank.group or ()

    def absent_cells(self, scenarios: Sequence[str]) -> tuple[CellName, ...]:
        """The (scenario, task) without labels, among these scenarios."""
        absent: list[CellName] = []
        for scenario in scenarios:
            without = [name for name, task in self.tasks.items() if not task.is_in(scenario)]
            absent += [(scenario, name) for name in without]
        return tuple(absent)


def truth_column(task: str) -> str:
    """Return the name of the column with the true probability of a task."""
    return f"truth_{task}"


def split_in_words(split: ColumnSplit | TimeSplit | RandomSplit | UserSplit) -> str:
    """Describe the split as in reports: `time: valid from 2022-05-03, test from 2022-05-04`."""
    if isinstance(split, ColumnSplit):
        return f"by column '{split.column}'"
    if isinstance(split, TimeSplit):
        return f"time: valid from {split.valid_from}, test from {split.test_from}"
    kind = "random rows" if isinstance(split, RandomSplit) else "by user"
    return f"{kind}: {split.valid:.0%} valid, {split.test:.0%} test, seed {split.seed}"
