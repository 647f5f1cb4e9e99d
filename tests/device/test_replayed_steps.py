"""Steps that are replayed, on the simulated device: bit for bit those that Python takes there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hinet_search.common.plugins import names
from hinet_search.models.layers.batch import Batch, to_device
from hinet_search.models.layers.contracts import BatchDependent
from hinet_search.models.layers.protocol import PER_SCENARIO, PER_TASK
from hinet_search.results.objectives import objective_named
from hinet_search.study.distributions import Value
from hinet_search.training import replayed_steps
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.fit import TrainingSteps, fit
from hinet_search.training.replayed_steps import can_replay, places_of
from hinet_search.training.run_state import Conditions, batches, begin
from hinet_search.training.seeding import seeded_model
from hinet_search.training.train_config import LOSSES, TrainConfig
from hinet_search.training.trial_config import build_config
from tests.device.simulated import simulated_device
from tests.device.simulated_graph import Graph
from tests.device.simulated_tensor import recording
from tests.device.test_steps_on_a_device import DATA, TEACHER_RT
from tests.models.cases import JOINT, Case, every_model
from tests.training.fake_models import CPU, Watch, weights_hash

NEVER = 10**9
APART = (Case("mmoe", PER_SCENARIO), Case("ple", PER_TASK))
SETTINGS: list[dict[str, object]] = [
    {"precision": "bf16"},
    {"precision": "tf32", "clip_norm": 0.0},
    {"rate_decay": True, "weight_decay": 0.1, "embedding_l2": 0.1},
    {"plateau_factor": 0.5, "teacher_weight": 0.5},
    {"task_weights": {"order": 2.0}, "scenario_weights": {"home": 2.0}},
]


@pytest.fixture(autouse=True)
def _device() -> Iterator[None]:
    with simulated_device():
        yield


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of the graph of every replay."""
    graphs: list[int] = []
    numbers: list[int] = []

    class Counted(Graph):
        def __init__(self) -> None:
            super().__init__()
            self.number = len(graphs)
            graphs.append(self.number)

        def replay(self) -> None:
            numbers.append(self.number)
            super().replay()

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Counted)
    return numbers


@contextmanager
def by_python() -> Iterator[None]:
    """Take the same steps without a graph."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replayed_steps, "WARM_UP_STEPS", NEVER)
        yield


def conditions(device: torch.device | None = None, **train: object) -> Conditions:
    """An epoch has 12 steps of 8 rows of three scenarios."""
    given = {"batch_size": 8, "epochs": 2.5, "patience": 0, "cuda_graphs": True, **train}
    config = TrainConfig.model_validate(given)
    teacher_RT = TEACHER_RT if config.teacher_weight else None
    objective = objective_named("macro_auc")
    there = device or torch.device("cuda", 0)
    return Conditions(DATA, DATA.full_schema, config, 3, objective, there, teacher_RT)


def model_of(name: str = "mmoe", values: dict[str, Value] | None = None) -> torch.nn.Module:
    build = build_config(name, values or {}).build
    return seeded_model(lambda: build(DATA.full_schema), 3)


def trained(model: torch.nn.Module, given: Conditions) -> tuple[str, list[float]]:
    """Return the weights and the losses of a training."""
    watch = Watch()
    fit(model, given, watch)
    return weights_hash(model), [record.train_loss for record in watch.records]


def replayable(model: torch.nn.Module, given: Conditions) -> bool:
    return can_replay(begin(model.to(given.device), given, 0.0)[0])


@pytest.mark.parametrize("case", [*JOINT, *APART], ids=str)
def test_replayed_steps_end_with_the_weights_of_steps_by_python(
    case: Case, replays: list[int]
) -> None:
    with by_python():
        expected = trained(case.build(DATA.full_schema), conditions(epochs=1.0))
    assert not replays
    model = case.build(DATA.full_schema)
    assert trained(model, conditions(epochs=1.0)) == expected
    reads_batch = any(isinstance(each, BatchDependent) for each in model.modules())
    assert bool(replays) != reads_batch


@pytest.mark.parametrize("train", SETTINGS, ids=str)
def test_so_do_those_of_every_setting(train: dict[str, object], replays: list[int]) -> None:
    with by_python():
        expected = trained(model_of(), conditions(**train))
    assert trained(model_of(), conditions(**train)) == expected
    assert sorted(set(replays)) == [0, 1, 2], "a graph of every epoch"
    assert len(replays) > 15, "most of 30 steps"


def test_so_do_those_of_layers_normalised_within_a_row(replays: list[int]) -> None:
    model = lambda: model_of("mmoe", {"model.normalisation": "layer"})  # noqa: E731  in one line
    with by_python():
        expected = trained(model(), conditions())
    assert trained(model(), conditions()) == expected
    assert len(replays) > 15


@pytest.mark.parametrize("name", ["mmoe", "single", "star"])
def test_rows_that_are_placed_train_as_those_that_are_not(name: str) -> None:
    """Also where some batches have no rows of a scenario, whose parts then stay as they are.

    Rates fall, as without a graph.
    """
    plain, placed = (model_of(name, {"model.dropout": 0.0}) for _ in range(2))
    fit(plain, conditions(cuda_graphs=False, epochs=1.0, rate_decay=True), Watch())
    fit(placed, conditions(epochs=1.0, rate_decay=True), Watch())
    torch.testing.assert_close(placed.cpu().state_dict(), plain.cpu().state_dict())


@pytest.mark.parametrize("stop", [2, 5, 12, 20])
def test_a_training_of_replayed_steps_resumes_bit_for_bit(tmp_path: Path, stop: int) -> None:
    given = conditions(rate_decay=True, plateau_factor=0.5)
    expected, _ = trained(model_of(), given)
    fit(model_of(), given, Watch(stop_after=stop), Checkpoints(tmp_path, "job"))
    resumed = seeded_model(lambda: build_config("mmoe", {}).build(DATA.full_schema), 99)
    fit(resumed, given, Watch(), Checkpoints(tmp_path, "job"))
    assert weights_hash(resumed) == expected


@every_model
def test_a_replayed_step_copies_once_never_waits_and_runs_no_python_of_the_model(
    case: Case, replays: list[int]
) -> None:
    given = conditions(epochs=1.0)
    model = case.build(DATA.full_schema).to(given.device).train()
    run, state = begin(model, given, 0.0)
    if not can_replay(run):
        return
    steps = TrainingSteps(run, print)
    forwards: list[int] = []
    model.register_forward_hook(lambda *_: forwards.append(state.step))
    for rows_B in batches(run, 0, steps.begin_epoch):
        before = len(replays), len(forwards)
        with recording() as traffic:
            steps.take(state, rows_B)
        if len(replays) > before[0] and len(forwards) == before[1]:
            assert [event.kind for event in traffic] == ["copy"]
    assert len(replays) >= 5, "of 12 steps"
    assert len(forwards) + len(replays) == state.step + 1, "the capture alone does both"


@pytest.mark.parametrize(
    ("name", "values", "train"),
    [
        ("mmoe", {}, {"cuda_graphs": False}),
        ("mmoe", {}, {"embedding_optimiser": "lazy_adam"}),
        ("hinet", {"model.san.top_k": 1}, {}),
        ("hamur", {}, {}),
        ("mmoe", {"model.normalisation": "batch"}, {}),
    ],
    ids=str,
)
def test_other_trainings_have_no_graph(
    name: str, values: dict[str, Value], train: dict[str, object], replays: list[int]
) -> None:
    assert not replayable(model_of(name, values), conditions(**train))
    fit(model_of(name, values), conditions(**train), Watch())
    assert not replays


@pytest.mark.parametrize("loss", [name for name in names(LOSSES) if "pairs" in name])
def test_losses_that_list_pairs_on_the_host_have_no_graph(loss: str, replays: list[int]) -> None:
    fit(model_of(), conditions(loss=loss, epochs=1.0), Watch())
    assert not replays


def test_many_small_scenarios_have_no_graph() -> None:
    given = conditions()
    of_twelve = replace(DATA.train, scenario_R=(np.arange(96) % 12).astype(np.int16))
    assert places_of(torch.from_numpy(of_twelve.scenario_R), 8) == (8,) * 12
    assert replayable(model_of(), given)
    assert not replayable(model_of(), replace(given, dataset=replace(DATA, train=of_twelve)))


class Hindered(torch.nn.Module):
    """A model that asks the device for a number while it computes, or copies one to it."""

    def __init__(self, *, copies: bool) -> None:
        super().__init__()
        self.model = model_of("shared_bottom")
        self.copies = copies

    def forward(self, batch: Batch) -> torch.Tensor:
        scores_BH: torch.Tensor = self.model(batch)
        if self.copies:
            return scores_BH * to_device(torch.ones(1), scores_BH.device)
        return scores_BH if float(scores_BH.detach().sum()) else 2 * scores_BH


@pytest.mark.parametrize(
    ("copies", "reason"),
    [(False, "not permitted while a stream is captured"), (True, "a copy from the host's memory")],
)
def test_steps_that_no_graph_can_repeat_are_taken_one_by_one_with_a_notice(
    copies: bool, reason: str, replays: list[int]
) -> None:
    with by_python():
        expected = trained(Hindered(copies=copies), conditions())
    watch, model = Watch(), Hindered(copies=copies)
    fit(model, conditions(), watch)
    assert not replays
    assert (weights_hash(model), [record.train_loss for record in watch.records]) == expected
    (said,) = watch.notices
    assert said.startswith(
        f"train.cuda_graphs: steps are taken one by one, no graph has them: {reason}"
    )


def test_memory_that_runs_out_in_a_capture_is_said_to_have_run_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = replayed_steps.FixedRows.read

    def full(rows: replayed_steps.FixedRows) -> object:
        if torch.cuda.is_current_stream_capturing():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(rows)

    monkeypatch.setattr(replayed_steps.FixedRows, "read", full)
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        fit(model_of(), conditions(), Watch())


def test_an_error_that_is_not_of_the_capture_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(replayed_steps.FixedRows, "read", full)
    monkeypatch.setattr(replayed_steps, "WARM_UP_STEPS", 0)
    with pytest.raises(RuntimeError, match=r"^CUDA out of memory$"):
        fit(model_of(), conditions(), Watch())


def test_a_cpu_has_no_graph() -> None:
    assert not replayable(model_of(), conditions(CPU))


def test_the_setting_is_stored_only_if_it_is_on() -> None:
    assert "cuda_graphs" not in TrainConfig().model_dump(mode="json")
    assert TrainConfig(cuda_graphs=True).model_dump(mode="json")["cuda_graphs"] is True
