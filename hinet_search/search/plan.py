"""Plan: everything that can be checked before a study exists, and what the study will cost."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import nn

from hinet_search.config import TrialConfig, build_config, try_study
from hinet_search.data.checks import check_embedding_fits
from hinet_search.data.columns import Dataset
from hinet_search.data.of_study import dataset_of
from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.objective import Objective
from hinet_search.search.admission import Admission, default_of
from hinet_search.search.disk_needed import bytes_needed, check_room
from hinet_search.search.options import num_slots
from hinet_search.search.random_draw import RandomDraw
from hinet_search.sizing import num_parameters
from hinet_search.study import Arm, Study
from hinet_search.training.checkpoint import seconds_apart
from hinet_search.training.config import TrainConfig
from hinet_search.training.device import ChosenDevice, choose_device
from hinet_search.training.feed import Feed, make_feed
from hinet_search.training.loss import own_scenario_loss
from hinet_search.training.optimiser import make_optimiser
from hinet_search.training.precision import matrix_products
from hinet_search.training.staged import Staged

DRAWS = 21
PROBE_ROWS = 16_384
GROWTH_ROWS = 32_768  # of fewer rows, a stage's time says little about a stage of all
PROBE_SECONDS = 1.5
SHARE_OF_PASSES = 0.7  # of the passes allowed, that a trial takes on average with early stopping and pruning


@dataclass(frozen=True)
class ArmPlan:
    """What one arm will do. Parameters are of `DRAWS` random draws and count embeddings."""

    name: str
    model: str
    trials: int
    searched: int
    parameters: tuple[int, int, int]  # min, median, max
    seconds_per_trial: float


@dataclass(frozen=True)
class Ready:
    """A study that passed every check, with its data encoded."""

    study: Study
    dataset: Dataset
    device: ChosenDevice
    slots: int


@dataclass(frozen=True)
class Plan:
    """A ready study and what it will cost."""

    ready: Ready
    arms: tuple[ArmPlan, ...]

    @property
    def seconds(self) -> float:
        """Estimated wall clock: trials and finalists of all arms, shared by the slots."""
        spec = self.ready.study.spec
        runs = spec.trials + (spec.finalists.top + 1) * spec.finalists.seeds
        return sum(arm.seconds_per_trial * runs for arm in self.arms) / self.ready.slots


def make_ready(study: Study, cache: Path, say: Callable[[str], None]) -> Ready:
    """Check spaces, device, data and disk, in this order, and encode the data; errors are those of each door."""
    study = try_study(study)
    seconds_apart()
    device = choose_device(study.spec.device)
    dataset = dataset_of(study, cache, say)
    _check_objective(study, dataset)
    admission = Admission.of(dataset, study.spec)
    problems = [text for arm in study.arms for text in _default_too_large(admission.sized(arm, study.arms), admission)]
    if problems:
        raise ConfigurationError(*problems)
    for arm in study.arms:
        _check_embedding(arm, dataset)
    slots, sized = num_slots(study), [default_of(admission.sized(arm, study.arms)) for arm in study.arms]
    parameters = [num_parameters(config, config.features.schema_of(dataset)) for config in sized]
    check_room(cache.parent, bytes_needed(study.spec, dataset, parameters, slots))
    return Ready(study, dataset, device, slots)


def make_plan(ready: Ready) -> Plan:
    """Draw each arm's space and time a second of training of its default on this machine."""
    admission = Admission.of(ready.dataset, ready.study.spec)
    arms = ready.study.arms
    return Plan(ready, tuple(_arm_plan(admission.sized(arm, arms), ready) for arm in arms))


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


def _arm_plan(arm: Arm, ready: Ready) -> ArmPlan:
    sizes = sorted(num_parameters(config, config.features.schema_of(ready.dataset)) for config in _configs(arm))
    return ArmPlan(
        arm.name, arm.model, ready.study.spec.trials, len(arm.space.default()),
        (sizes[0], int(median(sizes)), sizes[-1]), _probe(arm, ready),
    )  # fmt: skip


def _configs(arm: Arm) -> Iterator[TrialConfig]:
    """The default and random draws, less those whose values do not go together: they will fail as trials."""
    yield default_of(arm)
    for seed in range(DRAWS - 1):
        with suppress(ConfigurationError):
            yield build_config(arm.model, arm.space.values(arm.space.suggest(RandomDraw(seed))))


def _probe(arm: Arm, ready: Ready) -> float:
    """Seconds that a trial of the default configuration is expected to take on one slot."""
    config = default_of(arm)
    dataset, device = ready.dataset, ready.device.device
    dataset, schema = config.features.view(dataset)
    model = config.build(schema)
    if isinstance(model, Staged):
        return SHARE_OF_PASSES * _seconds_of_growth(model, dataset)
    feed = make_feed(dataset.train.head(PROBE_ROWS), device)
    seconds_per_row = _seconds_per_row(model.to(device), feed, config.train)
    evaluations = config.train.passes * config.train.evaluations_per_pass
    rows = config.train.passes * dataset.train.num_rows + evaluations * dataset.valid.num_rows / 3  # no backward
    return SHARE_OF_PASSES * rows * seconds_per_row


def _seconds_of_growth(model: Staged, dataset: Dataset) -> float:
    """All stages, from the first one on the first rows."""
    rows = dataset.train.head(GROWTH_ROWS)
    began = time.perf_counter()
    with _one_thread():
        share = next(model.stages(rows, seed=0))
    return (time.perf_counter() - began) / share * dataset.train.num_rows / rows.num_rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """As a slot works."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _seconds_per_row(model: nn.Module, feed: Feed, config: TrainConfig) -> float:
    """Median over the steps of a short training on the first rows."""
    optimiser = make_optimiser(model, config)
    rows_B = torch.arange(min(config.batch_size, len(feed)))
    took: list[float] = []
    with _one_thread():
        while len(took) < 3 or (sum(took) < PROBE_SECONDS and len(took) < 50):
            began = time.perf_counter()
            batch, labels_BT = feed.select(rows_B)
            optimiser.zero_grad()
            with matrix_products(config, feed.device):
                logits_BT = model(batch)
            torch.autograd.backward(own_scenario_loss(logits_BT.float(), labels_BT))
            optimiser.step()
            took.append(time.perf_counter() - began)
    return median(took) / len(rows_B)
