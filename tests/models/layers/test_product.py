"""The product equals torch's in value and gradients; only the gradient's memory layout differs."""

import inspect

import pytest
import torch
from torch import Tensor, nn

from hinet_search.models.layers.activation import _ReluDropout
from hinet_search.models.layers.experts import _Sums
from hinet_search.models.layers.linear import ALIGNED, Linear, _Product, product


def inputs(width: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(width)
    shapes = ((7, width), (width, 5), (5,))
    return [
        torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes
    ]


@pytest.mark.parametrize("width", [1, 15, 16, 17, 32, 341])
@pytest.mark.parametrize("bias", ["bias", "none"])
def test_values_and_gradients_are_those_of_torch(width: int, bias: str) -> None:
    tensors = inputs(width)[: 3 if bias == "bias" else 2]
    y = product(*tensors)
    plain = tensors[0] @ tensors[1] + (tensors[2] if bias == "bias" else 0)
    torch.testing.assert_close(y, plain, rtol=0, atol=1e-12)
    slope = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
    gradients = torch.autograd.grad(y, tensors, slope)
    plain_gradients = torch.autograd.grad(plain, tensors, slope)
    for actual, expected in zip(gradients, plain_gradients, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [17, 341])
def test_the_rows_of_the_gradient_begin_at_multiples_of_64_bytes(width: int) -> None:
    x, weight, bias = inputs(width, torch.float32)
    seen: list[Tensor] = []
    doubled = x * 2
    doubled.register_hook(seen.append)
    product(doubled, weight, bias).sum().backward()
    assert seen[0].stride(0) % ALIGNED == 0
    assert seen[0].shape == x.shape


def test_an_input_without_gradient_is_multiplied_as_it_is() -> None:
    x, weight, bias = inputs(341)
    y = product(x.detach(), weight, bias)
    assert type(y.grad_fn).__name__ == "AddmmBackward0"
    torch.testing.assert_close(y, product(x, weight, bias), rtol=0, atol=0)


def test_in_bf16_the_gradients_keep_the_type_of_their_tensors() -> None:
    tensors = inputs(341, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = product(*tensors)
    assert y.dtype is torch.bfloat16
    assert {gradient.dtype for gradient in torch.autograd.grad(y.sum(), tensors)} == {torch.float32}


def test_a_linear_layer_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours = Linear(19, 4)
    torch.manual_seed(0)
    plain = nn.Linear(19, 4)
    x = torch.randn(6, 19, requires_grad=True)
    assert torch.equal(ours(x), plain(x))
    assert [name for name, _ in ours.named_parameters()] == ["weight", "bias"]


@pytest.mark.parametrize("function", [_ReluDropout, _Sums, _Product])
def test_no_call_inspects_the_forward_of_a_layer(
    function: type[torch.autograd.Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "_signature_from_function", None)
    assert tuple(inspect.signature(function.forward).parameters)
