"""Matrix products of a training step can be in bf16 or TF32; everything else is fp32."""

import torch
from fake_models import CPU, DATA, TRUTH_RT, Linear, fit_on, linear, weights_hash
from torch import Tensor

from hinet_search.models.layers.batch import Batch
from hinet_search.training.feed import make_feed, predict


class Listening(Linear):
    """Records the type of its logits in training and in evaluation."""

    def __init__(self) -> None:
        super().__init__(DATA.full_schema)
        self.types: set[tuple[bool, torch.dtype]] = set()

    def forward(self, batch: Batch) -> Tensor:
        logits_BT = super().forward(batch)
        self.types.add((self.training, logits_BT.dtype))
        return logits_BT


def test_only_training_steps_are_in_bf16() -> None:
    for precision, type_of_steps in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        model = Listening()
        fit_on(DATA, model, epochs=1, precision=precision)
        assert model.types == {(True, type_of_steps), (False, torch.float32)}
        assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_model_learns_in_bf16_what_it_learns_in_fp32() -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        model = Linear(DATA.full_schema)
        fit_on(DATA, model, epochs=4, learning_rate=0.03, precision=precision)
        scores_RT = torch.from_numpy(predict(model, make_feed(DATA.valid, CPU)))
        losses.append(
            torch.nn.functional.binary_cross_entropy_with_logits(scores_RT, TRUTH_RT).item()
        )
    exact, rough = losses
    assert exact != rough
    assert abs(exact - rough) < 0.01 * exact
    assert rough < 0.6


def test_tf32_is_fp32_on_the_cpu() -> None:
    weights = []
    for precision in ("fp32", "tf32"):
        model = linear(DATA)
        fit_on(DATA, model, epochs=1, precision=precision)
        weights.append(weights_hash(model))
    assert weights[0] == weights[1]
