"""Rows: what the one who runs a study hands to storage and gets back, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hinet_search.records import Budget, Cost, DataRecord, ParameterRange, Scalar


@dataclass(frozen=True)
class StudyRow:
    """A study as launched. `spec_json` is its own frozen form, compared at the next launch of the same name.

    `state` is running, stopped or done; `started` and `updated` are ISO 8601 in UTC. `uuid` is of this study alone: one of
    the same name in another database, or in this one after it was deleted, has another.
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
    verdict: str = ""  # its sentence; empty until a launch has ended


@dataclass(frozen=True)
class ArmRow:
    """One model with its space. Importances are known when the arm is done."""

    name: str
    model: str
    ranges: tuple[ParameterRange, ...]
    fixed: Mapping[str, Scalar]
    importances: Mapping[str, float] = field(default_factory=dict)
    size_of: str = ""  # the arm or model that `model.dense_parameters` is fixed to the size of


@dataclass(frozen=True)
class TrialRow:
    """What we keep of a trial beside Optuna. A `cause` of "duplicate ..." or "too large ..." is outside the budget."""

    number: int
    attempt: int
    config_hash: str
    is_default: bool
    cause: str = ""
    cost: Cost | None = None


@dataclass(frozen=True)
class StudySummary:
    """One line of a list of studies. `done` counts trained trials of all arms, `budget` those that will be."""

    name: str
    state: str
    objective: str
    done: int
    budget: int
    best_value: float | None
    best_arm: str | None
    updated: str
    verdict: str = ""  # its sentence; empty until a launch has ended
