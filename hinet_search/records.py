"""Records: what a study leaves behind, frozen. All that a report may read, and what jobs send home.

A cell is one (scenario, task). Missing values are None and come with the reason in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hinet_search.insight import Insight

if TYPE_CHECKING:
    import polars as pl

Scalar = bool | int | float | str | None


@dataclass(frozen=True)
class CellValue:
    """Metrics of one (scenario, task) on one split. `auc` is None when a class is missing; `reason` says so."""

    scenario: str
    task: str
    rows: int
    positives: int
    auc: float | None
    logloss: float | None
    gauc: float | None = None
    calibration: float | None = None  # sum of predicted probabilities over number of positives
    ece: float | None = None  # expected calibration error, 10 equal-count bins
    reason: str = ""


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluation on validation; `step` counts them from 1, `passes` is the position in the training data."""

    step: int
    passes: float
    objective: float
    train_loss: float
    seconds: float
    cells: tuple[CellValue, ...]
    memory_bytes: int = field(
        default=0, compare=False
    )  # at its peak so far: for whoever watches; a trial's cost has it


@dataclass(frozen=True)
class Cost:
    """What a trial cost. FLOPs are of one forward row (a multiply-add counts 2)."""

    parameters: int
    dense_parameters: int  # without embeddings
    flops_per_row: int
    rows_per_second: float
    seconds: float
    peak_memory_bytes: int
    device: str
    milliseconds_per_100: float | None = None  # to score 100 rows at once on `device`; measured for finalists only


@dataclass(frozen=True)
class TrialRecord:
    """One trial of an arm. `state` is complete, pruned, failed or running; `cause` says why it ended as it did."""

    number: int
    state: str
    value: float | None
    parameters: Mapping[str, Scalar]
    is_default: bool
    cause: str
    evaluations: tuple[EvaluationRecord, ...]
    cost: Cost | None
    started: str = ""  # ISO 8601, UTC
    finished: str = ""
    attempt: int = 1

    @property
    def counts(self) -> bool:
        """Whether the trial was trained: duplicates and oversized draws are outside the budget."""
        return not self.cause.startswith(("duplicate", "too large"))


@dataclass(frozen=True)
class FinalistRun:
    """One seed of one finalist. `test_cells` is None until (and unless) the finalist is opened on test."""

    seed: int
    valid_objective: float
    valid_cells: tuple[CellValue, ...]
    test_cells: tuple[CellValue, ...] | None
    evaluations: tuple[EvaluationRecord, ...]
    cost: Cost
    insight: Insight = field(default_factory=Insight)


@dataclass(frozen=True)
class Resampled:
    """Test metrics of a finalist, each the mean over its seeds, under `len(headline)` resamplings of the test's users.

    Resampling r draws the same users for every arm of a study, so that a difference of two arms has its spread over
    users too. `headline` is the measure of the verdict; `cells[c]` are the values of cell c, in the order of the cells
    of a run, and empty when the cell lacks a class in some resampling.
    """

    unit: str  # "users", or "rows" where the data have no users
    num_units: int
    headline: tuple[float, ...]
    cells: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class FinalistSummary:
    """What all seeds of a chosen finalist give together: the mean of their probabilities as a model, and their spread."""

    seeds: tuple[int, ...]
    ensemble_valid_cells: tuple[CellValue, ...]
    ensemble_test_cells: tuple[CellValue, ...]
    resampled: Resampled


@dataclass(frozen=True)
class FinalistRecord:
    """A configuration retrained with several seeds; `chosen` is the one with the best mean validation objective.

    `summary` is there once the finalist was opened on test.
    """

    trial_number: int
    is_default: bool
    chosen: bool
    parameters: Mapping[str, Scalar]
    runs: tuple[FinalistRun, ...]
    summary: FinalistSummary | None = None


@dataclass(frozen=True)
class ParameterRange:
    """One searched parameter as the space declares it, in words a reader knows (`3e-4 to 5e-3, log`)."""

    name: str
    kind: str  # int, float, categorical, widths
    low: float | None
    high: float | None
    log: bool
    choices: tuple[str, ...]
    default: Scalar
    when: str = ""


@dataclass(frozen=True)
class ArmRecord:
    """One model with its space: its trials, finalists and importances (parameter name -> share, sums to 1)."""

    name: str
    model: str
    ranges: tuple[ParameterRange, ...]
    fixed: Mapping[str, Scalar]
    trials: tuple[TrialRecord, ...]
    finalists: tuple[FinalistRecord, ...]
    importances: Mapping[str, float]
    size_of: str = ""  # the arm whose size this one was given, as `fixed` says; or empty


@dataclass(frozen=True)
class CellCount:
    """Rows and positives of one cell in the three splits, in the order train, valid, test; and the reachable AUC."""

    scenario: str
    task: str
    rows: tuple[int, int, int]
    positives: tuple[int, int, int]
    reachable_auc: float | None = None  # on test, known for synthetic data only


@dataclass(frozen=True)
class LeakSuspect:
    """An input whose AUC for a task on training rows, alone, is above .95 or below .05."""

    feature: str
    task: str
    auc: float


@dataclass(frozen=True)
class DataRecord:
    """The data of a study in numbers. `leaks` is None where nobody looked for them."""

    source: str
    fingerprint: str
    split: str  # in words: "by column 'split'", "time: valid from 2022-05-03, test from 2022-05-04"
    rows: tuple[int, int, int]  # train, valid, test
    scenarios: tuple[str, ...]
    tasks: tuple[str, ...]
    num_categorical: int
    num_numeric: int
    cells: tuple[CellCount, ...]
    warnings: tuple[str, ...] = ()
    groups: Mapping[str, int] = field(default_factory=dict)  # inputs of every group that a search can leave out
    leaks: tuple[LeakSuspect, ...] | None = None


@dataclass(frozen=True)
class Budget:
    """What every arm may spend."""

    trials: int
    passes: float
    finalist_seeds: int
    finalist_top: int
    wall_clock_seconds: float | None = None
    cost_limit: float | None = None  # times the FLOPs per row of the default HiNet that a draw may need


@dataclass(frozen=True, repr=False)
class StudyRecord:
    """A study as stored: everything a report needs, nothing else is read. `trials`, `evaluations` and `finalists` are
    the same as tables."""

    name: str
    description: str
    state: str  # running, stopped, interrupted (whoever ran it is gone), done
    objective: str
    maximize: bool
    sampler: str
    pruner: str
    seed: int
    slots: int
    budget: Budget
    data: DataRecord
    arms: tuple[ArmRecord, ...]
    study_yaml: str
    command: str
    versions: Mapping[str, str]
    test_openings: int  # of this data fingerprint, in this database
    started: str = ""
    updated: str = ""
    seconds: float = 0.0
    reference: str = "single"  # the arm that gains are measured against

    @property
    def trials(self) -> "pl.DataFrame":
        """A row per trial, with every searched setting in a column of its name."""
        from hinet_search import frames

        return frames.trials(self)

    @property
    def evaluations(self) -> "pl.DataFrame":
        """A row per evaluation on validation, of trials and of finalists (`seed`)."""
        from hinet_search import frames

        return frames.evaluations(self)

    @property
    def finalists(self) -> "pl.DataFrame":
        """A row per finalist, seed, split (valid, test) and cell."""
        from hinet_search import frames

        return frames.finalists(self)

    def __repr__(self) -> str:
        from hinet_search import notebook

        return notebook.line(self)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from hinet_search import notebook

        return notebook.html(self)
