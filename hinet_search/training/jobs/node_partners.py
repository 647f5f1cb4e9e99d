"""Node partners: the processes of a team that an executor runs on the nodes of a cluster.

The process of a slot leads. It listens at the address of its node and emits the parts of its
partners, which the executor runs on the other workers of the slot. If a process is lost, the
executor ends all; another slot resumes from the leader's checkpoint. Listening ports have no
authentication.
"""

import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors import Emit, Partners, ShouldStop
from hinet_search.executors.processes.environment import NODE_ADDRESS
from hinet_search.training.jobs.parts_of_work import (
    END_SECONDS,
    INTERFACE,
    MOST_TIME,
    PartnerLost,
    PartOfWork,
    Work,
    is_of_collective,
    joined,
    parts_of,
    run_part,
)
from hinet_search.training.team import Team

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

ADDRESS_OF_INTERFACE = 0x8915  # SIOCGIFADDR of linux/sockios.h
NAME_BYTES = 15  # of an interface, at most


@dataclass(frozen=True)
class _PartOnNode:
    """The part of a partner, and the address of its leader."""

    part: PartOfWork
    host: str
    port: int


@contextmanager
def team_over_nodes(
    size: int, device: torch.device, work: Work, emit: Callable[[object], None]
) -> Iterator[Team]:
    """Emit the parts of size - 1 partners that run `work`, and yield the leader's team.

    The executor waits for the ends of the partners.

    Errors: PartnerLost if one has ended early, EnvironmentFault if this node lacks its address.
    """
    host = os.environ[NODE_ADDRESS]
    _talk_at(host)
    of_leader, *of_partners = parts_of(work, size, device)
    listener = _listener(host)
    port = listener.getsockname()[1]
    store = _store(host, port, listener)
    parts = tuple(_PartOnNode(part, host, port) for part in of_partners)
    emit(Partners(_run_own_part, parts))
    try:
        with joined(of_leader, store) as team:
            yield team
    except RuntimeError as error:
        if not is_of_collective(error):
            raise
        time.sleep(END_SECONDS)  # in which the executor ends this process, and says why
        raise PartnerLost("a process on another node has ended") from error


def _run_own_part(own: _PartOnNode, emit: Emit, should_stop: ShouldStop) -> None:  # noqa: ARG001  a job
    """Run a partner's part on its node."""
    _talk_at(os.environ[NODE_ADDRESS])
    store = _store(own.host, own.port)
    try:
        run_part(own.part, store)
    except RuntimeError as error:
        if is_of_collective(error):
            time.sleep(2 * END_SECONDS)  # the cause is that of the process which ended first
        raise


def _store(host: str, port: int, listener: socket.socket | None = None) -> "Store":
    """Return the store by which processes find each other; the leader gives it what listens."""
    return dist.TCPStore(  # type: ignore[attr-defined]
        host,
        port,
        is_master=listener is not None,
        wait_for_workers=False,
        timeout=MOST_TIME,
        master_listen_fd=listener.detach() if listener else None,
    )


def _listener(host: str) -> socket.socket:
    try:
        return socket.create_server((host, 0))
    except OSError as error:
        raise EnvironmentFault(
            f"a process must listen at the address of its node, {host}, but cannot: {error}",
            remedy="start Ray there with --node-ip-address, an address that the node has",
        ) from error


def _talk_at(address: str) -> None:
    """Let gloo use the interface of an address, unless the environment names another one."""
    if INTERFACE in os.environ:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:NAME_BYTES])
            with suppress(OSError):  # it has no address
                answer = fcntl.ioctl(asked, ADDRESS_OF_INTERFACE, request)
                if socket.inet_ntoa(answer[20:24]) == address:
                    os.environ[INTERFACE] = name
                    return
    raise EnvironmentFault(
        f"no network interface of this node has its address {address}",
        remedy=f"set {INTERFACE} to the name of one before `ray start` there",
    )
