"""Forecast: the trainings that a study has ahead, and what they take: time, memory, disk."""

import time
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean

from hinet_search.common.amounts import byte_size, counted, duration
from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.data.checks import available_memory
from hinet_search.data.columns import Dataset
from hinet_search.search.plan.prepare import PreparedStudy, bytes_needed
from hinet_search.search.plan.probe import Prober, prober
from hinet_search.search.plan.size_limits import SizeLimits, default_of
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.study_spec import AUTO, MOST_AUTO, StudySpec
from hinet_search.training.model_size import bytes_in_training, flops_of, num_parameters
from hinet_search.training.trial_config import TrialConfig, build_config

DRAWS = 21
PROBE_SECONDS = 3.0  # for the probes of all arms together
FIXED_SECONDS = 6.0  # to start the slots and to write a report
JOB_SECONDS = 0.1  # of a training, beside its steps
PREFERRED = "shared_bottom"  # to measure inputs


@dataclass(frozen=True)
class Trainings:
    """The trainings of a study by purpose, at most.

    Refits are of a single model; an ensemble has as many as members.
    """

    inputs: int
    trials: int
    finalists: int
    choices: int
    students: int
    refits: int

    @property
    def later(self) -> int:
        """Trainings after all finalists."""
        return self.choices + self.students + self.refits


def forecast(
    spec: StudySpec, trials: Sequence[int], retrained: Sequence[int] | None = None
) -> Trainings:
    """Count the trainings of arms with so many trials each, and the finalists of `retrained`.

    These are the trials of arms that get finalists, by default the same arms.
    """
    retrained = trials if retrained is None else retrained
    seeds = spec.finalists.seeds
    num_groups = len(spec.data.features.optional_groups)
    inputs = choices = students = 0
    if spec.inputs is not None and num_groups > 0:
        # With all groups, without each, and without several together.
        inputs = spec.inputs.seeds * (1 + num_groups + (num_groups > 1))
    if spec.choices and spec.trials > 1:
        # As it is, without all of its choices, and without each.
        choices = spec.choices.seeds * (2 + spec.choices.most)
    if teaching := spec.teaching:
        top = spec.finalists.model_copy(update={"top": teaching.top})
        named = MOST_AUTO if teaching.students == "auto" else len(teaching.students)
        of_student = teaching.trials + top.most(teaching.trials) * seeds
        students = min(named, len(spec.arms)) * of_student
    return Trainings(
        inputs=inputs,
        trials=sum(trials),
        finalists=seeds * sum(map(spec.finalists.most, retrained)),
        choices=choices,
        students=students,
        refits=seeds if spec.finalists.refit else 0,
    )


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
class Plan:
    """A ready study and what it will cost.

    `probe_seconds` were spent on probes.
    """

    ready: PreparedStudy
    arms: tuple[ArmPlan, ...]
    probe_seconds: float

    @cached_property
    def trainings(self) -> Trainings:
        """The trainings of the study, at most: the default may also be a best trial."""
        return forecast(self.ready.study.spec, [arm.trials for arm in self.arms])

    @property
    def trials(self) -> int:
        """Trials of all arms."""
        return self.trainings.trials

    @property
    def finalist_runs(self) -> int:
        """Finalist trainings with all seeds, at most."""
        return self.trainings.finalists

    @property
    def finalist_runs_are_known(self) -> bool:
        """Whether the finalist trainings are exact, apart from failures: each trial becomes one."""
        spec = self.ready.study.spec
        most = spec.finalists.top if spec.pruner.kind == "none" else 1
        return all(arm.trials <= max(1, most) for arm in self.arms)

    @property
    def seconds(self) -> float:
        """Estimated wall clock: all trainings, start and report."""
        ahead = self.trainings
        seeds = self.ready.study.spec.finalists.seeds
        num_jobs = ahead.inputs + ahead.trials + ahead.finalists + ahead.later
        by_arm = {arm.name: arm.seconds_per_finalist for arm in self.arms}
        seconds = JOB_SECONDS * num_jobs + ahead.inputs * by_arm.get(self.measuring_arm, 0.0)
        seconds += ahead.later * mean(by_arm.values())  # of which arms is not known yet
        for arm in self.arms:
            seconds += arm.seconds_per_trial * arm.trials
            seconds += arm.seconds_per_finalist * arm.finalists * seeds
        return FIXED_SECONDS + seconds / self.ready.slots

    @property
    def measuring_arm(self) -> str:
        """The arm that measures groups of inputs; empty if none does."""
        if not self.trainings.inputs:
            return ""
        return measuring_arm(self.ready.study, self.ready.dataset).name

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory if every slot trained the largest model probed.

        Columns that slots share are counted for each slot. On a GPU it is the memory of all GPUs.
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
    def slots_in_words(self) -> str:
        """`2 slots on cpu`."""
        return f"{counted(self.ready.slots, 'slot')} on {self.ready.device.device}"

    @property
    def finalists_in_words(self) -> str:
        """`at most 12 finalist trainings`, or `2 finalist trainings` if the number is known."""
        at_most = "" if self.finalist_runs_are_known else "at most "
        return f"{at_most}{counted(self.finalist_runs, 'finalist training')}"

    @property
    def in_words(self) -> str:
        """`60 trials, then 12 finalist trainings, 4 slots on cpu, about 6 h 30 m`."""
        inputs = ""
        if self.trainings.inputs:
            inputs = f"at most {counted(self.trainings.inputs, 'input training')}, then "
        about = "" if self.ready.study.spec.budget is None else "about "
        return (
            f"{inputs}{about}{counted(self.trials, 'trial')}, then {self.finalists_in_words}, "
            f"{self.slots_in_words}, about {duration(self.seconds)}"
        )

    def __repr__(self) -> str:
        """Return a line of words, without the data and the study of `ready`."""
        arms = ", ".join(arm.name for arm in self.arms)
        room = f"{byte_size(self.memory_bytes)} of memory, {byte_size(self.disk_bytes)} of disk"
        return f"<Plan {self.ready.study.name}: {self.in_words}, {room}; arms {arms}>"

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
    finalists = spec.finalists.most(trials)
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
    finalists = plan.ready.study.spec.finalists
    arms = []
    for arm in plan.arms:
        fewer = min(arm.trials, trials)
        arms.append(replace(arm, trials=fewer, finalists=finalists.most(fewer)))
    return replace(plan, arms=tuple(arms))


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


def shortages(plan: Plan) -> list[str]:
    """Say what a launch would run out of: memory of a GPU or of the machine."""
    lines = []
    device_memory = plan.ready.device_memory
    if device_memory and (problem := device_memory.shortage(plan.training_bytes)):
        lines.append(problem)
    if plan.ready.device.device.type == "cpu":
        free = available_memory()
        if plan.memory_bytes > free:
            lines.append(
                f"memory: {byte_size(plan.memory_bytes)} are needed and "
                f"{byte_size(free)} are free: use fewer slots"
            )
    return lines
