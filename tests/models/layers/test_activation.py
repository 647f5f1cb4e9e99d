"""ReLU, then dropout, as one step."""

import pytest
import torch

from hinet_search.models.layers.activation import Activation


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_what_is_not_above_0_becomes_0_and_has_no_gradient(rate: float) -> None:
    x = torch.tensor([-2.0, -0.0, 0.0, 3.0], requires_grad=True)
    torch.manual_seed(0)
    y = Activation(rate).train()(x)
    y.sum().backward()
    assert y[:3].tolist() == [0, 0, 0]
    assert x.grad[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_outputs_have_the_type_of_the_inputs(dtype: torch.dtype) -> None:
    assert Activation(0.5).train()(torch.ones(3, 5, dtype=dtype)).dtype is dtype


def test_inputs_are_left_as_they_are() -> None:
    x = torch.tensor([-1.0, 1.0])
    for rate in (0.0, 0.5):
        Activation(rate).train()(x)
        Activation(rate).eval()(x)
    assert x.tolist() == [-1, 1]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_zeroes_its_share_and_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    y = Activation(rate).train()(torch.ones(400, 501))
    assert float((y == 0).float().mean()) == pytest.approx(rate, abs=0.005)
    assert float(y.mean()) == pytest.approx(1.0, abs=0.03)


def test_dropout_draws_every_input_apart() -> None:
    torch.manual_seed(0)
    is_kept = Activation(0.5).train()(torch.ones(20_000)) > 0
    neighbours = [float((is_kept[:-lag] == is_kept[lag:]).float().mean()) for lag in range(1, 9)]
    assert neighbours == pytest.approx([0.5] * 8, abs=0.02)


def test_dropout_is_off_in_evaluation_and_at_a_rate_of_zero() -> None:
    x = torch.ones(8)
    assert torch.equal(Activation(0.5).eval()(x), x)
    assert torch.equal(Activation(0.0).train()(x), x)


@pytest.mark.parametrize("rate", [0.0, 0.25])
def test_layers_that_lie_side_by_side_leave_outputs_by_themselves_and_gradients_as_they_lie(
    rate: float,
) -> None:
    torch.manual_seed(0)
    product_BC = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    x = product_BC.unflatten(1, (3, 2)).transpose(0, 1)
    gradients = []
    x.register_hook(gradients.append)
    y, slope = Activation(rate).train()(x), torch.randn(3, 5, 2, dtype=torch.float64)
    (y * slope).sum().backward()
    assert y.is_contiguous()
    assert gradients[0].stride() == x.stride()
    is_kept = y > 0
    torch.testing.assert_close(y[is_kept], x[is_kept] / (1 - rate))
    torch.testing.assert_close(gradients[0], torch.where(is_kept, slope / (1 - rate), 0.0))
    if rate == 0:
        assert torch.equal(is_kept, x > 0)
