"""Plan: everything that can be checked before a study exists, and what the study will cost."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hinet_search.config import TrialConfig, build_config, try_study
from hinet_search.data.checks import check_model_fits
from hinet_search.data.columns import SPLITS, Dataset
from hinet_search.data.of_study import dataset_of
from hinet_search.errors import ConfigurationError, did_you_mean
from hinet_search.objective import Objective
from hinet_search.search.admission import Admission, default_of
from hinet_search.search.disk_needed import bytes_needed, check_room
from hinet_search.search.options import num_slots
from hinet_search.search.probe import probe
from hinet_search.search.random_draw import RandomDraw
from hinet_search.sizing import num_parameters, sizes_of
from hinet_search.study import Arm, Study
from hinet_search.training.checkpoint import seconds_apart
from hinet_search.training.device import ChosenDevice, choose_device

DRAWS = 21
PROBE_SECONDS = 20.0  # of all arms together, at most
FIXED_SECONDS = 6.0  # slots that start, and a report
JOB_SECONDS = 0.1  # that a training takes beside its steps


@dataclass(frozen=True)
class ArmPlan:
    """What one arm will do. Parameters are of `DRAWS` random draws and count embeddings; memory is one slot's.

    A trial is timed by the draw of median size, finalists by it and the default.
    """

    name: str
    model: str
    trials: int
    searched: int
    parameters: tuple[int, int, int]  # min, median, max
    seconds_per_trial: float
    seconds_per_finalist: float
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
    """A ready study and what it will cost. `probe_seconds` were spent to find out, now or by an earlier check."""

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
        """Estimated wall clock: trials and finalists of all arms, shared by the slots, and what comes before and after."""
        of_arms = (
            arm.seconds_per_trial * arm.trials + arm.seconds_per_finalist * self._runs_per_arm for arm in self.arms
        )
        of_jobs = JOB_SECONDS * (self.trials + self.finalist_runs)
        return FIXED_SECONDS + (sum(of_arms) + of_jobs) / self.ready.slots

    @property
    def memory_bytes(self) -> int:
        """Of all slots, were each to train the largest model probed; columns that slots share are counted in each."""
        return self.ready.slots * max(arm.memory_bytes for arm in self.arms)

    @property
    def disk_bytes(self) -> int:
        """What the study writes beside its data, at draws of median size."""
        ready = self.ready
        return bytes_needed(ready.study.spec, ready.dataset, [arm.parameters[1] for arm in self.arms], ready.slots)

    @property
    def _runs_per_arm(self) -> int:
        finalists = self.ready.study.spec.finalists
        return (finalists.top + 1) * finalists.seeds


def make_ready(study: Study, cache: Path, output: Path, say: Callable[[str], None]) -> Ready:
    """Check spaces, device, data and the disk of `output`, in this order; encode the data. Errors are those of each door."""
    study = try_study(study)
    seconds_apart()
    device = choose_device(study.spec.device)
    dataset = dataset_of(study, cache, say)
    _check_objective(study, dataset)
    admission = Admission.of(dataset, study.spec)
    arms = [admission.sized(arm, study.arms) for arm in study.arms]
    problems = [text for arm in arms for text in _default_too_large(arm, admission)]
    if problems:
        raise ConfigurationError(*problems)
    parameters = [_parameters_that_fit(arm, dataset) for arm in arms]
    slots = num_slots(study)
    check_room(output, bytes_needed(study.spec, dataset, parameters, slots))
    return Ready(study, dataset, device, slots)


def make_plan(ready: Ready, probe_seconds: float = PROBE_SECONDS) -> Plan:
    """Draw each arm's space and train its default and a draw on this machine, all for `probe_seconds` or a little more."""
    admission = Admission.of(ready.dataset, ready.study.spec)
    arms, began = ready.study.arms, time.perf_counter()
    planned = [_arm_plan(admission.sized(arm, arms), ready, probe_seconds / len(arms)) for arm in arms]
    return Plan(ready, tuple(planned), time.perf_counter() - began)


def _check_objective(study: Study, dataset: Dataset) -> None:
    """An objective that is one cell needs a scenario that there is, and rows that give it a value in valid and test."""
    objective, scenarios = Objective(study.spec.objective), dataset.full_schema.scenarios
    said = f"{study.file.place(('objective',))}: objective {objective.name}"
    if objective.cell and objective.cell[0] not in scenarios:
        raise ConfigurationError(
            f"{said} names no scenario, known: {', '.join(scenarios)}{did_you_mean(objective.cell[0], scenarios)}"
        )
    needed = "both classes" if objective.maximize else "rows"
    problems = [
        f"{said} needs {needed} in {split}, got {positives:,} positives of {rows:,} rows"
        for cell in dataset.record.cells
        for split, rows, positives in zip(SPLITS, cell.rows, cell.positives, strict=True)
        if (cell.scenario, cell.task) == objective.cell and split != "train"
        if not (0 < positives < rows if objective.maximize else rows)
    ]
    if problems:
        raise ConfigurationError(*problems, remedy="name a cell that has them, or an objective over all cells")


def _default_too_large(arm: Arm, admission: Admission) -> list[str]:
    """The default is always trial 0, so the limits must admit it."""
    refusal = admission.refusal(arm, arm.space.default())
    if not refusal:
        return []
    remedy = _how_to_admit(arm, admission.dataset)
    return [f"{arm.place}: limits must admit the default configuration, which is {refusal}; {remedy}"]


def _how_to_admit(arm: Arm, dataset: Dataset) -> str:
    config, most = default_of(arm), arm.space.max_parameters
    total, dense = sizes_of(config, config.features.schema_of(dataset))
    if most is None or total <= most:
        return "raise cost_limit, or lower the defaults of its space"
    own_space = f"give it a space of its own with 'include: [{arm.space.name}]' and 'max_parameters: {total}'"
    if dense > most:
        return own_space
    return f"{total - dense:,} are of embeddings: raise data.minimum_frequency, or {own_space}"


def _parameters_that_fit(arm: Arm, dataset: Dataset) -> int:
    """Of the default configuration, which must fit into memory."""
    config = default_of(arm)
    schema = config.features.schema_of(dataset)
    parameters = num_parameters(config, schema)
    check_model_fits(arm.place, parameters, schema)
    return parameters


def _arm_plan(arm: Arm, ready: Ready, seconds: float) -> ArmPlan:
    dataset, spec, device = ready.dataset, ready.study.spec, ready.device.device
    configs = sorted(_configs(arm), key=lambda config: num_parameters(config, config.features.schema_of(dataset)))
    sizes = [num_parameters(config, config.features.schema_of(dataset)) for config in configs]
    middle = len(configs) // 2
    typical = probe(configs[middle], dataset, device, seconds / 2)
    default = probe(default_of(arm), dataset, device, seconds / 2)
    top = spec.finalists.top
    return ArmPlan(
        arm.name, arm.model, spec.trials, len(arm.space.default()), (sizes[0], sizes[middle], sizes[-1]),
        typical.seconds_per_trial,
        (top * typical.seconds_per_finalist + default.seconds_per_finalist) / (top + 1),
        max(typical.memory_bytes, default.memory_bytes),
    )  # fmt: skip


def _configs(arm: Arm) -> Iterator[TrialConfig]:
    """The default and random draws, less those whose values do not go together: they will fail as trials."""
    yield default_of(arm)
    for seed in range(DRAWS - 1):
        with suppress(ConfigurationError):
            yield build_config(arm.model, arm.space.values(arm.space.suggest(RandomDraw(seed))))
