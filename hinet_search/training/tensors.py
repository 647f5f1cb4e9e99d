"""Tensors: read and write safetensors files, which run no code, and reject damaged ones."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.common.files import replacing

MAXIMUM_NAMES = 3  # in a message
# What networks and trees may hold; a model is then compared with its own types.
WEIGHT_TYPES = frozenset(
    {
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    }
)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors atomically.

    Errors: DiskFull when there is no room.
    """
    on_cpu = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    with replacing(path, sum(tensor.nbytes for tensor in on_cpu.values())) as part:
        save_file(on_cpu, part)


def read_tensors(path: Path, remedy: str) -> dict[str, Tensor]:
    """Return the tensors of a file.

    Errors: DataError when it is damaged, EnvironmentFault when it cannot be read.
    """
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(
            f"{path}: must be a safetensors file, but is not: {str(error).splitlines()[0]}",
            remedy=remedy,
        ) from error
    except OSError as error:
        raise EnvironmentFault(
            f"{path}: cannot be read: {error.strerror or error}", remedy=remedy
        ) from error


def has_tensor(path: Path, name: str) -> bool:
    """Whether there is a sound file with a tensor of that name."""
    try:
        with safe_open(path, framework="pt") as file:
            return name in file.keys()  # noqa: SIM118  the file is no mapping
    except (SafetensorError, OSError):
        return False


def read_weights(path: Path, remedy: str) -> dict[str, Tensor]:
    """Return the tensors of a file as `read_tensors` does.

    DataError if one has a type that no training writes, or is NaN or infinite.
    """
    tensors = read_tensors(path, remedy)
    other_types = [
        f"{_type_and_shape(tensor)} in {name}"
        for name, tensor in tensors.items()
        if tensor.dtype not in WEIGHT_TYPES
    ]
    if other_types:
        raise DataError(
            f"{path}: must hold weights of the types of training, such as float32, got "
            f"{_first_names(other_types)}",
            remedy=remedy,
        )
    not_finite = []
    for name, tensor in tensors.items():
        has_numbers = tensor.numel() > 0 and tensor.is_floating_point()
        # Its bounds tell, without copying a large tensor.
        if has_numbers and not torch.stack(tensor.aminmax()).isfinite().all():
            not_finite.append(name)
    if not_finite:
        raise DataError(
            f"{path}: must hold finite weights, got NaN or infinity in {_first_names(not_finite)}",
            remedy=remedy,
        )
    return tensors


def differences(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """List how names, types and shapes of tensors differ from those expected, in words.

    `expected` can be of the meta device.
    """
    missing = [f"{name} is missing" for name in expected if name not in tensors]
    unknown = [f"{name} is not one of its weights" for name in tensors if name not in expected]
    unequal = []
    for name, tensor in tensors.items():
        if name in expected and _type_and_shape(tensor) != _type_and_shape(expected[name]):
            must_be = _type_and_shape(expected[name])
            got = _type_and_shape(tensor)
            unequal.append(f"{name} must be {must_be}, got {got}")
    return [*missing, *unknown, *unequal]


def _type_and_shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _first_names(names: list[str]) -> str:
    num_others = len(names) - MAXIMUM_NAMES
    others = f" and {num_others} more" if num_others > 0 else ""
    return ", ".join(names[:MAXIMUM_NAMES]) + others
