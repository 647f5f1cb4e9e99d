"""Precision: that of the matrix products of a training step; all else is fp32."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from hinet_search.training.train_config import TrainConfig


def forward_products(config: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which a forward pass computes in bf16, if it is configured so.

    Its gradients then do so too, wherever they are computed.
    """
    is_bf16 = config.precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16) if is_bf16 else nullcontext()


@contextmanager
def fp32_products(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Let a GPU compute fp32 products in TF32 inside, if it is configured so; a CPU never does.

    Forward pass and gradients are both inside. Torch has one setting for a process, which is put
    back: neither an evaluation nor the next trial of a slot has it.
    """
    if config.precision != "tf32" or device.type != "cuda":
        yield
        return
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32"
    try:
        yield
    finally:
        products.fp32_precision = before
