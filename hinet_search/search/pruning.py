"""Pruning: whether a running trial is given up, asked as seldom and answered as cheaply as can be.

Optuna's median pruner looks at all trials again for every evaluation, so its rule is kept here over sorted values. The
others keep notes of their own in Optuna's study and need it.
"""

import math
import operator
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from optuna.trial import Trial

from hinet_search.search.sampling import make_pruner
from hinet_search.spec import PrunerSpec


class Pruning:
    """The rule of one arm. Values of a trial are by step: how much it has trained, in evaluations of a pass.

    Trials are so compared after the same passes, also where a pass has too few batches for them, or a model grows in stages.
    """

    def __init__(self, spec: PrunerSpec, passes: float, evaluations_per_pass: int, *, maximize: bool) -> None:
        self.pruner = make_pruner(spec, passes, evaluations_per_pass)
        self._kind, self._evaluations_per_pass = spec.kind, evaluations_per_pass
        self._first = math.ceil(spec.after_passes * evaluations_per_pass)
        self._median = _Median(spec.startup_trials, maximize=maximize)

    def step(self, passes: float) -> int:
        """Of an evaluation after so many passes; several may be of one step."""
        return round(passes * self._evaluations_per_pass)

    def remember(self, values: Mapping[int, float]) -> None:
        """Of a trial that is complete."""
        self._median.add(values)

    def gives_up(self, trial: Trial, values: Mapping[int, float]) -> bool:
        """Whether this running trial, whose last value was just reported, ends here."""
        if self._kind == "none" or max(values) < self._first:
            return False
        return self._median.ends(values) if self._kind == "median" else trial.should_prune()


class _Median:
    """Optuna's rule: a trial ends whose best value is worse than the median of complete trials at its last step."""

    def __init__(self, startup_trials: int, *, maximize: bool) -> None:
        self._startup_trials = startup_trials
        self._best, self._is_worse = (max, operator.lt) if maximize else (min, operator.gt)
        self._num_trials = 0
        self._sorted: defaultdict[int, list[float]] = defaultdict(list)

    def add(self, values: Mapping[int, float]) -> None:
        self._num_trials += 1
        for step, value in values.items():
            insort(self._sorted[step], value)

    def ends(self, values: Mapping[int, float]) -> bool:
        others = self._sorted[max(values)]
        if self._num_trials < self._startup_trials or not others:
            return False
        middle = others[(len(others) - 1) // 2 : len(others) // 2 + 1]
        return bool(self._is_worse(self._best(values.values()), np.percentile(middle, 50)))
