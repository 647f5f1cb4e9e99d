"""Rows whose true logits are known, and models that get their logits wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hinet_search.results.calibration_records import Calibration
from hinet_search.results.cells import make_cells
from hinet_search.results.statistics.calibrators import apply, calibrate

TASKS = ("click", "order")
Logits = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledRows:
    """Rows as `calibrate` takes them, and their true logits."""

    logits_RT: NDArray[np.float32]
    labels_RT: NDArray[np.uint8]
    scenario_R: NDArray[np.int16]
    user_R: NDArray[np.int32]
    true_RT: Logits = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def arguments(self) -> tuple[NDArray[np.generic], ...]:
        return self.logits_RT, self.labels_RT, self.scenario_R, self.user_R

    def taken(self, order: NDArray[np.int64]) -> "LabelledRows":
        return LabelledRows(*(column[order] for column in self.arguments))


def unchanged(true: Logits) -> Logits:
    return true


def doubled(true: Logits) -> Logits:
    return 2 * true + 1


def cubic(true: Logits) -> Logits:
    return true + 0.4 * true**3


def drawn(
    seed: int, warp: Callable[[Logits], Logits], num_rows: int, num_scenarios: int = 2
) -> LabelledRows:
    """`num_rows` of each scenario, five of a user; labels are drawn from the true logits."""
    draw = np.random.default_rng(seed)
    shape = (num_rows * num_scenarios, len(TASKS))
    true_RT = draw.normal(size=shape) - (0.0, 1.0)
    return LabelledRows(
        logits_RT=warp(true_RT).astype(np.float32),
        labels_RT=(draw.random(shape) < expit(true_RT)).astype(np.uint8),
        scenario_R=draw.permutation(np.repeat(np.arange(num_scenarios), num_rows)).astype(np.int16),
        user_R=draw.integers(shape[0] // 5, size=shape[0]).astype(np.int32),
        true_RT=true_RT,
    )


def applied(
    calibration: Calibration, logits_RT: NDArray[np.float32], scenario_R: NDArray[np.int16]
) -> NDArray[np.float32]:
    """Logits of the scenarios s0, s1, ... and some of TASKS, calibrated."""
    scenarios = [f"s{number}" for number in range(int(scenario_R.max()) + 1)]
    cells = make_cells(scenarios, TASKS[: logits_RT.shape[1]])
    return apply(calibration.calibrators, cells, logits_RT, scenario_R)


def fitted(rows: LabelledRows) -> Calibration:
    """The calibration of rows of `drawn`."""
    scenarios = [f"s{number}" for number in range(int(rows.scenario_R.max()) + 1)]
    return calibrate(*rows.arguments, make_cells(scenarios, TASKS), seed=0)  # type: ignore[arg-type]
