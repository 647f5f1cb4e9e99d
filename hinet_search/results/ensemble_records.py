"""Ensemble records: which finalist runs a study averages, and the metrics of their average.

A study has up to two ensembles: the teacher, from whose scores its students learn, and the ensemble
that it offers to ship, of which students can be members.
"""

from dataclasses import dataclass
from typing import Literal

from hinet_search.results.calibration_records import Calibration
from hinet_search.results.records import NO_LIMITS, CellValue, Resampled, ServingLimits

TEACHER = "teacher"
ENSEMBLE = "ensemble"
# What is averaged; `probabilities` of a task of amounts are expected amounts.
Scale = Literal["logits", "probabilities"]


@dataclass(frozen=True)
class RunKey:
    """One seed of one finalist."""

    arm: str
    trial_number: int
    seed: int


@dataclass(frozen=True)
class Member:
    """A run of an ensemble and its weight; the weights of an ensemble sum to 1."""

    run: RunKey
    weight: float


@dataclass(frozen=True)
class SelectionGain:
    """Gain of the greedy selection over the plain mean on validation, with its 95 % interval.

    It is cross-fitted over users: the selection never saw the users that it is scored on. The
    values are the objective of the mean and of the selection, also cross-fitted.
    """

    estimate: float
    low: float
    high: float
    mean_value: float
    selected_value: float


@dataclass(frozen=True)
class EnsembleSize:
    """The best ensemble of `len(runs)` runs: its objective on validation, also cross-fitted."""

    runs: tuple[RunKey, ...]
    value: float
    cross_fitted: float | None


@dataclass(frozen=True)
class EnsembleRecord:
    """An ensemble: what it was chosen from, its members, and its metrics.

    `method` is `mean` (of the whole pool) or `selected`, `scale` says what is averaged.
    `gain` is None if there was nothing to select from. `copies` are pairs of runs of the pool with
    the same scores. Test cells and their resamplings are None until the ensemble is opened on test;
    a teacher never is. `limits` are the serving limits that its members meet together.
    """

    name: str
    pool: tuple[RunKey, ...]
    members: tuple[Member, ...]
    method: str
    scale: Scale
    valid_objective: float
    valid_cells: tuple[CellValue, ...]
    gain: SelectionGain | None = None
    sizes: tuple[EnsembleSize, ...] = ()
    test_cells: tuple[CellValue, ...] | None = None
    resampled: Resampled | None = None
    calibration: Calibration | None = None
    copies: tuple[tuple[RunKey, RunKey], ...] = ()
    limits: ServingLimits = NO_LIMITS

    @property
    def honest_value(self) -> float:
        """The objective on validation, cross-fitted where members were selected on it."""
        if self.method == "selected" and self.gain is not None:
            return self.gain.selected_value
        return self.valid_objective
