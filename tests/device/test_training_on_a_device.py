"""A whole training on the simulated device: evaluations, checkpoints and weights as on the CPU."""

from pathlib import Path

import pytest
import torch

from hinet_search.results.objectives import objective_named
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions
from hinet_search.training.seeding import seeded_model
from hinet_search.training.train_config import TrainConfig
from tests.device.simulated import simulated_device
from tests.training.fake_models import CPU, DATA, Linear, Watch, weights_hash


def trained(
    device: torch.device, watch: Watch, checkpoints: Checkpoints | None = None, **train: object
) -> Linear:
    model = seeded_model(lambda: Linear(DATA.full_schema), seed=3)
    config = TrainConfig.model_validate({"batch_size": 32, "epochs": 2.0, **train})
    objective = objective_named("macro_auc")
    conditions = Conditions(DATA, DATA.full_schema, config, 0, objective, device)
    fit(model, conditions, watch, checkpoints)
    return model


@pytest.mark.parametrize("optimiser", ["adam", "lazy_adam"])
def test_a_training_on_the_device_ends_as_on_the_cpu(optimiser: str) -> None:
    watches = [Watch(), Watch()]
    model = trained(CPU, watches[0], embedding_optimiser=optimiser)
    with simulated_device() as device:
        model_there = trained(device, watches[1], embedding_optimiser=optimiser).cpu()
    torch.testing.assert_close(model_there.state_dict(), model.state_dict())
    on_cpu, there = ([each.objective for each in watch.records] for watch in watches)
    assert there == pytest.approx(on_cpu)


def test_a_training_that_was_stopped_on_the_device_resumes_there(tmp_path: Path) -> None:
    with simulated_device() as device:
        whole = trained(device, Watch())
        trained(device, Watch(stop_after=7), Checkpoints(tmp_path, "job"))
        watch = Watch()
        resumed = trained(device, watch, Checkpoints(tmp_path, "job"))
        assert watch.asked == 2 * 10 - 7
        assert weights_hash(resumed) == weights_hash(whole)
