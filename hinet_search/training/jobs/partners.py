"""Partners: processes of this machine that train a model together with the process of a slot.

A slot starts them for a training and ends them after it. It is the leader of the team: partners
neither emit nor write. Each is a program that reads its part of the work from its standard input;
when that closes, because the slot has ended, it ends too. They meet in a folder that others cannot
read, and talk over the machine's own interface.
"""

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors.processes.environment import VISIBLE_GPUS
from hinet_search.training.jobs.parts_of_work import (
    END_SECONDS,
    INTERFACE,
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

PAUSE_SECONDS = 0.1  # between two looks at the partners
OUT_OF_MEMORY = 3  # exit code


@dataclass(frozen=True)
class _PartOfProcess:
    """What a partner reads: its part, and the file by which the processes find each other."""

    part: PartOfWork
    meeting: Path

    @property
    def store(self) -> "Store":
        return dist.FileStore(str(self.meeting), self.part.size)  # type: ignore[attr-defined]


@contextmanager
def team_of(
    size: int, device: torch.device, work: Work, give_up: Callable[[PartnerLost], object]
) -> Iterator[Team]:
    """Start size - 1 partners that run `work`, and yield the leader's team.

    `work` is pickled. The partners have ended when this returns. If one ends early while this
    process waits for it inside torch, where no error reaches it, `give_up` is called in a thread,
    and is to end the process.

    Errors: PartnerLost if one has ended early, MemoryError if it had too little memory,
    EnvironmentFault if there are fewer GPUs than processes.
    """
    gpus = _gpus(size) if device.type == "cuda" else []
    with tempfile.TemporaryDirectory(prefix="hinet-search-team-") as folder:
        meeting = Path(folder, "meeting")
        of_leader, *of_partners = (
            _PartOfProcess(part, meeting) for part in parts_of(work, size, device)
        )
        os.environ.setdefault(INTERFACE, _own_interface())
        partners = [_start(part, gpus) for part in of_partners]
        has_left = threading.Event()
        watch = threading.Thread(target=_watch, args=(partners, has_left, give_up), daemon=True)
        watch.start()
        try:
            with joined(of_leader.part, of_leader.store) as team:
                yield team
            _wait(partners)
        except RuntimeError as error:
            _explain(error, partners)
            raise
        finally:
            has_left.set()
            _end(partners)
            watch.join()


def _watch(
    partners: Sequence["subprocess.Popen[bytes]"],
    has_left: threading.Event,
    give_up: Callable[[PartnerLost], object],
) -> None:
    """Give up once a partner is lost, and this process has not left the team by itself."""
    while not has_left.wait(PAUSE_SECONDS):
        lost = _lost(partners)
        if lost and not has_left.wait(END_SECONDS):
            give_up(lost)
            return


def _lost(partners: Sequence["subprocess.Popen[bytes]"]) -> PartnerLost | None:
    for rank, partner in enumerate(partners, start=1):
        code = partner.poll()
        if code:
            return PartnerLost(f"process {rank + 1} of {len(partners) + 1} has ended ({code})")
    return None


def _gpus(size: int) -> list[str]:
    """Return the GPUs of this process, one for each of the team."""
    listed = os.environ.get(VISIBLE_GPUS)
    numbers = map(str, range(torch.cuda.device_count()))
    gpus = list(numbers) if listed is None else [name.strip() for name in listed.split(",")]
    if len(gpus) < size:
        raise EnvironmentFault(
            f"workers: {size} processes need {size} GPUs in each slot, it has {len(gpus)}",
            remedy="Use fewer workers, fewer slots, or gpus_per_slot of the executor ray.",
        )
    return gpus


def _own_interface() -> str:
    """Return the network interface by which a machine reaches itself."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name.startswith("lo")), names[0])


def _start(part: _PartOfProcess, gpus: Sequence[str]) -> "subprocess.Popen[bytes]":
    environment: Mapping[str, str] = os.environ
    if gpus:
        environment = {**os.environ, VISIBLE_GPUS: gpus[part.part.rank]}
    program = f"from {__name__} import run_own_part; run_own_part()"
    command = [sys.executable, "-P", "-c", program]  # imports nothing from the current folder
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    assert process.stdin is not None, "a pipe was asked for"
    with suppress(BrokenPipeError):  # one that has ended already is noticed as any other
        process.stdin.write(pickle.dumps(part))
        process.stdin.flush()  # and left open: its end tells the partner that this process is gone
    return process


def _explain(error: RuntimeError, partners: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Raise PartnerLost or MemoryError if it is of a partner whose end broke a collective."""
    if not is_of_collective(error):
        return
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        lost = _lost(partners)
        if OUT_OF_MEMORY in [partner.returncode for partner in partners]:
            raise MemoryError("of a process that trains the same model") from error
        if lost:
            raise lost from error
        time.sleep(PAUSE_SECONDS)


def _wait(partners: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Wait for partners, which end with the training."""
    deadline = time.monotonic() + END_SECONDS
    for partner in partners:
        with suppress(subprocess.TimeoutExpired):
            partner.wait(max(0.0, deadline - time.monotonic()))


def _end(partners: Sequence["subprocess.Popen[bytes]"]) -> None:
    """End the partners that are still there."""
    for partner in partners:
        assert partner.stdin is not None, "a pipe was asked for"
        partner.stdin.close()
    _wait(partners)
    for partner in partners:
        partner.kill()
        partner.wait()


def run_own_part() -> None:
    """Run the part that the standard input has, and end with this process's exit code."""
    own: _PartOfProcess = pickle.load(sys.stdin.buffer)  # noqa: S301  the slot that started this wrote it
    threading.Thread(target=_end_with_slot, daemon=True).start()
    try:
        run_part(own.part, own.store)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except RuntimeError:
        time.sleep(1.0)  # if the slot is gone, this process ends meanwhile and says nothing
        raise


def _end_with_slot() -> None:
    os.read(sys.stdin.fileno(), 1)  # a buffered reader would hold a lock at the end
    os._exit(0)
