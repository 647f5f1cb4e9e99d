"""The local executor: slots are processes of this machine, which take turns at its GPUs."""

import math
import os
from pathlib import Path

from hinet_search.common.frozen_model import Frozen
from hinet_search.executors import Executor
from hinet_search.executors.processes.environment import VISIBLE_GPUS
from hinet_search.executors.processes.slots import ProcessExecutor


class Options(Frozen):
    """No settings."""

    def slots_per_gpu(self, slots: int) -> int:
        """Return how many slots share a GPU, at most."""
        return math.ceil(slots / max(1, len(gpus())))


def start(  # as ray
    slots: int,
    home: Path,  # noqa: ARG001
    options: Options,  # noqa: ARG001
) -> Executor:
    """Start an executor with that many slot processes."""
    return ProcessExecutor(range(slots), gpus())


def gpus() -> tuple[str, ...]:
    """Return the GPUs that slots may use, as CUDA_VISIBLE_DEVICES names them.

    Those are all by number, unless the variable lists some: numbers, ids, or instances of a MIG
    card. CUDA shows a process a single instance, so those that are listed are taken as they are.
    """
    import torch  # here, so that commands that start no slot do not load it

    listed = os.environ.get(VISIBLE_GPUS)
    num_visible = torch.cuda.device_count()
    if listed is None:
        return tuple(map(str, range(num_visible)))
    names = tuple(name.strip() for name in listed.split(","))
    # CUDA ignores a name that it does not know, and all names after it.
    return names if names[0].startswith("MIG-") else names[:num_visible]
