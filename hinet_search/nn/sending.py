"""Sending: what the host knows goes to the model's device, and neither waits for the other.

A step asks its device for nothing: what decides shapes, say how many rows each scenario has, is counted on the host, and
a GPU never runs out of work while the host waits for an answer.
Shape legend: N numbers, R of them repeated.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor


def sent(host: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on the device; itself on the CPU. From pinned memory alone CUDA copies while the host goes on."""
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host.to(device)


def repeated(numbers: Sequence[int], times: Sequence[int], device: torch.device) -> Int[Tensor, "R"]:
    """Each of N numbers so many times, in their order."""
    pair_2N = sent(torch.tensor([list(numbers), list(times)], dtype=torch.int64), device)
    return torch.repeat_interleave(pair_2N[0], pair_2N[1], output_size=sum(times))
