"""Adam updates as torch's AdamW and Adam do bit for bit, without torch's compiler."""

import subprocess
import sys

import torch
from torch import nn

from hinet_search.training.adam import Adam

SHAPES = ((7, 3), (3,), (11, 2))
DECAYS, RATES = (0.1, 0.1, 0.2), (0.01, 0.01, 0.05)
NUM_STEPS = 6


def weights(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in SHAPES]


def groups(of: list[nn.Parameter]) -> list[dict]:
    return [
        {"params": of[:2], "weight_decay": DECAYS[0], "decoupled": True, "lr": RATES[0]},
        {"params": of[2:], "weight_decay": DECAYS[2], "decoupled": False, "lr": RATES[2]},
    ]


def of_torch(of: list[nn.Parameter]) -> list[torch.optim.Optimizer]:
    decoupled, penalised = groups(of)
    return [torch.optim.AdamW([decoupled], fused=True), torch.optim.Adam([penalised], fused=True)]


def gradient(step: int, number: int) -> torch.Tensor | None:
    """The second weight has none at every other step."""
    if number == 1 and step % 2:
        return None
    generator = torch.Generator().manual_seed(100 * step + number)
    return torch.randn(SHAPES[number], generator=generator, dtype=torch.float64)


def take_steps(optimiser: object, of: list[nn.Parameter], steps: range) -> None:
    for step in steps:
        for number, weight in enumerate(of):
            given = gradient(step, number)
            weight.grad = None if given is None else given.to(weight.dtype)
        for each in optimiser if isinstance(optimiser, list) else [optimiser]:
            each.step()


def values(of: list[nn.Parameter]) -> list[list]:
    return [weight.tolist() for weight in of]


def test_weights_are_those_of_torchs_adamw_and_adam_bit_for_bit() -> None:
    ours, theirs = weights(), weights()
    take_steps(Adam(groups(ours)), ours, range(NUM_STEPS))
    take_steps(of_torch(theirs), theirs, range(NUM_STEPS))
    assert values(ours) == values(theirs)


def test_a_loaded_state_is_a_copy() -> None:
    ours = weights()
    optimiser = Adam(groups(ours))
    take_steps(optimiser, ours, range(1))
    stored = optimiser.state_dict()
    before = stored["state"][0]["exp_avg"].clone()
    other = Adam(groups(ours))
    other.load_state_dict(stored)
    take_steps(other, ours, range(1, 2))
    assert torch.equal(stored["state"][0]["exp_avg"], before)


def test_zero_grad_forgets_all_gradients() -> None:
    ours = weights()
    optimiser = Adam(groups(ours))
    take_steps(optimiser, ours, range(1))
    optimiser.zero_grad()
    assert [weight.grad for weight in ours] == [None] * len(ours)


IN_A_NEW_PROCESS = """\
import sys
from tests.training.fake_models import DATA, Watch, linear
from hinet_search.training.fit import fit
from hinet_search.models.layers.measure import outline
from hinet_search.results.objectives import objective_named
from hinet_search.training.run_state import Conditions
from hinet_search.training.train_config import TrainConfig
from tests.training.fake_models import CPU
config, objective = TrainConfig(batch_size=32, epochs=1), objective_named("macro_auc")
model = linear(DATA)
fit(model, Conditions(DATA, DATA.full_schema, config, 1, objective, CPU), Watch())
outline(model, DATA.full_schema)
print("torch._dynamo" in sys.modules)
"""


def test_a_training_does_not_load_torchs_compiler() -> None:
    said = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS], capture_output=True, text=True, check=False
    )
    assert said.stdout == "False\n", said.stderr
