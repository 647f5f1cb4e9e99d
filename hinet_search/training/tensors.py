"""Tensors: files of them that are read without running anything (safetensors)."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from hinet_search import disk


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write them so that a reader sees the whole file or none; DiskFull when there is no room."""
    on_cpu = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    with disk.replacing(path, sum(tensor.nbytes for tensor in on_cpu.values())) as part:
        save_file(on_cpu, part)
