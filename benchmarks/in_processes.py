"""Work in processes of its own, and the most anonymous memory that these hold meanwhile.

Anonymous memory is what a process holds beside mapped files.
"""

import multiprocessing
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

MEGABYTE = 2**20
POLL_SECONDS = 0.02
# On the disk of the checkout: a folder for temporary files may be memory.
FOLDER = Path(__file__).resolve().parent.parent / ".benchmarks"
SPAWN = multiprocessing.get_context("spawn")

Work = tuple[Callable[..., object], *tuple[object, ...]]  # a function and its arguments


def run(*works: Work) -> tuple[float, list[Any]]:
    """Run works at once: the highest sum of their megabytes, and what each returned.

    RuntimeError when a process ends without a result; the others are then ended too.
    """
    with ExitStack() as ended:
        started = [_start(work, ended) for work in works]
        highest = 0
        results: dict[int, Any] = {}
        while len(results) < len(started):
            highest = max(highest, sum(anonymous_bytes(process.pid) for process, _ in started))
            for place, (process, ear) in enumerate(started):
                if place not in results and ear.poll():
                    results[place] = _result(process, ear)
            time.sleep(POLL_SECONDS)
        for process, _ in started:
            process.join()
    return highest / MEGABYTE, [results[place] for place in range(len(started))]


def _start(work: Work, ended: ExitStack) -> tuple[BaseProcess, Connection]:
    ear, say = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_tell, args=(say, *work))
    ended.enter_context(closing(ear))
    with say:  # closed here once the process has it: its end is then heard
        process.start()
    ended.callback(process.join)
    ended.callback(process.terminate)
    return process, ear


def _tell(say: Connection, function: Callable[..., object], *arguments: object) -> None:
    say.send(function(*arguments))


def _result(process: BaseProcess, ear: Connection) -> Any:
    try:
        return ear.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"a process ended with {process.exitcode} in place of a result"
        ) from None


def anonymous_bytes(process_id: int | None) -> int:
    """Bytes that a process holds beside mapped files; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{process_id}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))
