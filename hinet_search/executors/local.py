"""The local executor: slots are processes of this machine."""

from pathlib import Path

from hinet_search.executors import Executor
from hinet_search.executors._slots import Slots
from hinet_search.frozen import Frozen


class Options(Frozen):
    """There is nothing to choose."""


def start(slots: int, home: Path, options: Options, study: str) -> Executor:  # noqa: ARG001  every engine has these arguments
    """An executor with that many slot processes."""
    return Slots(range(slots))
