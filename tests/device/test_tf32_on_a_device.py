"""TF32 is torch's setting for a process: training steps have it, and nothing else of a slot does."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from hinet_search.models.layers.batch import Batch
from hinet_search.results.objectives import objective_named
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions
from hinet_search.training.train_config import Precision, TrainConfig
from tests.device.simulated import simulated_device
from tests.training.fake_models import DATA, Linear, Watch

IEEE, TF32 = "ieee", "tf32"


@pytest.fixture(autouse=True, params=[IEEE, TF32])
def setting(request: pytest.FixtureRequest) -> Iterator[str]:
    """What a process computes fp32 products in before it trains."""
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = request.param
    yield request.param
    products.fp32_precision = before


class Watched(Linear):
    """Notes the setting in forward passes and while gradients are computed."""

    def __init__(self) -> None:
        super().__init__(DATA.full_schema)
        self.seen: set[tuple[str, str]] = set()

    def forward(self, batch: Batch) -> Tensor:
        logits_BT = super().forward(batch)
        self.note("training" if self.training else "evaluation")
        if logits_BT.requires_grad:
            logits_BT.register_hook(lambda _: self.note("gradients"))
        return logits_BT

    def note(self, part: str) -> None:
        self.seen.add((part, torch.backends.cuda.matmul.fp32_precision))


class Ending(nn.Module):
    """Fails in its first step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, batch: Batch) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")


def conditions(device: torch.device, precision: Precision) -> Conditions:
    config = TrainConfig(batch_size=32, epochs=0.4, precision=precision)
    objective = objective_named("macro_auc")
    return Conditions(DATA, DATA.full_schema, config, 0, objective, device)


def setting_now() -> str:
    precision: str = torch.backends.cuda.matmul.fp32_precision
    return precision


def test_steps_compute_in_tf32_and_evaluations_do_not(setting: str) -> None:
    model = Watched()
    with simulated_device() as device:
        fit(model, conditions(device, "tf32"), Watch())
    assert model.seen == {("training", TF32), ("gradients", TF32), ("evaluation", setting)}
    assert setting_now() == setting


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_other_precision_changes_the_setting(precision: Precision, setting: str) -> None:
    model = Watched()
    with simulated_device() as device:
        fit(model, conditions(device, precision), Watch())
    assert {seen for _, seen in model.seen} == {setting}


def test_a_training_that_fails_in_a_step_leaves_the_setting_as_it_was(setting: str) -> None:
    with simulated_device() as device, pytest.raises(torch.OutOfMemoryError):
        fit(Ending(), conditions(device, "tf32"), Watch())
    assert setting_now() == setting
