"""An autograd function whose forward is signed is not inspected at every call."""

import inspect

import pytest
import torch

from hinet_search.nn.activation import _ReluDropout
from hinet_search.nn.mixing import _Sums
from hinet_search.nn.product import _Product
from hinet_search.nn.signed import signed


@pytest.mark.parametrize("function", [_ReluDropout, _Sums, _Product])
def test_no_call_inspects_the_forward_of_a_layer(
    function: type[torch.autograd.Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect, "_signature_from_function", None)
    assert tuple(inspect.signature(function.forward).parameters)


def test_a_signed_function_is_itself_and_keeps_its_defaults() -> None:
    def forward(x: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        return x * scale

    bound = inspect.signature(signed(forward)).bind(1)
    bound.apply_defaults()
    assert (signed(forward), bound.args) == (forward, (1, 2.0))
