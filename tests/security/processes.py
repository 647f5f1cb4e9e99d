"""A running study as its machine sees it: its processes, what they were started with, and where they listen."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.executors.processes import children_of

COMMAND = [sys.executable, "-c", "from hinet_search.cli import main; main()"]
LISTENING = "0A"  # as /proc/net/tcp says it


@contextmanager
def launching(
    folder: Path, *words: str, umask: int = -1, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a separate process; it has ended when the context ends."""
    kept = {name: value for name, value in os.environ.items() if name != "HINET_SEARCH_STORAGE"}
    with subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=umask,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def mode(path: Path) -> str:
    """Return the permissions of a file or folder."""
    return oct(path.stat().st_mode & 0o777)


def tree(process: int) -> set[int]:
    """A process and all below it."""
    return {process}.union(*(tree(child) for child in children_of(process)))


def command_lines(process: int) -> set[bytes]:
    """What the processes of a tree were started with, as everybody on the machine can read it."""
    lines = set()
    for each in tree(process):
        with suppress(FileNotFoundError, ProcessLookupError):
            lines.add(Path(f"/proc/{each}/cmdline").read_bytes())
    return lines


def listening(process: int) -> list[str]:
    """Addresses on which the processes of a tree wait for others, TCP and UDP, as the kernel writes them."""
    inodes = set().union(*(_sockets(each) for each in tree(process)))
    addresses = []
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{process}/net/{kind}").read_text().splitlines()[1:]:
            _, address, _, state, _, _, _, _, _, inode, *_ = line.split()
            if inode in inodes and (state == LISTENING or kind.startswith("udp")):
                addresses.append(f"{kind} {address}")
    return addresses


def _sockets(process: int) -> set[str]:
    """Inodes of the sockets that a process holds."""
    inodes = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for file in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):
                kind, _, inode = str(file.readlink()).partition(":")
                if kind == "socket":
                    inodes.add(inode.strip("[]"))
    return inodes
