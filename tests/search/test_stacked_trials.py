"""Trials that differ only in rates, decay, dropout and the like train as one stack, and end each by itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hinet_search.common.errors import AllTrialsFailed, ConfigurationError, StudyConflict
from hinet_search.executors import Job
from hinet_search.results.objectives import Objective
from hinet_search.results.records import Scalar, Start
from hinet_search.results.trade_offs import Objectives
from hinet_search.search import arm_search
from hinet_search.search.arm_memory import ArmMemory
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.phases.trials import SAME_CAUSE_LIMIT, TrialPhase
from hinet_search.search.progress import ArmProgress, NullWatcher, Progress
from hinet_search.search.stacking import Stacking
from hinet_search.storage.load import load_record
from hinet_search.storage.store import StudyStore
from hinet_search.training.jobs.messages import (
    PartMessage,
    TrainingFailed,
    TrainingResult,
    TrainingsJob,
)
from hinet_search.training.stack_settings import can_share_steps, may_differ
from hinet_search.training.trial_config import TrialConfig, build_config
from tests.search import studies
from tests.search.pretended import Studio

SPACE = studies.WIDE + (
    "  train.weight_decay: {kind: float, low: 1.0e-4, high: 1.0, log: true, default: 1.0e-3}\n"
    "  model.embedding_dim: {kind: categorical, choices: [4, 8, 16], default: 8}\n"
    "  model.cgc.dropout: {kind: float, low: 0.0, high: 0.5, default: 0.1}\n"
)
PRUNES = {"kind": "median", "after_passes": 0.25, "startup_trials": 1}


@dataclass(frozen=True)
class Always:
    """Stacks of so many trials, whatever the model."""

    most: int = 3

    def size(self, config: TrialConfig, num_left: int) -> int:
        return min(self.most, num_left)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    database, store = studies.store(tmp_path)
    yield store
    database.close()


def phase_of(
    folder: Path,
    store: StudyStore,
    trials: int = 7,
    space: str = SPACE,
    most: int = 3,
    starts: Sequence[Mapping[str, Scalar]] = (),
) -> TrialPhase:
    spec = studies.spec(trials=trials, pruner=PRUNES, stacked_trials=most)
    arm = studies.arm(folder, space)
    of_arm = tuple(Start({**arm.space.default(), **values}, "start") for values in starts)
    search = ArmSearch(
        replace(arm, starts=of_arm),
        spec,
        Objectives(Objective("mean_auc")),
        store,
        studies.Admission(),
    )
    progress = Progress("tiny", 1, "cpu", 4.0, {"hinet": ArmProgress("hinet", trials)})
    context = PhaseContext(
        spec,
        store,
        folder,
        "none",
        folder / "artifacts",
        progress,
        NullWatcher(),
        stacking=Always(most),  # type: ignore[arg-type]  # the part that is asked
    )
    return TrialPhase([search], context)


def begin(phase: TrialPhase) -> Job:
    job = phase.next_job()
    assert job is not None
    return job


class Slot:
    """Sends what the trials of a job say, and notes which are stopped."""

    def __init__(self, phase: TrialPhase, job: Job) -> None:
        self.phase, self.job = phase, job
        self.stopped: list[str] = []

    def says(self, part: str, body: object) -> None:
        self.phase.handle_message(
            self.job.key, PartMessage(part, body), lambda part="": self.stopped.append(part)
        )

    def trained(self, part: str, value: float, *, stopped: bool = False) -> None:
        evaluation = studies.evaluation(1, value)
        self.says(part, TrainingResult(evaluation, stopped, studies.COST))

    def ends(self, cause: str = "", *, stopping: bool = False) -> None:
        self.phase.end(self.job.key, cause, stopping=stopping)


def states(store: StudyStore) -> list[str]:
    return [trial.state for trial in load_record(store.database, "tiny").arms[0].trials]


def test_the_trials_of_a_job_differ_only_in_what_a_stack_may_differ_in(
    tmp_path: Path, store: StudyStore
) -> None:
    phase = phase_of(tmp_path, store)
    jobs = [begin(phase) for _ in range(3)]
    sizes = []
    for job in jobs:
        assert isinstance(job.payload, TrainingsJob)
        configs = [each.config for each in job.payload.jobs]
        sizes.append(len(configs))
        assert all(can_share_steps(configs[0], other) for other in configs)
        rates = {config.train.learning_rate for config in configs}
        assert len(rates) == len(configs)
    assert sizes == [3, 3, 1]
    assert [job.payload.parts for job in jobs] == [
        ("hinet/0", "hinet/1", "hinet/2"),
        ("hinet/3", "hinet/4", "hinet/5"),
        ("hinet/6",),
    ]
    assert phase.next_job() is None
    assert len({job.payload.order_seed for job in jobs}) == 1
    assert len({each.seed for job in jobs for each in job.payload.jobs}) == 7


def configs_of(job: Job) -> list[TrialConfig]:
    return [each.config for each in job.payload.jobs]


@pytest.mark.parametrize(
    ("name", "of_space"),
    [
        ("model.embedding_dim", 8),  # which a stack cannot have
        ("train.batch_size", 512),  # which it would ignore
    ],
)
def test_a_start_waits_for_its_own_turn_and_joins_no_stack_of_others(
    tmp_path: Path, store: StudyStore, name: str, of_space: int
) -> None:
    space = SPACE + ("  train.batch_size: {kind: categorical, choices: [64, 512], default: 512}\n")
    start = {name: 64 if name == "train.batch_size" else 4}
    phase = phase_of(tmp_path, store, space=space, starts=[start])
    jobs = list(iter(phase.next_job, None))
    assert sum(len(job.payload.parts) for job in jobs) == 7
    for job in jobs:
        first, *others = configs_of(job)
        assert all(can_share_steps(first, other) for other in others)
    firsts = [job.payload.jobs[0].config for job in jobs]
    section, key = name.split(".")
    assert [config.sections[section][key] for config in firsts[:2]] == [of_space, start[name]]


def test_starts_are_tried_before_the_budget_is_used_for_draws_beside_others(
    tmp_path: Path, store: StudyStore
) -> None:
    starts = [{"model.embedding_dim": 4}, {"model.embedding_dim": 16}]
    phase = phase_of(tmp_path, store, trials=4, starts=starts)
    jobs = list(iter(phase.next_job, None))
    assert [job.payload.parts for job in jobs] == [
        ("hinet/0", "hinet/1"),
        ("hinet/2",),
        ("hinet/3",),
    ]
    dims = [config.sections["model"]["embedding_dim"] for job in jobs for config in configs_of(job)]
    assert dims == [8, 8, 4, 16]


def test_a_draw_that_cannot_share_the_steps_is_refused_outside_the_budget(
    tmp_path: Path, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ArmMemory.ask

    def forget_what_is_fixed(self: ArmMemory, *given: Any) -> Any:
        return ask(self, *given[:2])

    monkeypatch.setattr(ArmMemory, "ask", forget_what_is_fixed)
    phase = phase_of(tmp_path, store)
    for job in iter(phase.next_job, None):
        first, *others = configs_of(job)
        assert all(can_share_steps(first, other) for other in others)
    (arm,) = load_record(store.database, "tiny").arms
    refused = [trial for trial in arm.trials if not trial.counts]
    assert {trial.cause for trial in refused} == {
        "other settings than those of the stack it was drawn for"
    }
    assert sum(trial.counts for trial in arm.trials) == 7


def test_a_trial_whose_values_do_not_fit_was_left_and_does_not_end_the_launch(
    tmp_path: Path, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(phase_of(tmp_path, store, trials=3))  # and its process dies
    built = build_config

    def refuse(model: str, values: Mapping[str, Any]) -> TrialConfig:
        config = built(model, values)
        if config.train.learning_rate != 1e-3:  # that of the default
            raise ConfigurationError("these values do not fit together")
        return config

    monkeypatch.setattr(arm_search, "build_config", refuse)
    again = phase_of(tmp_path, store, trials=3)
    assert begin(again).payload.parts == ("hinet/0",)
    assert again.next_job() is None
    (arm,) = load_record(store.database, "tiny").arms
    assert [trial.cause for trial in arm.trials[1:3]] == ["these values do not fit together"] * 2


def test_architectures_still_differ_between_jobs(tmp_path: Path, store: StudyStore) -> None:
    phase = phase_of(tmp_path, store, trials=30)
    widths = {begin(phase).payload.jobs[0].config.model.embedding_dim for _ in range(10)}
    assert widths == {4, 8, 16}


def test_trials_of_a_job_run_on_one_slot(tmp_path: Path, store: StudyStore) -> None:
    phase = phase_of(tmp_path, store)
    begin(phase), begin(phase)
    slots = {key: job.slot for key, job in phase._progress.running.items()}
    assert list(slots.values()) == [0, 0, 0, 1, 1, 1]


def test_a_space_of_architectures_alone_is_not_stacked(tmp_path: Path, store: StudyStore) -> None:
    phase = phase_of(tmp_path, store, space=studies.TWO)
    assert begin(phase).payload.parts == ("hinet/0",)


def test_each_ends_when_its_result_is_there(tmp_path: Path, store: StudyStore) -> None:
    slot = Slot(phase := phase_of(tmp_path, store), begin(phase))
    for number in (0, 1, 2):
        slot.says(f"hinet/{number}", studies.evaluation(1, 0.6))
    slot.trained("hinet/1", 0.7)
    assert states(store) == ["running", "complete", "running"]
    slot.says("hinet/2", TrainingFailed("diverged: loss"))
    assert states(store) == ["running", "complete", "failed"]
    slot.trained("hinet/0", 0.8)
    slot.ends()
    assert states(store) == ["complete", "complete", "failed"]
    assert slot.stopped == []


def test_a_trial_that_is_pruned_is_stopped_alone(tmp_path: Path, store: StudyStore) -> None:
    slot = Slot(phase := phase_of(tmp_path, store), begin(phase))
    slot.says("hinet/0", studies.evaluation(1, 0.8))
    slot.trained("hinet/0", 0.8)
    slot.says("hinet/1", studies.evaluation(1, 0.6))
    assert slot.stopped == ["hinet/1"]
    slot.trained("hinet/1", 0.6, stopped=True)
    assert states(store) == ["complete", "pruned", "running"]


def test_a_job_that_fails_ends_those_that_have_not_ended(tmp_path: Path, store: StudyStore) -> None:
    slot = Slot(phase := phase_of(tmp_path, store), begin(phase))
    slot.trained("hinet/0", 0.8)
    slot.ends("OSError: no")
    assert states(store) == ["complete", "failed", "failed"]


def test_a_stack_that_fails_whole_is_one_failure_of_its_arm(
    tmp_path: Path, store: StudyStore
) -> None:
    phase = phase_of(tmp_path, store, trials=40, most=8)
    for _ in range(SAME_CAUSE_LIMIT - 1):
        Slot(phase, begin(phase)).ends("its process died")
    assert states(store) == ["failed"] * 8 * (SAME_CAUSE_LIMIT - 1)
    with pytest.raises(AllTrialsFailed):
        Slot(phase, begin(phase)).ends("its process died")


def test_trials_that_a_signal_stops_go_on_together_at_the_next_launch(
    tmp_path: Path, store: StudyStore
) -> None:
    slot = Slot(phase := phase_of(tmp_path, store), begin(phase))
    slot.trained("hinet/1", 0.8)
    for key in ("hinet/0", "hinet/2"):
        slot.trained(key, 0.7, stopped=True)
    slot.ends(stopping=True)
    assert states(store) == ["running", "complete", "running"]
    again = begin(phase_of(tmp_path, store))
    before = dict(zip(slot.job.payload.parts, slot.job.payload.jobs, strict=True))
    assert again.payload.parts == ("hinet/0", "hinet/2")
    assert again.payload.jobs == (before["hinet/0"], before["hinet/2"])
    assert (again.attempt, again.payload.order_seed) == (2, slot.job.payload.order_seed)


def test_a_retry_does_not_train_what_has_ended(tmp_path: Path, store: StudyStore) -> None:
    slot = Slot(phase := phase_of(tmp_path, store), begin(phase))
    slot.trained("hinet/1", 0.8)
    phase.retry(slot.job.key, 2, "its process died")
    slot.says("hinet/1", studies.evaluation(1, 0.8))
    assert slot.stopped == ["hinet/1"]
    slot.trained("hinet/1", 0.1, stopped=True)
    for key in ("hinet/0", "hinet/2"):
        slot.says(key, studies.evaluation(1, 0.9))
        slot.trained(key, 0.9)
    slot.ends()
    assert states(store) == ["complete"] * 3
    values = [trial.value for trial in load_record(store.database, "tiny").arms[0].trials]
    assert values == [0.9, 0.8, 0.9]


def test_trials_that_differ_more_are_resumed_apart(tmp_path: Path, store: StudyStore) -> None:
    one_by_one = phase_of(tmp_path, store, most=1)
    begun = [begin(one_by_one).key for _ in range(7)]
    again = phase_of(tmp_path, store)
    resumed = list(iter(again.next_job, None))
    assert sorted(part for job in resumed for part in job.payload.parts) == sorted(begun)
    assert 1 < len(resumed) < 7
    for job in resumed:
        first, *others = (each.config for each in job.payload.jobs)
        assert all(can_share_steps(first, other) for other in others)


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("train.learning_rate", True),
        ("train.clip_norm", True),
        ("train.batch_size", False),
        ("train.precision", False),
        ("model.scenario.dropout", True),
        ("model.scenario.widths", False),
        ("features.minimum_frequency", False),
    ],
)
def test_what_may_differ_is_what_changes_no_shape_and_no_order(name: str, *, may: bool) -> None:
    assert may_differ("hinet", name) is may


def test_other_models_never_share_steps() -> None:
    one, other = build_config("mmoe", {}), build_config("hmoe", {})
    assert can_share_steps(one, build_config("mmoe", {"model.dropout": 0.4}))
    assert not can_share_steps(one, other)
    assert not can_share_steps(one, build_config("mmoe", {"model.embedding_dim": 4}))


def stacking(most: int = 4, slots: int = 1, device: str = "cpu") -> Stacking:

    from tests.training.datasets import separable

    return Stacking(separable(), torch.device(device), most, slots)


SMALL = build_config("shared_bottom", {"train.batch_size": 64})


def test_small_models_are_stacked_and_the_last_trials_are_shared_out() -> None:
    assert stacking().size(SMALL, 100) == 4
    assert stacking(slots=2).size(SMALL, 6) == 3
    assert stacking(slots=2).size(SMALL, 2) == 1


@pytest.mark.parametrize(
    "config",
    [
        build_config("shared_bottom", {"train.batch_size": 10**6}),
        build_config("shared_bottom", {"train.embedding_optimiser": "lazy_adam"}),
        build_config("trees", {}),
    ],
    ids=["long steps", "touched rows", "trees"],
)
def test_what_gains_nothing_or_cannot_be_stacked_is_not(config: TrialConfig) -> None:
    assert stacking().size(config, 100) == 1


def test_on_a_gpu_the_slot_decides_by_a_probe() -> None:
    large = build_config("shared_bottom", {"train.batch_size": 10**6})
    assert stacking(device="cuda").size(large, 100) == 4


def test_a_study_does_not_change_between_stacked_trials_and_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(tmp_path, monkeypatch)
    studio.launch()
    with pytest.raises(StudyConflict, match="stacked_trials: stored nothing, now 4"):
        studio.launch(more="stacked_trials: 4\n")
