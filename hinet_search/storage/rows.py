"""Rows: the frozen records that a coordinator writes to storage and reads back, and their time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hinet_search.results.data_record import DataRecord
from hinet_search.results.records import (
    UNCOUNTED_CAUSES,
    Budget,
    Cost,
    ParameterRange,
    Scalar,
    Start,
)
from hinet_search.study.load_study import Arm


@dataclass(frozen=True)
class StudyRow:
    """A study as launched. `spec_json` is its identity, compared at the next launch of the name.

    `state` is running, stopped or done; `started` and `updated` are ISO 8601 in UTC. `uuid` is
    unique: a study of the same name in another database, or in this one after a deletion, has
    another one.
    """

    name: str
    uuid: str
    state: str
    spec_json: str
    study_yaml: str
    command: str
    description: str
    objective: str
    maximize: bool
    sampler: str
    pruner: str
    seed: int
    slots: int
    budget: Budget
    data: DataRecord
    versions: Mapping[str, str]
    started: str
    updated: str
    seconds: float = 0.0
    reference: str = "single"  # the arm that gains are measured against
    verdict: str = ""  # the verdict's sentence; empty unless the study is done
    other_objectives: tuple[str, ...] = ()  # after the first


@dataclass(frozen=True)
class ArmRow:
    """One model with its space. Importances are known once the arm is done."""

    name: str
    model: str
    ranges: tuple[ParameterRange, ...]
    fixed: Mapping[str, Scalar]
    importances: Mapping[str, float] = field(default_factory=dict)
    size_of: str = ""  # the arm or model whose size `model.dense_parameters` is fixed to
    student_of: str = ""  # the finalist that a student learns as (`star/12`); else empty
    starts: tuple[Start, ...] = ()

    @classmethod
    def of(cls, arm: Arm) -> "ArmRow":
        """Return the row of an arm before its search."""
        fixed: dict[str, Scalar] = {}
        for name, value in arm.space.fixed.items():
            fixed[name] = "-".join(map(str, value)) if isinstance(value, tuple) else value
        return cls(
            arm.name,
            arm.model,
            arm.space.ranges(),
            fixed,
            size_of=arm.size_of,
            student_of=arm.student_of,
            starts=arm.starts,
        )


@dataclass(frozen=True)
class TrialRow:
    """A trial without its evaluations.

    A trial with a `cause` of "duplicate ..." or "too large ..." is outside the budget. `state` is
    running, complete, pruned or failed; only a complete trial has a value. Times are ISO 8601 in
    UTC.
    """

    number: int
    attempt: int
    is_default: bool
    parameters: Mapping[str, Scalar]
    started: str
    state: str = "running"
    value: float | None = None
    finished: str = ""
    cause: str = ""
    cost: Cost | None = None

    @property
    def counts(self) -> bool:
        """Whether the trial counts against the budget, because it was trained."""
        return not self.cause.startswith(UNCOUNTED_CAUSES)


@dataclass(frozen=True)
class StudySummary:
    """One line of a list of studies.

    `done` counts the trained trials of all arms, `budget` the trials that they may have.
    """

    name: str
    state: str
    objective: str
    done: int
    budget: int
    best_value: float | None
    best_arm: str | None
    updated: str
    verdict: str = ""  # the verdict's sentence; empty unless the study is done
    inputs: str = ""  # what groups of inputs are worth, in a sentence; empty if not measured
    # The problem of its rows; then the state is "damaged", and nothing else is known.
    damage: str = ""


def utc_now() -> str:
    """Return the current time."""
    return datetime.now(UTC).isoformat(timespec="seconds")
