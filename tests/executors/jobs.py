"""Jobs for the conformance suite, in a module because slots import what they run."""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

from hinet_search.common import heartbeat
from hinet_search.common.errors import DiskFull
from hinet_search.executors import Emit, ShouldStop
from hinet_search.executors.processes import slots


def count(last: int, emit: Emit, should_stop: ShouldStop) -> None:
    """Emit 0 .. last - 1."""
    for number in range(last):
        emit(number)


def repeat(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Emit the payload."""
    emit(payload)


def note(path: str, emit: Emit, should_stop: ShouldStop) -> None:
    """Append a line to a file."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("ran\n")


def until_stopped(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Report that it runs, wait for a stop, and report that it was seen."""
    emit("running")
    while not should_stop():
        time.sleep(0.005)
    emit("heard")


def give_signs_every(seconds: float, emit: Emit, should_stop: ShouldStop) -> None:
    """Let later jobs in this process send heartbeats that often; by default it is every five seconds."""
    slots.HEARTBEAT_SECONDS = seconds


def tell_time_until_stopped(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Emit the time of the machine's clock at the start, then only ask whether to stop."""
    emit(time.monotonic())
    while not should_stop():
        time.sleep(0.005)


def until_file(path: str, emit: Emit, should_stop: ShouldStop) -> None:
    """Run until a file exists."""
    emit("running")
    while not Path(path).exists():
        time.sleep(0.005)


def divide_by_zero(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Raise."""
    emit("before")
    1 / 0  # noqa: B018  raising is what this job is for


def read_past_the_end(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Raise what a closed pipe would raise, for a reason of the job's own."""
    raise EOFError("the file is truncated")


def run_out_of_memory(why: str | None, emit: Emit, should_stop: ShouldStop) -> None:
    """Raise what a failed allocation raises, with or without a reason."""
    raise MemoryError(*([why] if why else []))


def find_the_disk_full(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Raise what a full disk raises."""
    raise DiskFull("w: no room", remedy="free some")


def kill_itself(first_attempts: str, emit: Emit, should_stop: ShouldStop) -> None:
    """Die of SIGKILL after a message."""
    emit("before")
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_the_middle_of_a_message(size: int, emit: Emit, should_stop: ShouldStop) -> None:
    """Begin to send more bytes than a pipe holds, and die before they are read."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
    emit(bytes(size))
    threading.Event().wait()


def pause_in_the_middle_of_a_message(size: int, emit: Emit, should_stop: ShouldStop) -> None:
    """Begin to send more bytes than a channel holds, and pause."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGSTOP)).start()
    emit(bytes(size))
    threading.Event().wait()


def work_on(seconds: float, emit: Emit, should_stop: ShouldStop) -> None:
    """Work without messages or questions, but with heartbeats."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        heartbeat.send_heartbeat()
        time.sleep(0.005)


def exit_with(code: int, emit: Emit, should_stop: ShouldStop) -> None:
    """Leave the process as library code might."""
    sys.exit(code)


def interrupt_itself(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Receive SIGINT, as every process of a terminal does on Ctrl-C, and continue."""
    os.kill(os.getpid(), signal.SIGINT)
    emit("lives")


def tell_process(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Emit process number, environment and loaded modules."""
    emit((os.getpid(), dict(os.environ), sorted(sys.modules)))


def sleep_deafly(seconds: float, emit: Emit, should_stop: ShouldStop) -> None:
    """Emit the process number, then do nothing that would notice the coordinator's end."""
    emit(os.getpid())
    time.sleep(seconds)


def go_on_after_every_error(payload: object, emit: Emit, should_stop: ShouldStop) -> None:
    """Emit for ever and catch every exception."""
    while True:
        with contextlib.suppress(Exception):
            emit(os.getpid())
        time.sleep(0.005)


def go_on(folder: Path, emit: Emit, should_stop: ShouldStop) -> None:
    """Emit the names in a folder, then add one file a moment and drop the oldest, until stopped: the last is `stopped`."""
    folder.mkdir(parents=True, exist_ok=True)
    emit(sorted(file.name for file in folder.iterdir()))
    first = max((int(file.stem) for file in folder.iterdir()), default=0) + 1
    for number in range(first, first + 100_000):
        stopped = should_stop()
        _write_whole(folder / f"{number:06}.txt", "stopped" if stopped else "going")
        (folder / f"{number - 2:06}.txt").unlink(missing_ok=True)
        if stopped:
            return
        time.sleep(0.02)


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.mkdir()
    (part / path.name).write_text(text)
    (part / path.name).replace(path)
    part.rmdir()
