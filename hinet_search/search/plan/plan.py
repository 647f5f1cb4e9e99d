"""Plan: check all that can be checked before a study exists, and estimate what it will cost."""

import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hinet_search.common import files
from hinet_search.common.amounts import counted
from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.common.plugins import load
from hinet_search.data.columns import Dataset
from hinet_search.data.study_data import dataset_of
from hinet_search.search.plan.check_losses import check_scenario_weights
from hinet_search.search.plan.check_study import check_objectives, refuse_without_flops, try_study
from hinet_search.search.plan.device_memory import DeviceMemory, bytes_kept, smallest_memory
from hinet_search.search.plan.probe import Prober, prober
from hinet_search.search.plan.size_limits import SizeLimits, default_of
from hinet_search.study.launch_options import num_slots
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.measurements import AUTO
from hinet_search.study.study_spec import EXECUTORS, StudySpec
from hinet_search.training.checkpoint import NUM_KEPT, seconds_apart
from hinet_search.training.device import ChosenDevice, choose_device
from hinet_search.training.model_size import (
    BYTES,
    bytes_in_training,
    check_model_fits,
    flops_of,
    num_parameters,
)
from hinet_search.training.trial_config import TrialConfig, build_config, is_network

DRAWS = 21
PROBE_SECONDS = 3.0  # for the probes of all arms together
FIXED_SECONDS = 6.0  # to start the slots and to write a report
JOB_SECONDS = 0.1  # of a training, beside its steps
PREFERRED = "shared_bottom"  # to measure inputs
OF_DATABASE = 50_000_000  # bytes of the database and the report


@dataclass(frozen=True)
class ArmPlan:
    """What one arm will do.

    `parameters` are those of `DRAWS` random draws, embeddings included, `checkpoint_bytes` those
    from which a training of the median one resumes. `trials` and `finalists` are upper bounds. A
    trial is timed by the draw of median size, finalists by that draw and the default. Memory is
    that of one slot, with the pairs of rows of the largest batch.
    """

    name: str
    model: str
    trials: int
    finalists: int
    searched: int
    parameters: tuple[int, int, int]  # min, median, max
    seconds_per_trial: float
    seconds_per_finalist: float
    memory_bytes: int
    checkpoint_bytes: int


@dataclass(frozen=True)
class PreparedStudy:
    """A study that passed every check, with its data encoded."""

    study: ResolvedStudy
    dataset: Dataset
    device: ChosenDevice
    slots: int
    device_memory: DeviceMemory | None = None  # None if trainings run on the CPU


@dataclass(frozen=True)
class Plan:
    """A ready study and what it will cost.

    `probe_seconds` were spent on probes.
    """

    ready: PreparedStudy
    arms: tuple[ArmPlan, ...]
    probe_seconds: float

    @property
    def trials(self) -> int:
        """Trials of all arms."""
        return sum(arm.trials for arm in self.arms)

    @property
    def finalist_runs(self) -> int:
        """Finalist trainings with all seeds, at most: the default may also be a best trial."""
        return sum(arm.finalists for arm in self.arms) * self._seeds

    @property
    def finalist_runs_are_known(self) -> bool:
        """Whether `finalist_runs` is exact, apart from failures: each trial becomes a finalist."""
        spec = self.ready.study.spec
        most = spec.finalists.top if spec.pruner.kind == "none" else 1
        return all(arm.trials <= max(1, most) for arm in self.arms)

    @property
    def seconds(self) -> float:
        """Estimated wall clock: all trainings, start and report."""
        later = self.choice_trainings + self.student_trainings + self.refits
        of_jobs = JOB_SECONDS * (self.trials + self.finalist_runs + self.input_trainings + later)
        by_arm = {arm.name: arm.seconds_per_finalist for arm in self.arms}
        of_inputs = self.input_trainings * by_arm.get(self.measuring_arm, 0.0)
        of_later = later * sum(by_arm.values()) / len(self.arms)  # of which arms is not known yet
        whole = of_jobs + of_inputs + of_later
        for arm in self.arms:
            whole += arm.seconds_per_trial * arm.trials
            whole += arm.seconds_per_finalist * arm.finalists * self._seeds
        return FIXED_SECONDS + whole / self.ready.slots

    @property
    def input_trainings(self) -> int:
        """Trainings that measure groups of inputs, at most."""
        return self.ready.study.spec.most_input_trainings

    @property
    def measuring_arm(self) -> str:
        """The arm that measures groups of inputs; empty if none does."""
        if not self.input_trainings:
            return ""
        return measuring_arm(self.ready.study, self.ready.dataset).name

    @property
    def choice_trainings(self) -> int:
        """Trainings that measure what the choices of the search are worth, at most."""
        return self.ready.study.spec.most_later_trainings - self.student_trainings

    @property
    def student_trainings(self) -> int:
        """Trainings of students, at most."""
        return self.ready.study.spec.most_student_trainings

    @property
    def refits(self) -> int:
        """Refits if a single model is shipped; those of an ensemble are as many as its members."""
        return self._seeds if self.ready.study.spec.finalists.refit else 0

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory if every slot trained the largest model probed.

        Columns that slots share are counted for each slot. On a GPU it is that of all GPUs.
        """
        memory = self.ready.device_memory
        data_bytes = memory.kept_bytes if memory else 0
        return self.ready.slots * (data_bytes + self.training_bytes)

    @property
    def training_bytes(self) -> int:
        """Bytes of memory that the largest model probed takes on a slot."""
        return max(arm.memory_bytes for arm in self.arms)

    @property
    def disk_bytes(self) -> int:
        """Bytes that the study writes beside its data, at draws of median size."""
        ready = self.ready
        parameters = [arm.parameters[1] for arm in self.arms]
        of_checkpoint = max(arm.checkpoint_bytes for arm in self.arms)
        return bytes_needed(ready.study.spec, ready.dataset, parameters, of_checkpoint, ready.slots)

    @property
    def _seeds(self) -> int:
        return self.ready.study.spec.finalists.seeds

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the arms whose space is smaller than the budget."""
        trials = self.ready.study.spec.trials
        if self.ready.study.spec.budget is not None:
            return ()  # how many trials there will be is not known
        notes = []
        for arm in self.arms:
            if arm.trials < trials:
                space = f"its space has {counted(arm.trials, 'configuration')}"
                whole = f"so it is searched whole with {arm.trials} of {trials} trials"
                notes.append(f"arm {arm.name}: {space}, {whole}")
        return tuple(notes)


def prepare_study(
    study: ResolvedStudy, cache: Path, output: Path, say: Callable[[str], None]
) -> PreparedStudy:
    """Check spaces, device, data and the disk of `output`, in this order; encode the data.

    Errors are those of each check.
    """
    study = try_study(study)
    seconds_apart()
    slots = num_slots(study)
    device, slots_per_gpu = _device_of_slots(study, slots)
    dataset = dataset_of(study, cache, say)
    check_objectives(study, dataset)
    check_scenario_weights(study, dataset)
    size_limits = SizeLimits.of(dataset, study)
    arms = [size_limits.sized(arm, study.arms) for arm in study.arms]
    refuse_without_flops(study, arms, dataset)
    parameters = []
    of_checkpoint = 0
    for arm in arms:
        config = default_of(arm)
        schema = config.features.schema_of(dataset)
        check_model_fits(arm.place, config, schema)
        parameters.append(num_parameters(config, schema))
        of_checkpoint = max(of_checkpoint, bytes_in_training(config, schema).of_checkpoint)
    problems = [size_limits.default_too_large(arm) for arm in arms]
    if any(problems):
        raise ConfigurationError(*filter(None, problems))
    check_disk_space(output, bytes_needed(study.spec, dataset, parameters, of_checkpoint, slots))
    memory = None
    if device.device.type == "cuda" and any(is_network(arm.model) for arm in arms):
        data_bytes = bytes_kept(dataset, taught=study.spec.teaching is not None)
        memory = DeviceMemory(smallest_memory(), slots_per_gpu, data_bytes)
        if problem := memory.shortage(of_checkpoint):  # of rows, weights and moments
            raise EnvironmentFault(problem)
    return PreparedStudy(study, dataset, device, slots, memory)


def _device_of_slots(study: ResolvedStudy, slots: int) -> tuple[ChosenDevice, int]:
    """Return the device to train on, and how many slots share it.

    ConfigurationError when the executor hides it from slots.
    """
    chosen = choose_device(study.spec.device)
    executor = study.spec.executor
    options = load(EXECUTORS, executor.kind).Options(**executor.options)
    slots_per_gpu: int = options.slots_per_gpu(slots)
    if chosen.device.type == "cuda" and not slots_per_gpu:
        raise ConfigurationError(
            f"{study.file.place(('executor',))}: executor: slots must see a GPU, since trainings "
            f"run on {chosen.device}; with these options of {executor.kind} they see none",
            remedy="Set gpus_per_slot to 1, or to 0.25 to put four slots on a GPU, "
            "or use device: cpu.",
        )
    return chosen, slots_per_gpu


def make_plan(ready: PreparedStudy, probe_seconds: float = PROBE_SECONDS) -> Plan:
    """Draw from each arm's space; probe its default and one draw on this machine.

    All probes together take `probe_seconds` or a little more. With a budget of time, the trials are
    those that fit.
    """
    size_limits = SizeLimits.of(ready.dataset, ready.study)
    arms = ready.study.arms
    began = time.perf_counter()
    with prober(ready.dataset, ready.device.device) as probe:
        seconds = probe_seconds / len(arms)
        sized = [size_limits.sized(arm, arms) for arm in arms]
        planned = tuple(_arm_plan(arm, ready, probe, seconds) for arm in sized)
    return fit_budget(Plan(ready, planned, time.perf_counter() - began))


def _arm_plan(arm: Arm, ready: PreparedStudy, probe: Prober, seconds: float) -> ArmPlan:
    dataset = ready.dataset
    spec = ready.study.spec

    def size_of(config: TrialConfig) -> int:
        return num_parameters(config, config.features.schema_of(dataset))

    configs = [default_of(arm)]
    for seed in range(DRAWS - 1):
        with suppress(ConfigurationError):  # values that do not fit together
            drawn = arm.space.at_random(seed)
            configs.append(build_config(arm.model, arm.space.values(drawn)))
    configs.sort(key=size_of)
    sizes = [size_of(config) for config in configs]
    middle = len(configs) // 2
    trials = arm.most_trials(spec)
    finalists = arm.most_finalists(spec)
    middle_config = configs[middle] if trials > 1 else default_of(arm)  # the only trial is trial 0
    try:
        typical = probe(middle_config, seconds / 2)
        default = probe(default_of(arm), seconds / 2)
    except MemoryError as error:
        raise EnvironmentFault(
            f"{arm.place}: a trial of {arm.name} must fit into memory, but it ran out: {error}"
        ) from error
    median = configs[middle], configs[middle].features.schema_of(dataset)
    of_typical_finalists = (finalists - 1) * typical.seconds_per_finalist
    return ArmPlan(
        arm.name,
        arm.model,
        trials,
        finalists,
        len(arm.space.default()),
        (sizes[0], sizes[middle], sizes[-1]),
        typical.seconds_per_trial,
        (of_typical_finalists + default.seconds_per_finalist) / finalists,
        max(typical.memory_bytes, default.memory_bytes),
        bytes_in_training(*median).of_checkpoint,
    )


def fit_budget(plan: Plan) -> Plan:
    """Return the plan with the trials that fit into the study's budget of time, at least one.

    A launch goes by what its trials really take: pruning makes room for more. It trains the default
    of every arm in any case.
    """
    budget = plan.ready.study.spec.budget
    if budget is None:
        return plan
    numbers = range(1, max(arm.trials for arm in plan.arms) + 1)
    fitting = bisect_right(numbers, 60 * budget, key=lambda n: _with_trials(plan, n).seconds)
    return _with_trials(plan, max(1, fitting))


def _with_trials(plan: Plan, trials: int) -> Plan:
    most = plan.ready.study.spec.finalists.most(trials)
    arms = []
    for arm in plan.arms:
        finalists = min(arm.finalists, most)
        arms.append(replace(arm, trials=min(arm.trials, trials), finalists=finalists))
    return replace(plan, arms=tuple(arms))


def bytes_needed(
    spec: StudySpec, dataset: Dataset, parameters: list[int], of_checkpoint: int, slots: int
) -> int:
    """Estimate the bytes that a study writes.

    `parameters` are those of a typical model per arm, `of_checkpoint` the largest bytes of one.
    """
    checkpoints = slots * (NUM_KEPT + 1) * of_checkpoint  # one more while it is written
    weights = spec.most_finalists * spec.finalists.seeds * BYTES * sum(parameters)
    rows = dataset.valid.num_rows + dataset.test.num_rows
    refits = spec.finalists.seeds * BYTES * max(parameters) if spec.finalists.refit else 0
    scores = spec.finalists.seeds * len(parameters) * rows * len(dataset.full_schema.tasks) * BYTES
    return checkpoints + weights + refits + scores + OF_DATABASE


def measuring_arm(study: ResolvedStudy, dataset: Dataset) -> Arm:
    """Return the arm that the study names, at its size; of `auto`, a network that trains fast."""
    assert study.spec.inputs is not None, "asked of a study that measures its inputs"
    named = study.spec.inputs.arm
    if named == AUTO:
        names = [arm.name for arm in study.arms]
        named = PREFERRED if PREFERRED in names else ""
    size_limits = SizeLimits.of(dataset, study)
    arms = [size_limits.sized(arm, study.arms) for arm in study.arms]
    for arm in arms:
        if arm.name == named:
            return arm

    def num_flops(arm: Arm) -> int:
        config = default_of(arm)
        return flops_of(config, config.features.schema_of(dataset))

    networks = [arm for arm in arms if num_flops(arm) > 0]
    return min(networks or arms, key=num_flops)


def check_disk_space(folder: Path, needed: int) -> None:
    """Raise EnvironmentFault when the disk of the folder has less than `needed` bytes free."""
    free = files.free_bytes(folder)
    if free < needed:
        raise EnvironmentFault(
            f"{folder}: this study needs about {needed:,} bytes on its disk, {free:,} are free",
            remedy="free some, name a folder on another disk with --output, "
            "or use fewer slots or finalist seeds",
        )
