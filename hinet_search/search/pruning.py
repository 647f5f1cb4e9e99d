"""Pruning: which running trials of an arm are given up, by the rules of Optuna's pruners.

Optuna's pruners read all trials again at every evaluation, and keep notes in its storage. The rules
here are the same, applied to values kept in order, and follow from our rows alone.
"""

import math
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Mapping
from zlib import crc32

import numpy as np

from hinet_search.results.trade_offs import Point, is_no_worse
from hinet_search.study.study_spec import PrunerSpec

REDUCTION = 2  # of the trials at a rung, one in so many goes on

Curve = Mapping[int, Point]  # the values of a trial by step, larger is better


class Pruning:
    """Decide which running trials of one arm are pruned.

    Values of a trial are indexed by step: its passes, rounded in units of one evaluation's share of
    a pass. Trials are thus compared after the same passes, also where a pass has too few batches
    for all evaluations, or a model grows in stages. Nothing is pruned before `spec.after_passes`.
    """

    def __init__(
        self, spec: PrunerSpec, passes: float, evaluations_per_pass: int, name: str
    ) -> None:
        """Begin without a trial; with hyperband, `name` and its number decide a trial's bracket."""
        self._evaluations_per_pass = evaluations_per_pass
        self._first = math.ceil(spec.after_passes * evaluations_per_pass)
        last = max(self._first + 1, math.ceil(passes * evaluations_per_pass))
        self._rule = _rule(spec, self._first, last, name)

    def step(self, passes: float) -> int:
        """Return the step of an evaluation after `passes`; several evaluations may share a step."""
        return round(passes * self._evaluations_per_pass)

    def take_in(self, number: int, curve: Curve) -> None:
        """Add the values of a stored trial in whatever state."""
        self._rule.take_in(number, curve)

    def remember(self, curve: Curve) -> None:
        """Add the values of a complete trial."""
        self._rule.remember(curve)

    def gives_up(self, number: int, curve: Curve) -> bool:
        """Whether to prune a running trial whose last value was just reported."""
        return max(curve) >= self._first and self._rule.ends(number, curve)


def _rule(spec: PrunerSpec, first: int, last: int, name: str) -> "_Median | _Halving | _Never":
    if spec.kind == "median":
        return _Median(spec.startup_trials)
    lowest = max(1, first)
    if spec.kind == "asha":
        return _Halving(lowest, 1, name)
    if spec.kind == "hyperband":
        return _Halving(lowest, 1 + math.floor(math.log(last / lowest, REDUCTION)), name)
    return _Never()


class _Never:
    """End no trial.

    Like all rules, it may learn of the values of stored trials (`take_in`) and of complete ones
    (`remember`); `ends` says whether a running trial ends at its last value.
    """

    def take_in(self, number: int, curve: Curve) -> None:
        pass

    def remember(self, curve: Curve) -> None:
        pass

    def ends(self, number: int, curve: Curve) -> bool:  # noqa: ARG002
        return False


class _Median:
    """Optuna's median rule, for one objective or several.

    Prune a trial whose best value is worse than the median of complete trials at its last step. Of
    several objectives this is the first, and only those trials count that are at least as good as
    this one in all others, so a trial that trades the first for another one is not pruned.
    """

    def __init__(self, startup_trials: int) -> None:
        self._startup_trials = startup_trials
        self._num_trials = 0
        self._sorted: defaultdict[int, list[Point]] = defaultdict(list)

    def take_in(self, number: int, curve: Curve) -> None:
        pass

    def remember(self, curve: Curve) -> None:
        self._num_trials += 1
        for step, point in curve.items():
            insort(self._sorted[step], point)

    def ends(self, number: int, curve: Curve) -> bool:  # noqa: ARG002
        last = max(curve)
        others = self._sorted[last]
        fewest = 1
        if len(curve[last]) > 1:
            others = [point for point in others if is_no_worse(point[1:], curve[last][1:])]
            fewest = self._startup_trials
        if self._num_trials < self._startup_trials or len(others) < max(fewest, 1):
            return False
        middle = others[(len(others) - 1) // 2 : len(others) // 2 + 1]
        best = max(value for value, *_ in curve.values())
        return bool(best < np.percentile([value for value, *_ in middle], 50))


class _Halving:
    """Optuna's asynchronous successive halving (asha), in one bracket or in several (hyperband).

    A trial that reaches the next rung of its bracket is compared with all that were there before:
    it goes on if it is among the best half of them, and alone if it is the best. The rungs of
    bracket b are at steps lowest * 2^b, lowest * 2^(b+1), and so on.
    """

    def __init__(self, lowest: int, num_brackets: int, name: str) -> None:
        self._lowest = lowest
        self._name = name
        self._rungs: Counter[int] = Counter()  # that a trial has reached, by its number
        self._sorted: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        self._shares = [
            math.ceil(num_brackets * REDUCTION**halvings / (halvings + 1))
            for halvings in reversed(range(num_brackets))
        ]

    def take_in(self, number: int, curve: Curve) -> None:
        """Learn which rungs a stored trial had reached, and with which values."""
        for step in sorted(curve):
            self._reach(number, step, curve[step][0])

    def remember(self, curve: Curve) -> None:
        pass

    def ends(self, number: int, curve: Curve) -> bool:
        last = max(curve)
        return self._reach(number, last, curve[last][0])

    def _reach(self, number: int, step: int, value: float) -> bool:
        """Add the value to the rungs that a trial reaches at a step; return whether it ends."""
        bracket = self._bracket(number)
        while step >= self._lowest * REDUCTION ** (bracket + self._rungs[number]):
            if math.isnan(value):
                return True
            values = self._sorted[bracket, self._rungs[number]]
            self._rungs[number] += 1
            insort(values, value)
            num_better = max(len(values) // REDUCTION, 1)
            if value < values[-num_better]:
                return True
        return False

    def _bracket(self, number: int) -> int:
        """Return the bracket of a trial: by a hash of its name, in proportion to their shares."""
        place = crc32(f"{self._name}_{number}".encode()) % sum(self._shares)
        for bracket, share in enumerate(self._shares):
            if place < share:
                return bracket
            place -= share
        raise AssertionError("the shares add up")
