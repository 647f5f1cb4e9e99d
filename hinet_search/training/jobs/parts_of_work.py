"""Parts of work: what each process of a team runs, and how the processes join."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from hinet_search.training.device import memory_errors_explained
from hinet_search.training.team import Team

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

Work = Callable[[Team], object]
INTERFACE = "GLOO_SOCKET_IFNAME"  # variable with the network interface of gloo
MOST_TIME = timedelta(minutes=30)  # that a process waits for the others: one may be evaluating
END_SECONDS = 5.0  # that partners may take to end


class PartnerLost(Exception):
    """A partner has ended before the training did."""


@dataclass(frozen=True)
class PartOfWork:
    """What to run as which of how many processes, on which kind of device."""

    work: Work
    rank: int
    size: int
    device: str


def parts_of(work: Work, size: int, device: torch.device) -> tuple[PartOfWork, ...]:
    """Return the part of each of `size` processes, the leader's first."""
    return tuple(PartOfWork(work, rank, size, device.type) for rank in range(size))


@contextmanager
def joined(part: PartOfWork, store: "Store") -> Iterator[Team]:
    """Join the other processes inside, which `store` lets find each other."""
    backend = "cpu:gloo,cuda:nccl" if part.device == "cuda" else "gloo"
    dist.init_process_group(
        backend, store=store, rank=part.rank, world_size=part.size, timeout=MOST_TIME
    )
    try:
        yield Team(part.rank, part.size)
    finally:
        dist.destroy_process_group()


def run_part(part: PartOfWork, store: "Store") -> None:
    """Run the part of a partner. Errors: MemoryError if it has too little memory."""
    explained = memory_errors_explained(torch.device(part.device), "its part of every batch")
    with explained, joined(part, store) as team:
        part.work(team)


def is_of_collective(error: RuntimeError) -> bool:
    """Return whether an error says that another process is gone."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)
