"""Precision: matrix products of a training step in bf16 where the configuration asks; all else stays fp32."""

from contextlib import AbstractContextManager, nullcontext

import torch

from hinet_search.training.config import TrainConfig


def matrix_products(config: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """A forward pass inside, and the gradients of what it computes, use the precision of the configuration."""
    return torch.autocast(device.type, torch.bfloat16) if config.precision == "bf16" else nullcontext()
