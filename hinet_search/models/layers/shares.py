"""Shares: what layers need to know of a batch whose rows several processes share.

Where processes train one model together, each has some rows of a batch (training/team.py). Nearly
all layers work on each row by itself. One that looks at a whole batch asks for `share` here, and
takes its sums over the rows of all processes. All must call it equally often, so a layer of one
scenario is also called without rows where others have rows of it.
Shape legend: M scenarios.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Share:
    """The rows of a batch that this process has, of those of all.

    `sizes` counts the rows of all processes by scenario. `sum_of` adds the tensors of all
    processes, which have one shape; gradients flow through it.
    """

    sizes: tuple[int, ...]
    sum_of: Callable[[Tensor], Tensor]

    def sizes_of_all(self, own: Sequence[int]) -> list[int]:
        """Return what the sizes of runs here are over all processes.

        Runs are of scenarios (M,), or one run of all rows.
        """
        if len(own) == 1:
            return [sum(self.sizes)]
        return [*self.sizes, *[0] * (len(own) - len(self.sizes))]


_SHARE: ContextVar[Share | None] = ContextVar("the share of a batch", default=None)


def share() -> Share | None:
    """Return the share of the batch that is computed; None if the process has all its rows."""
    return _SHARE.get()


@contextmanager
def sharing(part: Share) -> Iterator[None]:
    """Let layers inside know that the batch has only a share of the rows."""
    token = _SHARE.set(part)
    try:
        yield
    finally:
        _SHARE.reset(token)
