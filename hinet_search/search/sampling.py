"""Sampling: Optuna's samplers, seeds, and a storage in memory of the trials that samplers see.

TPE reads all trials for every draw, which takes seconds where there are 100,000. It calls at most
25 of them good; the others only say where trials were, and a random sample says that too. Which
trials are in the sample depends on their numbers alone, so a resumed study sees the same.
"""

import copy
import hashlib
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappush, heappushpop
from random import Random

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from hinet_search.common import quiet
from hinet_search.storage.optuna_copy import direction_of
from hinet_search.study.study_spec import SamplerSpec

NUM_BEST = 50  # twice as many as TPE calls good
NUM_SAMPLED = 1_000
LEARNED_FROM = (TrialState.COMPLETE, TrialState.PRUNED)


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


class _Largest:
    """The trial numbers with the largest keys, at most `size` of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int]] = []

    def add(self, key: float, number: int) -> None:
        if len(self._heap) < self._size:
            heappush(self._heap, (key, number))
        else:
            heappushpop(self._heap, (key, number))

    def numbers(self) -> set[int]:
        return {number for _, number in self._heap}


class SampledStorage(InMemoryStorage):
    """A storage of one study. Inside `sampling` it lists the trials that a sampler should see.

    These are all that run or wait and, of the others, NUM_BEST and a sample of NUM_SAMPLED. Where
    there are several objectives none is left out. Optuna's key of a trial is its number here. `ask`
    and `tell` need no transaction.
    """

    def __init__(self, maximize: Sequence[bool]) -> None:
        """Begin without a study; `maximize` says it of every objective."""
        super().__init__()
        self._maximize = maximize
        self._is_sampling = False
        self._unfinished: set[int] = set()
        self._best, self._sample = _Largest(NUM_BEST), _Largest(NUM_SAMPLED)

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Leave out what a sampler need not see."""
        self._is_sampling = True
        try:
            yield
        finally:
            self._is_sampling = False

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self._note(trial_id)
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Start or end a trial."""
        is_done = super().set_trial_state_values(trial_id, state, values)
        self._note(trial_id)
        return is_done

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,  # noqa: FBT001  the signature is Optuna's
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """List trials, in the order of their numbers."""
        if not self._is_sampling or len(self._maximize) > 1:
            return super().get_all_trials(study_id, deepcopy, states)
        numbers = sorted(self._unfinished | self._best.numbers() | self._sample.numbers())
        seen = map(self.get_trial, numbers)
        chosen = [trial for trial in seen if states is None or trial.state in states]
        return copy.deepcopy(chosen) if deepcopy else chosen

    def _note(self, trial_id: int) -> None:
        trial = self.get_trial(trial_id)
        if not trial.state.is_finished():
            self._unfinished.add(trial.number)
            return
        self._unfinished.discard(trial.number)
        if trial.state in LEARNED_FROM:
            self._sample.add(Random(trial.number).random(), trial.number)  # noqa: S311  no secret
        if trial.state == TrialState.COMPLETE and len(self._maximize) == 1:
            value = trial.values[0]
            self._best.add(value if self._maximize[0] else -value, trial.number)


def in_memory(
    trials: Sequence[FrozenTrial], maximize: Sequence[bool]
) -> tuple[optuna.Study, SampledStorage]:
    """Build an Optuna study of trials in memory; `maximize` has a direction for every objective."""
    memory = SampledStorage(maximize)
    study_id = memory.create_new_study([direction_of(each) for each in maximize])
    for trial in trials:
        memory.create_new_trial(study_id, trial)
    name = memory.get_study_name_from_id(study_id)
    return optuna.load_study(study_name=name, storage=memory), memory
