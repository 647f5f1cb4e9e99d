"""Seeding: every random stream of a training is derived from its seed and a purpose."""

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
    """Return a 64-bit seed from a `seed` >= 0; `index` separates the streams of one purpose."""
    return int(
        np.random.SeedSequence(seed, spawn_key=(purpose, index)).generate_state(1, np.uint64)[0]
    )


@contextmanager
def seeded(seed: int, purpose: Purpose, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's global generators (CPU and `device`) inside, and restore them afterwards.

    Initialisers and dropout only draw from the global generators.
    """
    cuda = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(derived_seed(seed, purpose))
        yield


def seeded_model(build: Callable[[], Model], seed: int) -> Model:
    """Return `build()` with weights drawn from `seed`; restore the global generators afterwards."""
    with seeded(seed, Purpose.INITIALISATION):
        return build()
