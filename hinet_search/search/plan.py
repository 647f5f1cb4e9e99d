"""Plan: everything that can be checked before a study exists, and what the study will cost."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from hinet_search.config import TrialConfig, build_config, try_study
from hinet_search.data.checks import check_embedding_fits
from hinet_search.data.columns import Dataset
from hinet_search.data.of_study import dataset_of
from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.objective import Objective
from hinet_search.search.admission import Admission, default_of
from hinet_search.search.options import num_slots
from hinet_search.search.probe import probe
from hinet_search.search.random_draw import RandomDraw
from hinet_search.study import Arm, Study
from hinet_search.training.device import ChosenDevice, choose_device
from hinet_search.trial import num_parameters

DRAWS = 21
PROBE_SECONDS = 20.0  # of all arms together, at most
BYTES_PER_WEIGHT = 4
COPIES_IN_CHECKPOINT = 3  # the weights and both moments of the optimiser


@dataclass(frozen=True)
class ArmPlan:
    """What one arm will do. Parameters are of `DRAWS` random draws and count embeddings; memory is one slot's."""

    name: str
    model: str
    trials: int
    searched: int
    parameters: tuple[int, int, int]  # min, median, max
    seconds_per_trial: float
    memory_bytes: int


@dataclass(frozen=True)
class Ready:
    """A study that passed every check, with its data encoded."""

    study: Study
    dataset: Dataset
    device: ChosenDevice
    slots: int


@dataclass(frozen=True)
class Plan:
    """A ready study and what it will cost. `probe_seconds` were spent to find out."""

    ready: Ready
    arms: tuple[ArmPlan, ...]
    probe_seconds: float

    @property
    def trials(self) -> int:
        """Of all arms."""
        return sum(arm.trials for arm in self.arms)

    @property
    def finalist_runs(self) -> int:
        """Trainings of all finalists with all their seeds, at most."""
        return len(self.arms) * self._runs_per_arm

    @property
    def seconds(self) -> float:
        """Estimated wall clock: trials and finalists of all arms, shared by the slots."""
        return sum(arm.seconds_per_trial * (arm.trials + self._runs_per_arm) for arm in self.arms) / self.ready.slots

    @property
    def memory_bytes(self) -> int:
        """Of all slots, were each to train the largest default; columns that slots share are counted in each."""
        return self.ready.slots * max(arm.memory_bytes for arm in self.arms)

    @property
    def disk_bytes(self) -> int:
        """Weights of finalists and checkpoints of running trials, at draws of median size; the data are encoded already."""
        weights = sum(arm.parameters[1] for arm in self.arms) * self._runs_per_arm
        checkpoints = self.ready.slots * COPIES_IN_CHECKPOINT * max(arm.parameters[1] for arm in self.arms)
        return BYTES_PER_WEIGHT * (weights + checkpoints)

    @property
    def _runs_per_arm(self) -> int:
        finalists = self.ready.study.spec.finalists
        return (finalists.top + 1) * finalists.seeds


def make_ready(study: Study, cache: Path, say: Callable[[str], None]) -> Ready:
    """Check spaces, device and data, in this order, and encode the data; errors are those of each door."""
    study = try_study(study)
    device = choose_device(study.spec.device)
    dataset = dataset_of(study, cache, say)
    _check_objective(study, dataset)
    admission = Admission.of(dataset, study.spec)
    problems = [text for arm in study.arms for text in _default_too_large(admission.sized(arm, study.arms), admission)]
    if problems:
        raise ConfigurationError(*problems)
    for arm in study.arms:
        _check_embedding(arm, dataset)
    return Ready(study, dataset, device, num_slots(study))


def make_plan(ready: Ready, probe_seconds: float = PROBE_SECONDS) -> Plan:
    """Draw each arm's space and train its default on this machine, all arms together for `probe_seconds` or a little more."""
    admission = Admission.of(ready.dataset, ready.study.spec)
    arms, began = ready.study.arms, time.perf_counter()
    planned = [_arm_plan(admission.sized(arm, arms), ready, probe_seconds / len(arms)) for arm in arms]
    return Plan(ready, tuple(planned), time.perf_counter() - began)


def _check_objective(study: Study, dataset: Dataset) -> None:
    cell = Objective(study.spec.objective).cell
    scenarios = dataset.full_schema.scenarios
    if cell and cell[0] not in scenarios:
        place = study.file.place(("objective",))
        raise ConfigurationError(
            f"{place}: objective {study.spec.objective} names no scenario, known: {', '.join(scenarios)}{did_you_mean(cell[0], scenarios)}"
        )


def _default_too_large(arm: Arm, admission: Admission) -> list[str]:
    """The default is always trial 0, so the limits must admit it."""
    refusal = admission.refusal(arm, arm.space.default())
    return [f"{arm.place}: limits must admit the default configuration, which is {refusal}"] if refusal else []


def _check_embedding(arm: Arm, dataset: Dataset) -> None:
    """Of the default configuration; a model may do without embeddings."""
    config = default_of(arm)
    check_embedding_fits(config.features.schema_of(dataset), getattr(config.model, "embedding_dim", 1))


def _arm_plan(arm: Arm, ready: Ready, seconds: float) -> ArmPlan:
    sizes = sorted(num_parameters(config, config.features.schema_of(ready.dataset)) for config in _configs(arm))
    found = probe(arm, ready.dataset, ready.device.device, seconds)
    return ArmPlan(
        arm.name, arm.model, ready.study.spec.trials, len(arm.space.default()),
        (sizes[0], int(median(sizes)), sizes[-1]), found.seconds_per_trial, found.memory_bytes,
    )  # fmt: skip


def _configs(arm: Arm) -> Iterator[TrialConfig]:
    """The default and random draws, less those whose values do not go together: they will fail as trials."""
    yield default_of(arm)
    for seed in range(DRAWS - 1):
        with suppress(ConfigurationError):
            yield build_config(arm.model, arm.space.values(arm.space.suggest(RandomDraw(seed))))
