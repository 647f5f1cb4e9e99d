"""Sampling and pruning: Optuna's samplers and pruners as a study file names them, and the seeds everything draws from."""

import hashlib
import math
import warnings

import optuna
from optuna.exceptions import ExperimentalWarning

from hinet_search.spec import PrunerSpec, SamplerSpec


def derive_seed(*parts: int | str) -> int:
    """A seed in 0 .. 2^31 - 1 that depends on all parts and nothing else."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def make_sampler(spec: SamplerSpec, seed: int, refused: int = 0) -> optuna.samplers.BaseSampler:
    """A sampler for one trial. Made anew per trial, so that a resumed study does not replay its draws.

    So many draws before it were `refused`; TPE would count them among its startup trials, as Optuna has them as pruned.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `group` models conditional parameters jointly
        if spec.kind == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        if spec.kind == "gp":
            return optuna.samplers.GPSampler(
                seed=seed, n_startup_trials=spec.startup_trials, warn_independent_sampling=False
            )
        return optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=spec.startup_trials + refused,
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def make_pruner(spec: PrunerSpec, passes: float, evaluations_per_pass: int) -> optuna.pruners.BasePruner:
    """A pruner that decides nothing before `spec.after_passes`; its steps are so many a pass."""
    warmup = math.ceil(spec.after_passes * evaluations_per_pass)
    last = max(warmup + 1, math.ceil(passes * evaluations_per_pass))
    if spec.kind == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=spec.startup_trials, n_warmup_steps=warmup)
    if spec.kind == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(1, warmup), reduction_factor=2)
    if spec.kind == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=max(1, warmup), max_resource=last, reduction_factor=2)
    return optuna.pruners.NopPruner()
