"""Rows: a study as launched, a line of a list of studies, an arm before its search."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hinet_search.results.data_record import DataRecord
from hinet_search.results.records import ArmRecord, ParameterRange, Scalar
from hinet_search.results.study_record import Budget
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
    searched_on: str = ""  # the rows of its sample, in words; empty if all rows
    # The problem of its rows; then the state is "damaged", and nothing else is known.
    damage: str = ""


def new_arm(arm: Arm, ranges: tuple[ParameterRange, ...]) -> ArmRecord:
    """Return the record of an arm before its search over these ranges."""
    fixed: dict[str, Scalar] = {}
    for name, value in arm.space.fixed.items():
        fixed[name] = "-".join(map(str, value)) if isinstance(value, tuple) else value
    return ArmRecord(
        name=arm.name,
        model=arm.model,
        ranges=ranges,
        fixed=fixed,
        trials=(),
        finalists=(),
        importances={},
        size_of=arm.size_of,
        student_of=arm.student_of,
        starts=arm.starts,
    )


def utc_now() -> str:
    """Return the current time."""
    return datetime.now(UTC).isoformat(timespec="seconds")
