"""Calibration records: how the probabilities of a model are calibrated in every cell.

The logit of an amount is the log of the expected amount.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from hinet_search.common.frozen_model import LEFT_OUT_IF_EMPTY


@dataclass(frozen=True)
class Calibrator:
    """A strictly increasing map from logits to calibrated logits: linear between its knots.

    Outside the knots it goes on with `slope`, per unit of logit. `kind` is none (the logit itself),
    platt (one knot: the intercept at logit 0) or isotonic.
    """

    kind: str = "none"
    slope: float = 1.0
    knots: tuple[float, ...] = (0.0,)  # logits, ascending
    values: tuple[float, ...] = (0.0,)  # calibrated logits at the knots, ascending


@dataclass(frozen=True)
class CellCalibration:
    """The calibrator of one cell, and the errors of its probabilities or amounts on validation.

    "Before" is without a calibrator. "After" is cross-fitted over users: every row is calibrated
    without rows of its user. If the cell keeps the calibrator that it had, none in a study,
    `reason` says why and "after" is with that one. Errors are None in a cell without rows.
    """

    scenario: str
    task: str
    calibrator: Calibrator
    logloss_before: float | None
    logloss_after: float | None
    ece_before: float | None
    ece_after: float | None
    reason: str = ""

    @property
    def name(self) -> tuple[str, str]:
        """(scenario, task)."""
        return self.scenario, self.task


@dataclass(frozen=True)
class ScoreBins:
    """The validation rows of a task in bins of equal numbers of rows, lowest scores first.

    Every bin has the `lowest` of its scores, and means over its rows: of `labels`, and of expected
    labels before and after calibration. The latter is cross-fitted, as the errors of a cell are.
    """

    task: str
    num_rows: int
    lowest: tuple[float, ...]
    highest: float  # score of all
    labels: tuple[float, ...]
    expected: tuple[float, ...]
    calibrated: tuple[float, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of rows of every bin; they differ by one at most."""
        ends = (*first_rows(self.num_rows, len(self.lowest)), self.num_rows)
        return tuple(after - before for before, after in pairwise(ends))


def first_rows(num_rows: int, num_bins: int) -> tuple[int, ...]:
    """Return the first row of every bin."""
    return tuple(number * num_rows // num_bins for number in range(num_bins))


@dataclass(frozen=True)
class Calibration:
    """Calibration of a model or an ensemble; cells with scenarios in the outer loop.

    `bins` are of every task that has rows; empty in studies of earlier releases.
    """

    cells: tuple[CellCalibration, ...]
    bins: Annotated[tuple[ScoreBins, ...], LEFT_OUT_IF_EMPTY] = ()

    @property
    def num_changed(self) -> int:
        """The number of cells whose probabilities or amounts change."""
        return sum(cell.calibrator.kind != "none" for cell in self.cells)

    @property
    def calibrators(self) -> Mapping[tuple[str, str], Calibrator]:
        """The calibrator of every (scenario, task)."""
        return {cell.name: cell.calibrator for cell in self.cells}
