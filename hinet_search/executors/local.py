"""The local executor: slots are processes of this machine."""

from pathlib import Path

from hinet_search.common.frozen_model import Frozen
from hinet_search.executors import Executor
from hinet_search.executors.processes.slots import ProcessExecutor


class Options(Frozen):
    """No settings."""

    def slots_per_gpu(self, slots: int) -> int:
        """Return how many slots share a GPU: all see the first one."""
        return slots


def start(slots: int, home: Path, options: Options, study: str) -> Executor:  # noqa: ARG001  as ray
    """Start an executor with that many slot processes."""
    return ProcessExecutor(range(slots))
