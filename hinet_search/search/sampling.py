"""Sampling: Optuna's samplers by their names in a study file, and seeds."""

import hashlib

import optuna
from optuna.exceptions import ExperimentalWarning

from hinet_search.common import quiet
from hinet_search.study.study_spec import SamplerSpec


def derive_seed(*parts: int | str) -> int:
    """Return a seed in 0 .. 2^31 - 1 that depends on all parts and nothing else."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def make_sampler(spec: SamplerSpec, seed: int) -> optuna.samplers.BaseSampler:
    """Return a sampler for one trial: a new one each, so that a resumed study repeats no draws."""
    if spec.kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if spec.kind == "gp":
        return optuna.samplers.GPSampler(
            seed=seed, n_startup_trials=spec.startup_trials, warn_independent_sampling=False
        )
    # `group`, which models conditional parameters jointly, is experimental.
    with quiet.without(ExperimentalWarning):
        return optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=spec.startup_trials,
            multivariate=True,
            group=True,
            constant_liar=True,
        )
