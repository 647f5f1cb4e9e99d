"""On the first GPU, or on the CPU where there is none: what every model and training must do there.

On a machine without a GPU these tests compare the CPU with itself, so that they run everywhere, with two models:
test_resume.py trains every model there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from cases import JOINT, Case
from torch.nn.functional import binary_cross_entropy_with_logits

from hinet_search.common.plugins import names
from hinet_search.models.layers.measure import on_device_of, synthetic_batch
from hinet_search.results.objectives import objective_named
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.feed import make_feed, predict
from hinet_search.training.fit import TrainingSteps, fit
from hinet_search.training.run_state import Conditions, FitResult, begin
from hinet_search.training.seeding import seeded_model
from hinet_search.training.train_config import LOSSES, TrainConfig
from hinet_search.training.trial_config import build_config
from tests.training.datasets import separable
from tests.training.fake_models import Watch, weights_hash

CPU = torch.device("cpu")
DEVICE = torch.device("cuda", 0) if torch.cuda.is_available() else CPU
DATA = separable(train_rows=330)
WITHOUT_DROPOUT = {
    "hinet": {"model.scenario.dropout": 0.0, "model.cgc.dropout": 0.0},
    "mmoe": {"model.dropout": 0.0},
}
MODELS = JOINT if DEVICE.type == "cuda" else [Case(name) for name in WITHOUT_DROPOUT]

every_model = pytest.mark.parametrize("case", MODELS, ids=str)


def conditions(device: torch.device, **train: object) -> Conditions:
    given = {"batch_size": 32, "patience": 0, "epochs": 2, "learning_rate": 0.01, **train}
    config = TrainConfig.model_validate(given)
    objective = objective_named("macro_auc")
    return Conditions(DATA, DATA.full_schema, config, 3, objective, device)


@contextmanager
def without_waiting() -> Iterator[None]:
    """On a GPU, any operation that waits for the device is an error inside."""
    if DEVICE.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@every_model
def test_a_model_gives_the_logits_and_gradients_of_the_cpu(case: Case) -> None:
    results = []
    for device in (CPU, DEVICE):
        model = case.build(DATA.full_schema).eval().to(device)
        batch = on_device_of(model, synthetic_batch(DATA.full_schema, 64, seed=1))
        logits_BT = model(batch)
        binary_cross_entropy_with_logits(logits_BT, torch.ones_like(logits_BT)).backward()
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        results.append([tensor.detach().cpu() for tensor in (logits_BT, *gradients)])
    torch.testing.assert_close(results[1], results[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", WITHOUT_DROPOUT)
def test_a_training_ends_with_the_weights_of_the_cpu(name: str) -> None:
    config, weights = build_config(name, WITHOUT_DROPOUT[name]), []
    for device in (CPU, DEVICE):
        model = seeded_model(lambda: config.build(DATA.full_schema), 3)
        fit(model, conditions(device), Watch())
        weights.append({path: tensor.cpu() for path, tensor in model.state_dict().items()})
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-2, atol=1e-3)


STEPS = [(case, "cross_entropy") for case in MODELS]
STEPS += [(Case("mmoe"), loss) for loss in names(LOSSES)]


@pytest.mark.parametrize(("case", "loss"), STEPS, ids=str)
def test_no_step_waits_for_the_device(case: Case, loss: str) -> None:
    given = conditions(DEVICE, loss=loss, task_weights={"order": 2.0})
    run, state = begin(case.build(DATA.full_schema).to(DEVICE).train(), given, 0.0)
    steps = TrainingSteps(run, print)
    steps.take(state, torch.arange(32))  # the first one loads kernels
    with without_waiting():
        for rows_B in torch.arange(32, 128).split(32):
            steps.take(state, run.feed.by_scenario(rows_B))
    state.step_log.read(state.step)


@every_model
def test_a_training_that_resumes_ends_as_without_a_stop(case: Case, tmp_path: Path) -> None:
    given = conditions(DEVICE, evaluations_per_epoch=2)

    def trained(seed: int, watch: Watch, checkpoints: Checkpoints | None) -> tuple[FitResult, str]:
        model = seeded_model(lambda: case.build(DATA.full_schema), seed)
        result = fit(model, given, watch, checkpoints)
        return result, weights_hash(model)

    whole, expected = trained(3, Watch(), None)
    stopped, _ = trained(3, Watch(stop_after=7), Checkpoints(tmp_path, "job"))
    resumed, got = trained(99, Watch(), Checkpoints(tmp_path, "job"))
    assert (whole.stopped, stopped.stopped, resumed.stopped) == (False, True, False)
    assert got == expected


def test_a_split_is_scored_as_on_the_cpu() -> None:
    model = build_config("hinet", {}).build(DATA.full_schema)
    on_cpu_RT = predict(model, make_feed(DATA.valid, CPU))
    scores_RT = predict(model.to(DEVICE), make_feed(DATA.valid, DEVICE))
    torch.testing.assert_close(scores_RT, on_cpu_RT, rtol=1e-3, atol=1e-5)
