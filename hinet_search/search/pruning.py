"""Pruning: which running trials of an arm are given up, by Optuna's median rule.

Optuna's pruner reads all trials again at every evaluation, and keeps notes in its storage. The rule
here is the same, applied to values kept in order, and follows from our rows alone.
"""

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from hinet_search.results.trade_offs import Point, is_no_worse
from hinet_search.study.study_spec import PrunerSpec

Curve = Mapping[int, Point]  # the values of a trial by step, larger is better


class Pruning:
    """Decide which running trials of one arm are pruned.

    Values of a trial are indexed by step: its epochs, rounded in units of one evaluation's share of
    an epoch. Trials are thus compared after the same epochs, also where one has too few batches
    for all evaluations, or a model grows in stages. Nothing is pruned before `spec.after_epochs`.

    A trial is pruned if its best value is worse than the median of complete trials at its last
    step. Of several objectives this is the first, and only trials count that are at least as good
    as this one in all others, so a trial that trades the first for another one is not pruned.
    """

    def __init__(self, spec: PrunerSpec, evaluations_per_epoch: int) -> None:
        """Begin without a trial."""
        self._spec = spec
        self._evaluations_per_epoch = evaluations_per_epoch
        self._first = math.ceil(spec.after_epochs * evaluations_per_epoch)
        self._num_trials = 0
        self._sorted: defaultdict[int, list[Point]] = defaultdict(list)

    def step(self, epochs: float) -> int:
        """Return the step of an evaluation after `epochs`; several evaluations may share a step."""
        return round(epochs * self._evaluations_per_epoch)

    def remember(self, curve: Curve) -> None:
        """Add the values of a complete trial."""
        self._num_trials += 1
        for step, point in curve.items():
            insort(self._sorted[step], point)

    def gives_up(self, curve: Curve) -> bool:
        """Whether to prune a running trial whose last value was just reported."""
        last = max(curve)
        if self._spec.kind == "none" or last < self._first:
            return False
        others = self._sorted[last]
        fewest = 1
        if len(curve[last]) > 1:
            others = [point for point in others if is_no_worse(point[1:], curve[last][1:])]
            fewest = self._spec.startup_trials
        if self._num_trials < self._spec.startup_trials or len(others) < max(fewest, 1):
            return False
        middle = others[(len(others) - 1) // 2 : len(others) // 2 + 1]
        best = max(value for value, *_ in curve.values())
        return bool(best < np.percentile([value for value, *_ in middle], 50))
