"""Sampling and pruning: what samplers see of an arm's trials, and which running ones are given up.

TPE reads all trials for every draw, which takes seconds where there are 100,000. It calls at most
25 of them good; the others only say where trials were, and a random sample says that too. Which
trials are in the sample depends on their numbers alone, so a resumed study sees the same.

Optuna's pruner reads all trials again at every evaluation, and keeps notes in its storage. Its
median rule is applied here to values kept in order, and follows from our rows alone.
"""

import copy
import hashlib
import math
from bisect import insort
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heappush, heappushpop
from random import Random

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from hinet_search.common import quiet
from hinet_search.results.trade_offs import Point, is_no_worse
from hinet_search.storage.optuna_copy import direction_of
from hinet_search.study.study_spec import PrunerSpec, SamplerSpec

NUM_BEST = 50  # twice as many as TPE calls good
NUM_SAMPLED = 1_000
LEARNED_FROM = (TrialState.COMPLETE, TrialState.PRUNED)
Curve = Mapping[int, Point]  # the values of a trial by step, larger is better


def derive_seed(*parts: int | str) -> int:
    """Return a seed in 0 .. 2^31 - 1 that depends on all parts and nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
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
