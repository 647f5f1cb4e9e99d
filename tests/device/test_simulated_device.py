"""The simulated device errs where a GPU would err, and notes what a GPU would wait for."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from tests.device.simulated import simulated_device
from tests.device.simulated_graph import CaptureError
from tests.device.simulated_tensor import DEVICE, MixedDevicesError, recording


@pytest.fixture(autouse=True)
def _device() -> Iterator[None]:
    with simulated_device():
        yield


def on_device(*numbers: float) -> Tensor:
    return torch.tensor(numbers).to(DEVICE)


@pytest.mark.parametrize(
    "mix",
    [
        lambda: on_device(1.0, 2.0) + torch.ones(2),
        lambda: on_device(1.0, 2.0).index_select(0, torch.tensor([1])),
        lambda: on_device(1.0, 2.0).numpy(),
        lambda: on_device(1.0, 2.0).add_(torch.ones(2)),
    ],
)
def test_tensors_of_both_devices_in_one_operation_are_an_error(mix: Callable[[], object]) -> None:
    with pytest.raises(MixedDevicesError):
        mix()


def test_a_gradient_of_the_host_in_a_product_on_the_device_is_an_error() -> None:
    x = on_device(1.0, 2.0).requires_grad_()
    y = x * 2
    y.register_hook(lambda gradient: gradient * torch.ones(2))
    with pytest.raises(MixedDevicesError):
        y.sum().backward()


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda x: x.exp().sum(), []),
        (lambda x: torch.arange(2, device=x.device) + x.new_zeros(2), []),
        (lambda x: x.sum().item(), ["wait"]),
        (lambda x: x.to("cpu"), ["wait"]),
        (lambda x: bool((x > 1).all()), ["wait"]),
        (lambda x: x[x > 1], ["wait"]),
        (lambda x: x.repeat_interleave(x.long()), ["wait"]),
        (lambda x: x.repeat_interleave(x.long(), output_size=3), []),
        (lambda x: x[torch.tensor([1])], ["copy", "wait"]),
        (lambda x: torch.ones(2).to(x.device), ["copy", "wait"]),
        (lambda x: torch.ones(2).to(x.device, non_blocking=True), ["copy", "wait"]),
        (lambda x: torch.ones(2).pin_memory().to(x.device, non_blocking=True), ["copy"]),
        (lambda x: x.copy_(torch.ones(2)), ["copy", "wait"]),
        (lambda x: torch.ones(2).copy_(x), ["wait"]),
    ],
)
def test_copies_to_the_device_and_waits_are_noted(
    work: Callable[[Tensor], object], expected: list[str]
) -> None:
    x = on_device(1.0, 2.0)
    with recording() as traffic:
        work(x)
    assert [event.kind for event in traffic] == expected


@pytest.mark.parametrize(
    "work", [lambda x: x.sum().item(), lambda x: x + torch.ones(2).to(x.device)]
)
def test_a_capture_that_waits_or_copies_is_an_error(work: Callable[[Tensor], object]) -> None:
    x = on_device(1.0, 2.0)
    with pytest.raises(CaptureError), torch.cuda.graph(torch.cuda.CUDAGraph()):
        work(x)
