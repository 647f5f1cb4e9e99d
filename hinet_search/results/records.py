"""Records: the frozen results of a study, as jobs send them and reports read them.

A cell is one (scenario, task). A missing value is None and has a reason in words beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from statistics import median
from typing import Annotated

from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY, LEFT_OUT_IF_NONE
from hinet_search.results.calibration_records import Calibration

Scalar = bool | int | float | str | None
MARGIN = 0.002
PORTFOLIO = "portfolio"  # begins the source of a start of a portfolio
DISTILLED = "distilled_"  # begins the name of a student; the rest is that of its arm
# Beginnings of the causes of trials that were drawn but not trained: outside the budget.
UNCOUNTED_CAUSES = ("duplicate", "too large", "other settings")


@dataclass(frozen=True)
class CellValue:
    """Metrics of one cell on one split. If a class is missing, `auc` is None and `reason` set.

    A metric is None if the cell has none. Every evaluation measures those that are fields, by their
    names in results/metrics; `further` are those that were asked for. Of amounts
    (results/families.py), `positives` are the rows with an amount above 0.
    """

    scenario: str
    task: str
    rows: int
    positives: int
    auc: float | None
    logloss: float | None
    gauc: float | None = None
    calibration: float | None = None
    ece: float | None = None
    reason: str = ""
    rmse: float | None = None
    mae: float | None = None
    further: Annotated[Mapping[str, float | None], LEFT_OUT_IF_EMPTY] = field(default_factory=dict)
    # How often the sum of labels is as far from that of a right model's predictions, over users.
    chance: Annotated[float | None, LEFT_OUT_IF_NONE] = None

    @property
    def name(self) -> tuple[str, str]:
        """(scenario, task)."""
        return self.scenario, self.task

    def value(self, metric: str) -> float | None:
        """Return a metric by its name, None if it was not measured or has no value."""
        value: float | None = self.further.get(metric, getattr(self, metric, None))
        return value


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluation on validation: the `step`-th, after so many `epochs` over the rows."""

    step: int
    epochs: float
    objective: float
    train_loss: float
    seconds: float
    cells: tuple[CellValue, ...]
    # Peak so far, for progress displays; the final value is in the trial's cost.
    memory_bytes: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Cost:
    """Cost of a trial. FLOPs are for the forward pass of one row; a multiply-add counts as 2."""

    parameters: int
    dense_parameters: int  # without embeddings
    flops_per_row: int
    rows_per_second: float
    seconds: float
    peak_memory_bytes: int
    device: str
    # To score 100 rows at once on `device`; measured for finalists only.
    milliseconds_per_100: float | None = None


@dataclass(frozen=True)
class TrialRecord:
    """One trial of an arm.

    `state` is complete, pruned, failed or running; `cause` says why the trial ended in it. Only a
    complete trial has a value. A coordinator keeps trials without their evaluations.
    """

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
        """Whether the trial counts towards the budget; draws that were not trained do not."""
        return not self.cause.startswith(UNCOUNTED_CAUSES)


@dataclass(frozen=True)
class GateUsage:
    """Mean weight that one gate gives to each of its experts on validation rows.

    `where` names scenario and task. Experts of the same name are one module only if their owners
    are equal. An owner is `scenario/gate`; a part is empty if the expert is shared across it.
    """

    where: str
    experts: tuple[str, ...]
    weights: tuple[float, ...]
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Insight:
    """Diagnostics of a trained model; `attention` has a row for each attending scenario."""

    attention: tuple[tuple[float, ...], ...] | None = None
    gates: tuple[GateUsage, ...] = ()


@dataclass(frozen=True)
class FinalistRun:
    """One seed of one finalist. `test_cells` is None until the finalist is opened on test."""

    seed: int
    valid_objective: float
    valid_cells: tuple[CellValue, ...]
    test_cells: tuple[CellValue, ...] | None
    evaluations: tuple[EvaluationRecord, ...]
    cost: Cost
    insight: Insight = field(default_factory=Insight)


@dataclass(frozen=True)
class Resampled:
    """Test metrics of a finalist under resamplings of the test users, each a mean over seeds.

    A resampling draws the same users for every arm, so differences have their spread over users.
    `headline` is the measure of the verdict, `cells[c]` cell c of a run, empty if it lacks a class
    in some resampling; they are weighted by the rows drawn. With `rank` in the data, `within` is
    the AUC within groups, and `headline_alone` and `within_alone` are without weights.
    """

    unit: str  # "users", or "rows" if the data have no users
    num_units: int
    headline: tuple[float, ...]
    cells: tuple[tuple[float, ...], ...]
    within: tuple[float, ...] = ()
    headline_alone: tuple[float, ...] = ()
    within_alone: tuple[float, ...] = ()

    @property
    def units_in_words(self) -> str:
        """What a resampling draws: `15,803 users`."""
        return f"{self.num_units:,} {self.unit}"


@dataclass(frozen=True)
class FinalistSummary:
    """All seeds of the chosen finalist together: metrics of their ensemble, and their spread."""

    seeds: tuple[int, ...]
    ensemble_valid_cells: tuple[CellValue, ...]
    ensemble_test_cells: tuple[CellValue, ...]
    resampled: Resampled
    calibration: Calibration | None = None  # of the seed that is best on validation
    # By input: the AUC on validation that each seed loses if its values are shuffled.
    importances: Annotated[Mapping[str, tuple[float, ...]], LEFT_OUT_IF_EMPTY] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
class FinalistRecord:
    """A configuration retrained with several seeds; `chosen` is the best mean on validation.

    `summary` is set once the finalist was opened on test.
    """

    trial_number: int
    is_default: bool
    chosen: bool
    parameters: Mapping[str, Scalar]
    runs: tuple[FinalistRun, ...]
    summary: FinalistSummary | None = None

    @property
    def is_opened(self) -> bool:
        """Whether a seed was evaluated on test."""
        return any(run.test_cells is not None for run in self.runs)

    @property
    def cost(self) -> Cost:
        """The cost of a run, with the median of the time to score over all runs."""
        times = [run.cost.milliseconds_per_100 for run in self.runs]
        known = [time for time in times if time is not None]
        return replace(self.runs[0].cost, milliseconds_per_100=median(known) if known else None)


@dataclass(frozen=True)
class ParameterRange:
    """One searched parameter as the search space declares it: kind, range or choices, default."""

    name: str
    kind: str  # int, float, categorical, widths
    low: float | None
    high: float | None
    log: bool
    choices: tuple[str, ...]
    default: Scalar
    when: str = ""
    ends: tuple[str, ...] = ("low", "high")  # that the model takes values beyond

    def wider(self, end: str) -> float:
        """Return an end (`low`, `high`) that makes the range half as wide again, on its scale.

        A low end that is positive stays so, and one of 0 stays 0.
        """
        assert self.low is not None, "a value at an end has a range"
        assert self.high is not None, "a value at an end has a range"
        by = 0.5 if end == "high" else -0.5
        limit = self.high if end == "high" else self.low
        wider = limit + by * (self.high - self.low)
        if self.log:
            wider = limit * (self.high / self.low) ** by
        elif end == "low" and limit >= 0:
            wider = max(wider, limit / 2)
        if self.kind == "int":
            return max(round(wider), min(1, round(limit)))
        return float(f"{wider:.2g}")


@dataclass(frozen=True)
class Start:
    """A configuration that an arm tries first, after its default.

    `source` says where it is from: `start 2` (of the arm), `portfolio 3` (of its space), or
    `mmoe/12` (arm and trial) of the study `study`.
    """

    values: Mapping[str, Scalar]
    source: str
    study: str = ""

    @property
    def is_of_portfolio(self) -> bool:
        """Whether it is of the portfolio of its arm's space."""
        return not self.study and self.source.startswith(PORTFOLIO)

    @property
    def origin(self) -> str:
        """Its source, with the study that it is from: `spring: mmoe/12`, `portfolio 3`."""
        return f"{self.study}: {self.source}" if self.study else self.source


@dataclass(frozen=True)
class ArmRecord:
    """One model with its search space, trials and finalists; `importances` sum to 1."""

    name: str
    model: str
    ranges: tuple[ParameterRange, ...]
    fixed: Mapping[str, Scalar]
    trials: tuple[TrialRecord, ...]
    finalists: tuple[FinalistRecord, ...]
    importances: Mapping[str, float]
    size_of: str = ""  # the arm whose size this arm has, fixed in `fixed`; empty if none
    configurations: int | None = None  # in the space, if not more than the budget's trials
    student_of: str = ""  # the finalist that a student learns as (`star/12`); else empty
    starts: tuple[Start, ...] = ()

    @property
    def default(self) -> FinalistRecord | None:
        """Its default configuration as a finalist, if it was retrained."""
        return next((finalist for finalist in self.finalists if finalist.is_default), None)

    def start_of(self, trial: TrialRecord) -> Start | None:
        """Return the start that a trial is; None for the default and for draws of the sampler."""
        if trial.is_default:
            return None
        return self._start_by_key.get(comparison_key(trial.parameters))

    @cached_property
    def _start_by_key(self) -> Mapping[tuple[tuple[str, str], ...], Start]:
        return {comparison_key(start.values): start for start in reversed(self.starts)}

    def origin_of(self, trial: TrialRecord) -> str:
        """Return the origin in words: `default`, `portfolio 3`, `spring: mmoe/12`, `sampler`."""
        start = self.start_of(trial)
        if start is not None:
            return start.origin
        return "default" if trial.is_default else "sampler"

    @property
    def trials_done(self) -> int:
        """Number of ended trials that count towards the budget, in any state."""
        return sum(trial.counts and trial.state != "running" for trial in self.trials)

    @property
    def num_failed(self) -> int:
        """Number of failed trials."""
        return sum(trial.state == "failed" for trial in self.trials)

    @property
    def is_searched_whole(self) -> bool:
        """Whether every configuration of a finite space was tried or rejected as too large."""
        if self.configurations is None:
            return False
        tried = {
            comparison_key(trial.parameters) for trial in self.trials if trial.state != "running"
        }
        return len(tried) >= self.configurations


def comparison_key(parameters: Mapping[str, Scalar]) -> tuple[tuple[str, str], ...]:
    """Return a key that is equal for equal configurations, despite rounding errors of floats."""
    texts = {
        name: f"{value:.10g}" if isinstance(value, float) else repr(value)
        for name, value in parameters.items()
    }
    return tuple(sorted(texts.items()))


@dataclass(frozen=True)
class ServingCost:
    """What it costs to score a row, and 100 rows at once; None if that was not timed."""

    flops_per_row: int
    milliseconds_per_100: float | None


@dataclass(frozen=True)
class ServingLimits:
    """What a shipped model may cost; None sets no limit.

    Milliseconds are the time to score 100 rows as one request, as measured for finalists.
    """

    max_ms_per_100_rows: float | None = None
    max_flops_per_row: float | None = None

    def share(self, cost: Cost | ServingCost) -> float:
        """Return the larger share that a model takes of the limits; above 1 it does not meet them.

        Infinite if there is a limit on a time that was not measured.
        """
        shares = [0.0]
        if self.max_ms_per_100_rows is not None:
            milliseconds = cost.milliseconds_per_100
            shares.append(inf if milliseconds is None else milliseconds / self.max_ms_per_100_rows)
        if self.max_flops_per_row is not None:
            shares.append(cost.flops_per_row / self.max_flops_per_row)
        return max(shares)

    @property
    def are_set(self) -> bool:
        """Whether there is any limit."""
        return self != NO_LIMITS


NO_LIMITS = ServingLimits()
