"""Layers that models share: grouped experts, gates, towers, mixtures."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from hinet_search.data.schema import Schema
from hinet_search.models.layers.diagnostics import gate_usage, numbered
from hinet_search.models.layers.experts import WIDE, Experts, Gate, Mixture, mix
from hinet_search.models.layers.linear import StackedLinear


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape))
    )


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.sampled_from(["shared", "own"]),
    st.sampled_from(["bias", "none"]),
)
def test_each_row_epochs_the_layers_of_its_own_group_alone_and_trains_no_other(
    sizes: list[int], inputs: str, bias: str
) -> None:
    layer = StackedLinear(3, 2, 2, num_groups=len(sizes), bias=bias == "bias").double()
    x = normal(2, sum(sizes), 3) if inputs == "own" else normal(sum(sizes), 3)
    x.requires_grad_()
    group = [number for number, size in enumerate(sizes) for _ in range(size)]
    expected = torch.zeros(2, sum(sizes), 2, dtype=torch.float64)
    for row, number in enumerate(group):
        for s in range(2):
            row_input = x[s, row] if inputs == "own" else x[row]
            expected[s, row] = row_input @ layer.weight_LIO[number * 2 + s]
            if layer.bias_LO is not None:
                expected[s, row] += layer.bias_LO[number * 2 + s]
    got = layer(x, sizes)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)
    if group:
        tensors = [x, *layer.parameters()]
        weights = normal(*got.shape)
        gradients = torch.autograd.grad((got * weights).sum(), tensors)
        of_loop = torch.autograd.grad((expected * weights).sum(), tensors)
        torch.testing.assert_close(gradients, of_loop, rtol=0, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(layer(x, sizes), expected, rtol=0, atol=1e-12)


class RowsOfProducts(TorchDispatchMode):
    """Record the number of rows of every matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def __torch_dispatch__(self, function, _types, arguments=(), named=None):
        if function.name() in ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"):
            self.rows.append(arguments[-2].shape[-2])
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("inputs", ["shared", "own"])
@pytest.mark.parametrize("bias", ["bias", "none"])
def test_in_bf16_groups_of_all_sizes_share_few_shapes_and_keep_their_rows(
    inputs: str, bias: str
) -> None:
    layer, sizes = StackedLinear(3, 2, 2, num_groups=5, bias=bias == "bias"), [5, 60, 0, 33, 64]
    x = (
        (normal(2, sum(sizes), 3) if inputs == "own" else normal(sum(sizes), 3))
        .float()
        .requires_grad_()
    )
    with torch.autocast("cpu", torch.bfloat16), RowsOfProducts() as products:
        y = layer(x, sizes)
    assert products.rows == [32, 64, 64, 64], "a group without rows takes no product"
    exact = layer(x, sizes)
    torch.testing.assert_close(y.float(), exact, rtol=0.02, atol=0.02)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    (exact_gradient,) = torch.autograd.grad(exact.sum(), x)
    torch.testing.assert_close(gradient, exact_gradient, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("inputs", ["shared", "own"])
def test_in_full_precision_no_row_is_added(inputs: str) -> None:
    layer = StackedLinear(3, 2, 2, num_groups=2)
    with RowsOfProducts() as products:
        layer((normal(2, 7, 3) if inputs == "own" else normal(7, 3)).float(), [5, 2])
    assert products.rows == [5, 2]


def test_rows_of_one_group_alone_take_one_product_and_train_its_layers_alone() -> None:
    layer, x = StackedLinear(3, 2, 2, num_groups=3).double(), normal(5, 3)
    with RowsOfProducts() as products:
        y = layer(x, [0, 5, 0])
    assert products.rows == [5]
    torch.testing.assert_close(y, layer(x)[2:4])
    y.sum().backward()
    weight_grad, bias_grad = layer.weight_LIO.grad, layer.bias_LO.grad
    assert weight_grad[2:4].all(), "every weight of the group"
    assert not weight_grad[[0, 1, 4, 5]].any()
    assert bias_grad.sum(dim=1).tolist() == [0, 0, 10, 10, 0, 0]


def test_without_sizes_every_row_epochs_all_layers_group_by_group() -> None:
    layer, x = StackedLinear(3, 2, 2, num_groups=3).double(), normal(5, 3)
    torch.testing.assert_close(
        layer(x)[4], x @ layer.weight_LIO[4] + layer.bias_LO[4], rtol=0, atol=1e-12
    )
    assert layer(x).shape == (6, 5, 2)


def test_experts_end_with_a_rectifier() -> None:
    output = Experts(3, (8, 6), 4)(normal(50, 3).float())
    assert float(output.min().detach()) == 0.0
    assert output.shape == (4, 50, 6)


def test_a_uniform_gate_is_the_mean_of_the_experts_and_has_nothing_to_learn() -> None:
    gate, y_SKBH = Gate(3, 4, "uniform"), normal(1, 4, 5, 2)
    torch.testing.assert_close(mix(gate(normal(5, 3)), y_SKBH), y_SKBH.mean(dim=1))
    assert list(gate.parameters()) == []


def test_a_gate_over_one_expert_weighs_it_one_and_has_nothing_to_learn() -> None:
    gate = Gate(3, 1, "softmax")
    assert torch.equal(gate(torch.ones(2, 3)), torch.ones(1, 2, 1))
    assert list(gate.parameters()) == []


@pytest.mark.parametrize("width", [3, WIDE])
@pytest.mark.parametrize("sets_of_experts", [1, 2])
def test_a_mix_is_the_weighted_sum_of_the_experts(width: int, sets_of_experts: int) -> None:
    weights_SBK, y_SKBH = normal(2, 5, 4), normal(sets_of_experts, 4, 5, width)
    expected_SBH = torch.zeros(2, 5, width, dtype=torch.float64)
    for s, b, k in product(range(2), range(5), range(4)):
        expected_SBH[s, b] += weights_SBK[s, b, k] * y_SKBH[s % sets_of_experts, k, b]
    torch.testing.assert_close(mix(weights_SBK, y_SKBH), expected_SBH, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["softmax", "uniform"])
def test_a_mixture_for_all_groups_holds_the_mixture_of_the_own_group(kind: str) -> None:
    mixture = Mixture(Experts(3, (4,), 2, num_groups=3), Gate(3, 2, kind, num_groups=3)).double()
    x, sizes = normal(6, 3), [1, 0, 5]
    everything, own = mixture(x), mixture(x, sizes)
    assert everything.shape == (3, 6, 4)
    torch.testing.assert_close(
        own[0], torch.cat([everything[0, :1], everything[2, 1:]]), rtol=0, atol=1e-12
    )


def test_gate_usage_is_the_mean_over_the_rows_of_a_scenario() -> None:
    weights = torch.tensor([[[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]]], dtype=torch.float64)
    schema = Schema(("a", "b", "c"), ("click",), (), (), ())
    usage = gate_usage(weights, [1, 0, 2], schema, numbered("expert", 2))
    assert [entry.where for entry in usage] == ["a/click", "c/click"]
    assert usage[1].weights == (0.75, 0.25)
    assert usage[1].experts == ("expert 1", "expert 2")
