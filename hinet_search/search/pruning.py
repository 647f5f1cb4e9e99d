"""Pruning: whether a running trial is given up, asked as seldom and answered as cheaply as can be.

Optuna's `should_prune` reads all trials back from the database, ten times a trial. The coordinator is their only writer,
so the median pruner is shown complete trials as they are remembered here; the others keep notes of their own in Optuna's
study and need it.
"""

import math
from collections.abc import Container, Iterable, Mapping
from typing import cast

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from hinet_search.search.sampling import make_pruner
from hinet_search.spec import PrunerSpec


class Pruning:
    """The rule of one arm. Values of a trial are by evaluation, counted from 1."""

    def __init__(self, spec: PrunerSpec, passes: float, evaluations_per_pass: int, *, maximize: bool) -> None:
        self.pruner = make_pruner(spec, passes, evaluations_per_pass)
        self._kind = spec.kind
        self._first = math.ceil(spec.after_passes * evaluations_per_pass)
        self._remembered = _Remembered(maximize=maximize)

    def remember(self, values: Mapping[int, float]) -> None:
        """Of a trial that is complete."""
        self._remembered.add(values)

    def gives_up(self, trial: Trial, values: Mapping[int, float]) -> bool:
        """Whether this running trial, whose last value was just reported, ends here."""
        if self._kind == "none" or max(values) < self._first:
            return False
        if self._kind == "median":
            seen = create_trial(state=TrialState.RUNNING, intermediate_values=dict(values))
            return self.pruner.prune(cast("optuna.Study", self._remembered), seen)
        return trial.should_prune()


class _Remembered:
    """The part of a study that Optuna's median pruner reads."""

    def __init__(self, *, maximize: bool) -> None:
        self.direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        self._complete: list[FrozenTrial] = []

    def add(self, values: Mapping[int, float]) -> None:
        self._complete.append(create_trial(state=TrialState.COMPLETE, value=0.0, intermediate_values=dict(values)))

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> Iterable[FrozenTrial]:  # noqa: ARG002, FBT001  as Optuna has it
        return self._complete if states is None or TrialState.COMPLETE in states else []
