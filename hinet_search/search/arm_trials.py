"""Arm trials: a trial as it was drawn, and the trials of an arm in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from hinet_search.results.records import Scalar
from hinet_search.training.trial_config import TrialConfig


@dataclass(frozen=True)
class DrawnTrial:
    """A trial to train. `config` is None where the drawn values do not fit together.

    `problem` says why; such a trial fails before it is trained.
    """

    number: int
    drawn: Mapping[str, Scalar]
    attempt: int
    config: TrialConfig | None
    problem: str


@dataclass(frozen=True)
class TrialCounts:
    """Trials of an arm that count against its budget, and the best value so far."""

    done: int
    pruned: int
    failed: int
    best: float | None
    best_trial: int | None
