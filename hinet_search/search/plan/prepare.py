"""Prepare: check all that can be checked before a study exists, and encode its data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from hinet_search.common import files
from hinet_search.common.amounts import byte_size, counted
from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.common.plugins import load
from hinet_search.data.columns import Dataset
from hinet_search.data.study_data import dataset_of
from hinet_search.search.plan.check_losses import check_scenario_weights
from hinet_search.search.plan.check_study import check_objectives, refuse_without_flops, try_study
from hinet_search.search.plan.size_limits import SizeLimits, default_of
from hinet_search.study.launch_options import num_slots
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.study.study_spec import EXECUTORS, StudySpec
from hinet_search.training.checkpoint import NUM_KEPT, seconds_apart
from hinet_search.training.device import ChosenDevice, choose_device
from hinet_search.training.feed import ROWS_SHARE, bytes_on_device
from hinet_search.training.model_size import (
    BYTES,
    bytes_in_training,
    check_model_fits,
    num_parameters,
)
from hinet_search.training.trial_config import is_network

OF_DATABASE = 50_000_000  # bytes of the database and the report
BYTES_OF_A_TEACHER = 2  # of a score, as it is stored (training/teaching.py)


@dataclass(frozen=True)
class DeviceMemory:
    """The bytes of a GPU, the slots that share it, and the bytes of rows that each reads.

    Beside what it trains, a slot keeps a copy of every split that its jobs have read, if there is
    room (training/feed.py). What CUDA itself takes for every process is not counted.
    """

    num_bytes: int
    slots: int
    data_bytes: int

    @property
    def keeps_rows(self) -> bool:
        """Whether all slots find room for their rows there; else batches are sent one by one."""
        return self.slots * self.data_bytes <= ROWS_SHARE * self.num_bytes

    @property
    def kept_bytes(self) -> int:
        """The bytes of rows that a slot keeps there."""
        return self.data_bytes if self.keeps_rows else 0

    @property
    def note(self) -> str:
        """Say that rows are not kept, where they are not."""
        return (
            f"{byte_size(self.slots * self.data_bytes)} of rows are more than half of the GPU's "
            f"{byte_size(self.num_bytes)}: they stay in the memory of the machine, and batches are "
            "sent one by one"
        )

    def shortage(self, training_bytes: int) -> str:
        """Say what is lacking if a training takes so much on each slot; empty if nothing is."""
        needed = self.slots * (self.kept_bytes + training_bytes)
        if needed <= self.num_bytes:
            return ""
        rows = f"{byte_size(self.kept_bytes)} of rows and " if self.kept_bytes else ""
        return (
            f"device memory: {counted(self.slots, 'slot')} on one GPU need {byte_size(needed)}, "
            f"{rows}{byte_size(training_bytes)} of a training each, and it has "
            f"{byte_size(self.num_bytes)}: {self._remedy(training_bytes)}"
        )

    def _remedy(self, training_bytes: int) -> str:
        most = self.num_bytes // (self.kept_bytes + training_bytes)
        if most:
            slots = counted(most, "slot")
            return f"let at most {slots} share it: fewer slots, or more GPUs"
        return "not one fits: raise data.minimum_frequency, or use smaller models or batches"


def bytes_kept(dataset: Dataset, *, has_teacher: bool) -> int:
    """Return what a slot keeps on a GPU when it has read all splits, and a teacher's scores."""
    splits = (dataset.train, dataset.valid, dataset.test)
    of_teacher = BYTES_OF_A_TEACHER * dataset.train.labels_RT.size if has_teacher else 0
    return sum(map(bytes_on_device, splits)) + of_teacher


def smallest_memory() -> int:
    """Return the bytes of the smallest GPU that this process sees; no memory is taken there."""
    numbers = range(torch.cuda.device_count())
    return min(torch.cuda.get_device_properties(number).total_memory for number in numbers)


@dataclass(frozen=True)
class PreparedStudy:
    """A study that passed every check, with its data encoded."""

    study: ResolvedStudy
    dataset: Dataset
    device: ChosenDevice
    slots: int
    device_memory: DeviceMemory | None = None  # None if trainings run on the CPU


def prepare_study(
    study: ResolvedStudy, cache: Path, output: Path, say: Callable[[str], None]
) -> PreparedStudy:
    """Check spaces, device, data and the disk of `output`, in this order; encode the data.

    Errors: as of each check.
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
        data_bytes = bytes_kept(dataset, has_teacher=study.spec.teaching is not None)
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


def bytes_needed(
    spec: StudySpec, dataset: Dataset, parameters: list[int], of_checkpoint: int, slots: int
) -> int:
    """Estimate the bytes that a study writes.

    `parameters` are those of a typical model per arm, `of_checkpoint` the largest bytes of one.
    """
    checkpoints = slots * (NUM_KEPT + 1) * of_checkpoint  # one more while it is written
    weights = spec.finalists.most(spec.trials) * spec.finalists.seeds * BYTES * sum(parameters)
    rows = dataset.valid.num_rows + dataset.test.num_rows
    refits = spec.finalists.seeds * BYTES * max(parameters) if spec.finalists.refit else 0
    scores = spec.finalists.seeds * len(parameters) * rows * len(dataset.full_schema.tasks) * BYTES
    return checkpoints + weights + refits + scores + OF_DATABASE


def check_disk_space(folder: Path, needed: int) -> None:
    """Raise EnvironmentFault when the disk of the folder has less than `needed` bytes free."""
    free = files.free_bytes(folder)
    if free < needed:
        raise EnvironmentFault(
            f"{folder}: this study needs about {needed:,} bytes on its disk, {free:,} are free",
            remedy="free some, name a folder on another disk with --output, "
            "or use fewer slots or finalist seeds",
        )
