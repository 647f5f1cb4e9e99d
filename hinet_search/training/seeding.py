"""Seeding: every stream of random numbers of a training comes from its seed and a purpose, and from nothing else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TypeVar

import numpy as np
import torch

Model = TypeVar("Model")


class Purpose(IntEnum):
    """What numbers are drawn for; streams of different purposes are independent."""

    INITIALISATION = 0
    DATA_ORDER = 1
    DROPOUT = 2


def derived_seed(seed: int, purpose: Purpose, index: int = 0) -> int:
    """A 64-bit seed; `seed` must not be negative. `index` tells the streams of one purpose apart (say, passes)."""
    return int(np.random.SeedSequence(seed, spawn_key=(purpose, index)).generate_state(1, np.uint64)[0])


@contextmanager
def seeded(seed: int, purpose: Purpose, device: torch.device | None = None) -> Iterator[None]:
    """Torch's global generators (of the CPU and of `device`) start from the seed inside, and are restored after.

    Initialisers and dropout draw from the global generators and take no other, hence this door.
    """
    cuda = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(derived_seed(seed, purpose))
        yield


def seeded_model(build: Callable[[], Model], seed: int) -> Model:
    """What `build` returns, its weights drawn from `seed` alone; the caller's generators are left as they were."""
    with seeded(seed, Purpose.INITIALISATION):
        return build()
