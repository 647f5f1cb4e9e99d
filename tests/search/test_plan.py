"""A plan is made of what a launch will do: its spaces, its data, its cut-off of rare ids."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from hinet_search import api
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.schema import Schema
from hinet_search.results.data_record import CellCount, DataRecord
from hinet_search.search.plan import forecast, prepare, probe
from hinet_search.search.plan.check_study import check_objectives
from hinet_search.search.plan.plan_warnings import (
    few_steps,
    gpu_settings_without_gpu,
    rows_not_kept,
)
from hinet_search.search.plan.prepare import DeviceMemory
from hinet_search.search.plan.size_limits import default_of
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import load_study
from hinet_search.training import model_size
from hinet_search.training.device import ChosenDevice
from hinet_search.training.model_size import bytes_in_training
from hinet_search.training.trial_config import TrialConfig
from tests.search.studies import DATA
from tests.small import STUDY, write_study

ONE_ARM = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")


@pytest.fixture(autouse=True)
def short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MOST_STEPS", probe.FEWEST_STEPS)


def test_a_plan_of_models_without_rare_ids_is_timed_on_their_own_ids(tmp_path: Path) -> None:
    rare = "fixed: {model.embedding_dim: 8, features.minimum_frequency: 60}\n"
    all_ids = "fixed: {model.embedding_dim: 8, features.minimum_frequency: 1}\n"
    path = write_study(tmp_path, ONE_ARM + rare)
    planned = api.check(str(path), output=tmp_path / "out")
    assert planned.arms[0].seconds_per_trial > 0
    assert planned.notes == ()
    full = api.check(str(write_study(tmp_path, ONE_ARM + all_ids, "full")), output=tmp_path / "out")
    assert planned.arms[0].parameters[0] < full.arms[0].parameters[0]


def test_a_launch_refuses_a_model_that_does_not_fit_before_a_study_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_size, "available_memory", lambda: 1000)
    with pytest.raises(DataError, match=r"small.yaml:\d+:\d+: [\d,]+ parameters of the default"):
        api.ready(str(write_study(tmp_path, ONE_ARM)), LaunchOptions(output=tmp_path / "out"))
    assert not list(tmp_path.rglob("*.sqlite3"))


def test_the_embeddings_of_every_cell_count_where_a_model_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(tmp_path, ONE_ARM.replace("shared_bottom", "single"))
    ready = api.ready(str(path), LaunchOptions(output=tmp_path / "out"))
    config = default_of(ready.study.arms[0])
    trained = bytes_in_training(config, config.features.schema_of(ready.dataset))
    needed = trained.weights + trained.moments
    monkeypatch.setattr(model_size, "available_memory", lambda: needed - 1)
    with pytest.raises(DataError, match="must fit into"):
        api.ready(str(path), LaunchOptions(output=tmp_path / "out"))


@dataclass(frozen=True)
class Counted:
    """What a check of the objective reads of a data set."""

    record: DataRecord
    full_schema: Schema


CELLS = (
    CellCount("Home", "order", (500, 120, 110), (50, 12, 11)),
    CellCount("Push", "order", (500, 0, 90), (50, 0, 0)),
    CellCount("Cart", "order", (500, 90, 90), (50, 9, 90)),
)
COUNTED = Counted(
    replace(DATA, cells=CELLS),
    Schema(tuple(cell.scenario for cell in CELLS), ("order",), ("user_id",), (10,), ()),
)


@pytest.mark.parametrize(
    ("objective", "problems"),
    [
        (
            "auc[Push/order]",
            [
                "needs both classes in valid, got 0 positives of 0 rows",
                "needs both classes in test, got 0 positives of 90 rows",
            ],
        ),
        ("logloss[Push/order]", ["needs rows in valid, got 0 positives of 0 rows"]),
        ("auc[Cart/order]", ["needs both classes in test, got 90 positives of 90 rows"]),
    ],
)
def test_an_objective_of_a_cell_that_gives_it_no_value_is_refused(
    tmp_path: Path, objective: str, problems: list[str]
) -> None:
    path = write_study(tmp_path, STUDY + f'objective: "{objective}"\n')
    with pytest.raises(ConfigurationError) as caught:
        check_objectives(load_study(str(path)), COUNTED)
    place = f"{path}:{len(STUDY.splitlines()) + 1}:1: objective {objective}"
    assert list(caught.value.problems) == [f"{place} {problem}" for problem in problems]


def test_a_cell_of_amounts_needs_one_above_0_for_its_auc(tmp_path: Path) -> None:
    path = write_study(tmp_path, STUDY + 'objective: "auc[Push/order]"\n')
    cells = tuple(replace(cell, means=(1.0, 1.0, 1.0)) for cell in CELLS)
    counted = replace(COUNTED, record=replace(DATA, cells=cells))
    with pytest.raises(ConfigurationError) as caught:
        check_objectives(load_study(str(path)), counted)
    assert [problem.partition(" needs ")[2] for problem in caught.value.problems] == [
        "an amount above 0 in valid, got 0 above 0 of 0 rows",
        "an amount above 0 in test, got 0 above 0 of 90 rows",
    ]
    path = write_study(tmp_path, STUDY + 'objective: "auc[Cart/order]"\n')
    check_objectives(load_study(str(path)), counted)


def test_a_further_objective_is_checked_too_and_told_with_its_place(tmp_path: Path) -> None:
    text = (
        STUDY + "objectives:\n- mean_auc\n- latency_ms\n- auc[Push/order]\n- logloss[Hom/order]\n"
    )
    path = write_study(tmp_path, text)
    lines = len(STUDY.splitlines())
    with pytest.raises(ConfigurationError) as caught:
        check_objectives(load_study(str(path)), COUNTED)
    assert caught.value.problems[0].startswith(
        f"{path}:{lines + 4}:3: objective auc[Push/order] needs"
    )
    path = write_study(tmp_path, text.replace("- auc[Push/order]\n", ""))
    with pytest.raises(
        ConfigurationError, match=r"logloss\[Hom/order\] names no scenario, known: "
    ):
        check_objectives(load_study(str(path)), COUNTED)


def test_flops_are_no_objective_of_trees(tmp_path: Path) -> None:
    text = STUDY.replace("{shared_bottom: , mmoe: }", "{mmoe: , trees: }")
    text += "reference: mmoe\nobjectives: [mean_auc, flops_per_row]\n"
    with pytest.raises(ConfigurationError) as caught:
        api.check(str(write_study(tmp_path, text)), output=tmp_path / "out")
    assert "objective flops_per_row needs a network, and trees is none" in str(caught.value)
    assert caught.value.remedy == "take latency_ms in its place, or leave out the arm"
    api.check(
        str(write_study(tmp_path, text.replace("flops_per_row", "latency_ms"))),
        output=tmp_path / "out",
    )


def test_arms_share_the_seconds_of_a_probe_and_the_largest_model_sets_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, float]] = []

    def probed(
        config: TrialConfig, dataset: object, device: object, seconds: float
    ) -> probe.ProbeResult:
        asked.append((config.model_name, seconds))
        return probe.ProbeResult(2.0, 4.0 * len(asked), 1000 * len(asked))

    monkeypatch.setattr(probe, "probe", probed)
    planned = api.check(str(write_study(tmp_path)), output=tmp_path / "out")
    each = forecast.PROBE_SECONDS / 4  # two probes of two arms
    assert asked == [("shared_bottom", each)] * 2 + [("mmoe", each)] * 2
    assert planned.memory_bytes == planned.ready.slots * 4000


def test_an_arm_that_runs_out_of_memory_in_its_probe_is_reported_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(*_: object) -> None:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory"
        )

    monkeypatch.setattr(probe, "make_optimiser", run_out)
    with pytest.raises(EnvironmentFault) as caught:
        api.check(str(write_study(tmp_path, ONE_ARM)), output=tmp_path / "out")
    assert re.search(
        r"small.yaml:\d+:\d+: a trial of shared_bottom must fit into memory, but it ran out: batch size [\d,]+ on cpu",
        str(caught.value),
    )


@pytest.mark.parametrize("refit", [False, True])
def test_the_time_of_a_study_adds_trials_finalists_refits_jobs_and_a_fixed_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, refit: bool
) -> None:
    default = iter([False, True, False, True])
    monkeypatch.setattr(
        probe, "probe", lambda *_: probe.ProbeResult(2.0, 8.0 if next(default) else 4.0, 0)
    )
    text = STUDY.replace("seeds: 2}", f"seeds: 2, refit: {str(refit).lower()}}}")
    planned = api.check(str(write_study(tmp_path, text)), output=tmp_path / "out")
    arms, slots, trials, seeds = 2, 2, 3, 2
    finalists = seeds * (4.0 + 8.0)  # the best draw and the default
    refits = seeds if refit else 0
    jobs = forecast.JOB_SECONDS * (arms * (trials + 2 * seeds) + refits)
    trainings = arms * (trials * 2.0 + finalists) + refits * planned.arms[0].seconds_per_finalist
    assert planned.seconds == pytest.approx(forecast.FIXED_SECONDS + (trainings + jobs) / slots)


@pytest.mark.parametrize(
    ("changes", "finalists", "runs", "known"),
    [
        ({}, [2, 2], 8, False),
        ({"trials: 3": "trials: 1"}, [1, 1], 4, True),
        ({"top: 1": "top: 5"}, [3, 3], 12, True),
        ({"top: 1": "top: 5", "pruner: none": "pruner: median"}, [3, 3], 12, False),
        ({"mmoe: }": "mmoe: {space: nothing}}"}, [2, 1], 6, False),
    ],
    ids=[
        "the default may be best",
        "the default alone",
        "every trial",
        "every trial that is not pruned",
        "nothing to search",
    ],
)
def test_finalists_are_no_more_than_there_are_configurations(
    changes: dict[str, str], finalists: list[int], runs: int, *, known: bool, tmp_path: Path
) -> None:
    text = STUDY
    for old, new in changes.items():
        text = text.replace(old, new)
    (tmp_path / "nothing.yaml").write_text("parameters: {}\n")
    planned = api.check(str(write_study(tmp_path, text)), output=tmp_path / "out")
    assert [arm.finalists for arm in planned.arms] == finalists
    assert (planned.finalist_runs, planned.finalist_runs_are_known) == (runs, known)


def test_a_trial_gives_up_a_share_of_the_epochs_after_the_first() -> None:
    assert [probe._share_of(epochs) for epochs in (0.5, 1.0, 4.0)] == [
        1.0,
        1.0,
        pytest.approx(3.1 / 4),
    ]


def test_a_space_that_is_smaller_than_the_budget_is_said_and_planned_for(tmp_path: Path) -> None:
    rates = "{kind: categorical, choices: [0.001, 0.003], default: 0.001}"
    (tmp_path / "two.yaml").write_text(f"parameters:\n  train.learning_rate: {rates}\n")
    arms = "arms: {shared_bottom: , known: {model: shared_bottom, space: two}}"
    planned = api.check(
        str(write_study(tmp_path, STUDY.replace("arms: {shared_bottom: , mmoe: }", arms))),
        output=tmp_path,
    )
    assert [(arm.name, arm.trials) for arm in planned.arms] == [("shared_bottom", 3), ("known", 2)]
    assert planned.trials == 5
    assert planned.notes == (
        "arm known: its space has 2 configurations, so it is searched whole with 2 of 3 trials",
    )


def test_batches_that_leave_few_steps_of_an_epoch_are_told_with_the_batch_that_fits(
    tmp_path: Path,
) -> None:
    options = LaunchOptions(output=tmp_path / "out")
    large = api.ready(str(write_study(tmp_path)), options)  # 1,024 rows a batch by default
    (warning,) = few_steps(large)
    rows = f"{large.dataset.train.num_rows:,}"
    assert f"1,024 make 3 steps an epoch over {rows} rows (shared_bottom, mmoe)" in warning
    assert "256 rows a batch follow from the rows" in warning
    text = STUDY + "fixed: {train.batch_size: 512}\n"
    assert not list(few_steps(api.ready(str(write_study(tmp_path, text, "fits")), options)))


@pytest.mark.parametrize(
    ("fixed", "told"),
    [
        ("train.precision: tf32", "train.precision tf32 is for GPUs, and is fp32 on this CPU"),
        ("train.cuda_graphs: true", "train.cuda_graphs is for GPUs, and has no effect on this CPU"),
    ],
)
def test_settings_for_gpus_are_told_where_trainings_run_on_the_cpu(
    tmp_path: Path, fixed: str, told: str
) -> None:
    options = LaunchOptions(output=tmp_path / "out")
    text = ONE_ARM + f"fixed: {{{fixed}}}\n"
    on_cpu = api.ready(str(write_study(tmp_path, text)), options)
    (warning,) = gpu_settings_without_gpu(on_cpu)
    assert told in warning
    on_gpu = replace(on_cpu, device=ChosenDevice(torch.device("cuda", 0)))
    assert not list(gpu_settings_without_gpu(on_gpu))


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = ChosenDevice(torch.device("cuda", 0))
    monkeypatch.setattr(prepare, "choose_device", lambda _: cuda)
    monkeypatch.setattr(prepare, "smallest_memory", lambda: 80 * 10**9)


@pytest.mark.usefixtures("a_gpu")
def test_slots_that_would_see_no_gpu_are_refused_where_trainings_run_on_one(tmp_path: Path) -> None:
    path = write_study(tmp_path, ONE_ARM + "executor: {kind: ray, address: local}\n")
    with pytest.raises(ConfigurationError) as caught:
        api.ready(str(path), LaunchOptions(output=tmp_path / "out"))
    (problem,) = caught.value.problems
    assert re.search(r"small.yaml:\d+:\d+: executor: slots must see a GPU", problem)
    assert "run on cuda:0; with these options of ray they see none" in problem


@pytest.mark.usefixtures("a_gpu")
@pytest.mark.parametrize("executor", ["local", "{kind: ray, gpus_per_slot: 0.25}"])
def test_slots_with_a_gpu_are_taken(tmp_path: Path, executor: str) -> None:
    path = write_study(tmp_path, ONE_ARM + f"executor: {executor}\n")
    ready = api.ready(str(path), LaunchOptions(output=tmp_path / "out"))
    assert ready.device.device.type == "cuda"


def test_rows_that_a_gpu_does_not_keep_are_told(tmp_path: Path) -> None:
    ready = api.ready(str(write_study(tmp_path)), LaunchOptions(output=tmp_path / "out"))
    assert not list(rows_not_kept(ready))
    assert not list(rows_not_kept(replace(ready, device_memory=DeviceMemory(10**9, 1, 5 * 10**8))))
    (warning,) = rows_not_kept(replace(ready, device_memory=DeviceMemory(10**9, 1, 6 * 10**8)))
    assert warning.startswith("600 MB of rows are more than half of the GPU's 1.00 GB: they stay")
