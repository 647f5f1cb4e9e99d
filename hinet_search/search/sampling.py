"""Sampling and pruning: Optuna's samplers and pruners by their names in a study file, and seeds.

Optuna's median pruner reads all trials again at every evaluation, so this file applies its rule to
values kept in order. The other pruners keep notes in Optuna's study and are called through it.
"""

import hashlib
import math
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import Trial

from hinet_search.common import quiet
from hinet_search.results.records import Scalar
from hinet_search.results.trade_offs import Point, is_no_worse
from hinet_search.study.study_spec import PrunerSpec, SamplerSpec


def derive_seed(*parts: int | str) -> int:
    """Return a seed in 0 .. 2^31 - 1 that depends on all parts and nothing else."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def make_sampler(
    spec: SamplerSpec, seed: int, fixed: Mapping[str, Scalar] | None = None
) -> optuna.samplers.BaseSampler:
    """Return a sampler for one trial: a new one each, so that a resumed study repeats no draws.

    `fixed` parameters have the given values.
    """
    # `group` and samplers with fixed values are experimental; groups model conditional parameters
    # jointly.
    with quiet.without(ExperimentalWarning):
        sampler = _sampler(spec, seed)
        return optuna.samplers.PartialFixedSampler(dict(fixed), sampler) if fixed else sampler


def _sampler(spec: SamplerSpec, seed: int) -> optuna.samplers.BaseSampler:
    if spec.kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if spec.kind == "gp":
        return optuna.samplers.GPSampler(
            seed=seed, n_startup_trials=spec.startup_trials, warn_independent_sampling=False
        )
    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=spec.startup_trials,
        multivariate=True,
        group=True,
        constant_liar=True,
    )


def make_pruner(
    spec: PrunerSpec, passes: float, evaluations_per_pass: int
) -> optuna.pruners.BasePruner:
    """Return a pruner that prunes nothing before `spec.after_passes`.

    A pass has `evaluations_per_pass` of its steps.
    """
    warmup = math.ceil(spec.after_passes * evaluations_per_pass)
    last = max(warmup + 1, math.ceil(passes * evaluations_per_pass))
    if spec.kind == "median":
        return optuna.pruners.MedianPruner(
            n_startup_trials=spec.startup_trials, n_warmup_steps=warmup
        )
    if spec.kind == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(
            min_resource=max(1, warmup), reduction_factor=2
        )
    if spec.kind == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=max(1, warmup), max_resource=last, reduction_factor=2
        )
    return optuna.pruners.NopPruner()


Curve = Mapping[int, Point]  # the values of a trial by step, larger is better


class Pruning:
    """Decide which running trials of one arm are pruned.

    Values of a trial are indexed by step: its passes, rounded in units of one evaluation's share of
    a pass. Trials are thus compared after the same passes, also where a pass has too few batches
    for all evaluations, or a model grows in stages.
    """

    def __init__(self, spec: PrunerSpec, passes: float, evaluations_per_pass: int) -> None:
        self.pruner = make_pruner(spec, passes, evaluations_per_pass)
        self._kind, self._evaluations_per_pass = spec.kind, evaluations_per_pass
        self._first = math.ceil(spec.after_passes * evaluations_per_pass)
        self._median = _Median(spec.startup_trials)

    def step(self, passes: float) -> int:
        """Return the step of an evaluation after `passes`; several evaluations may share a step."""
        return round(passes * self._evaluations_per_pass)

    def remember(self, curve: Curve) -> None:
        """Add the values of a complete trial."""
        self._median.add(curve)

    def gives_up(self, trial: Trial, curve: Curve) -> bool:
        """Whether to prune a running trial whose last value was just reported."""
        if self._kind == "none" or max(curve) < self._first:
            return False
        return self._median.ends(curve) if self._kind == "median" else trial.should_prune()


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

    def add(self, curve: Curve) -> None:
        self._num_trials += 1
        for step, point in curve.items():
            insort(self._sorted[step], point)

    def ends(self, curve: Curve) -> bool:
        last = max(curve)
        others, fewest = self._sorted[last], 1
        if len(curve[last]) > 1:
            others = [point for point in others if is_no_worse(point[1:], curve[last][1:])]
            fewest = self._startup_trials
        if self._num_trials < self._startup_trials or len(others) < max(fewest, 1):
            return False
        middle = others[(len(others) - 1) // 2 : len(others) // 2 + 1]
        best = max(value for value, *_ in curve.values())
        return bool(best < np.percentile([value for value, *_ in middle], 50))
