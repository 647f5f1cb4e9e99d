"""A CUDA device that is simulated on the CPU, for tests on machines without a GPU.

It finds tensors of the wrong device, and counts waits and copies (simulated_tensor.py). Autocast
follows the CPU's list of operations. Whether a CUDA kernel exists for an operation, and how fast it
is, only a GPU can show.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.device.simulated_graph import patch_graphs
from tests.device.simulated_tensor import (
    DEVICE,
    HOST,
    MixedDevicesError,
    SimulatedTensor,
    is_on_device,
    note,
    run,
    to_host,
)

FREE_BYTES = 80 * 10**9


class _OnBothDevices(TorchDispatchMode):
    """Sees every operation, also one that only makes a tensor."""

    def __torch_dispatch__(
        self, operation: Any, _types: object, given: tuple = (), named: dict | None = None
    ) -> Any:
        return run(operation, given, named or {})


class _Generator(torch.Generator):
    """One of the device draws from the CPU, where the numbers are."""

    def __new__(cls, _device: object = HOST) -> "_Generator":
        return super().__new__(cls)


@contextmanager
def simulated_device() -> Iterator[torch.device]:
    """Let torch find a GPU inside, and yield it."""
    with pytest.MonkeyPatch.context() as patch:
        _patch_cuda(patch)
        _patch_tensors(patch)
        _patch_precision(patch)
        patch_graphs(patch)
        converts_by_swap = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            with _OnBothDevices():
                yield DEVICE
        finally:
            torch.__future__.set_swap_module_params_on_conversion(converts_by_swap)


def _patch_cuda(patch: pytest.MonkeyPatch) -> None:
    generator = torch.default_generator
    answers = {
        "_lazy_init": None,
        "init": None,
        "is_available": True,
        "is_initialized": True,
        "device_count": 1,
        "current_device": 0,
        "empty_cache": None,
        "reset_peak_memory_stats": None,
        "max_memory_allocated": 0,
        "mem_get_info": (FREE_BYTES, FREE_BYTES),
        "manual_seed": None,
        "manual_seed_all": None,
    }
    for name, answer in answers.items():
        patch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    patch.setattr(torch.cuda, "synchronize", lambda *_: note("wait", "synchronize"))
    patch.setattr(torch.cuda, "get_rng_state", lambda *_: generator.get_state())
    patch.setattr(torch.cuda, "set_rng_state", lambda state, *_: generator.set_state(state))


def _patch_tensors(patch: pytest.MonkeyPatch) -> None:
    """Let tensors say where they are, also wrapped in others, and move between the devices."""
    of_torch = torch._C.TensorBase
    real_device, real_to, real_cpu = of_torch.device, of_torch.to, of_torch.cpu
    real_tensor = torch.tensor

    def device(tensor: Tensor) -> torch.device:
        return DEVICE if is_on_device(tensor) else real_device.__get__(tensor)

    def to(tensor: Tensor, *given: Any, **named: Any) -> Tensor:
        target = named.get("device", given[0] if given else None)
        if not isinstance(tensor, SimulatedTensor) or not isinstance(target, str | torch.device):
            return real_to(tensor, *given, **named)
        rest = {name: value for name, value in named.items() if name not in ("device", "copy")}
        if torch.device(target).type == "cpu":
            return real_to(to_host(tensor), *given[1:], **rest)
        there = tensor.clone() if named.get("copy") else tensor
        return real_to(there, *given[1:], **rest) if given[1:] or "dtype" in rest else there

    def cpu(tensor: Tensor) -> Tensor:
        return to_host(tensor) if isinstance(tensor, SimulatedTensor) else real_cpu(tensor)

    def pin_memory(tensor: Tensor) -> Tensor:
        if isinstance(tensor, SimulatedTensor):
            raise MixedDevicesError("only memory of the host can be pinned")
        pinned = tensor.detach().clone()
        pinned.is_pinned_here = True
        return pinned

    def tensor(numbers: Any, *, device: Any = None, **named: Any) -> Tensor:
        made = real_tensor(numbers, **named)
        return made if device is None else made.to(device)

    patch.setattr(torch, "tensor", tensor)
    patch.setattr(torch, "Generator", _Generator)
    for name, change in (("to", to), ("cpu", cpu), ("pin_memory", pin_memory)):
        patch.setattr(Tensor, name, change, raising=False)
    patch.setattr(Tensor, "device", property(device), raising=False)
    patch.setattr(Tensor, "is_cuda", property(is_on_device), raising=False)


def _patch_precision(patch: pytest.MonkeyPatch) -> None:
    """Let contexts of CUDA act on the CPU, where the numbers are."""
    real_autocast = torch.autocast

    class Autocast(real_autocast):
        def __init__(self, device_type: str, *given: Any, **named: Any) -> None:
            super().__init__(HOST.type, *given, **named)

    patch.setattr(torch, "autocast", Autocast)
    real_is_enabled = torch.is_autocast_enabled
    patch.setattr(
        torch,
        "is_autocast_enabled",
        lambda kind=DEVICE.type: kind != "cpu" and real_is_enabled("cpu"),
    )
    patch.setattr(torch, "inference_mode", torch.no_grad)
