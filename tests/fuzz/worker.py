"""Worker: runs inputs of targets in separate processes, so that an input that hangs, dies or takes all memory is reported.

`python -m tests.fuzz.worker FD` is a server on a socket. It imports everything once and forks a process for a target, which
runs one input after another until one is a fault; the next one gets a fresh process.
"""

import importlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from tests.fuzz.faults import Fault, Outcome, innermost, of_exception, of_fault

WALL_SECONDS = 60.0  # of one input that computes nothing: it waits for something
ENDING_SECONDS = 30.0
INPUTS = 500  # of one process
DEADLY = ("hang", "death", "memory")  # faults after which a process is not what it was
HEAVY = (
    "hinet_search.cli.commands",
    "hinet_search.results.verdict",
    "hinet_search.dashboard.server",
    "hinet_search.data.inspect.describe",
    "hinet_search.data.guess.guess_table",
    "hinet_search.data.guess.write_definition",
    "hinet_search.api",
    "hinet_search.search.plan.plan",
    "hinet_search.search.launch",
    "hinet_search.search.stored_study",
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "2",
    "NO_COLOR": "1",
    "TORCHINDUCTOR_CACHE_DIR": "/tmp/none",
}


@dataclass(frozen=True)
class Limits:
    """What one input may take. A machine that others use may take longer for it, but not compute for longer."""

    cpu_seconds: float = 10.0
    most_bytes: int = 2 * 2**30


def module_of(target: str) -> str:
    """A target is a file in targets/, or a module by its whole name."""
    return target if "." in target else f"tests.fuzz.targets.{target}"


class Workers:
    """The server, for the process that generates inputs."""

    def __init__(self, limits: Limits = Limits()) -> None:
        ours, theirs = socket.socketpair()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("HINET_SEARCH_")
        }
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.fuzz.worker",
                *map(str, (theirs.fileno(), *astuple(limits))),
            ],
            pass_fds=[theirs.fileno()],
            env={**inherited, **ENVIRONMENT},
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._server = Connection(ours.detach())

    def run(self, target: str, given: object) -> Outcome:
        """Return the target's outcome for that input."""
        self._server.send((target, given))
        outcome: Outcome = self._server.recv()
        return outcome

    def close(self) -> None:
        """End the server and what it started."""
        self._server.close()
        try:
            self._process.wait(ENDING_SECONDS)
        except (
            subprocess.TimeoutExpired
        ):  # a fork of this process holds the other end of its socket
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Child:
    """A process that runs inputs of one target."""

    def __init__(self, target: str, home: Path, limits: Limits) -> None:
        self.target, self.inputs, self._limits = target, 0, limits
        self._ours, theirs = Pipe()
        self._pid = os.fork()
        if not self._pid:
            os.setpgid(0, 0)  # what it starts is killed with it
            self._ours.close()
            _serve(target, home, theirs, limits)
        theirs.close()
        self._told(None)  # it is ready

    def run(self, given: object) -> Outcome:
        """How it ends; the process is gone after a fault."""
        self.inputs += 1
        self._ours.send(given)
        return self._told(time.monotonic())

    def end(self) -> None:
        """Kill it, if it is not gone yet."""
        self._ours.close()
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _told(self, began: float | None) -> Outcome:
        computed = _cpu_seconds(self._pid)
        try:
            while began is not None and not self._ours.poll(0.25):
                if (spent := _cpu_seconds(self._pid) - computed) > self._limits.cpu_seconds:
                    return self._hung(f"{spent:.0f} s of computing")
                if time.monotonic() - began > WALL_SECONDS:
                    return self._hung(f"{WALL_SECONDS:.0f} s of waiting")
            outcome: Outcome = self._ours.recv()
        except EOFError:
            _, status = os.waitpid(self._pid, 0)
            end = os.waitstatus_to_exitcode(status)
            return Outcome("died", "death", f"by signal {-end}" if end < 0 else f"with code {end}")
        return outcome

    def _hung(self, why: str) -> Outcome:
        """Return where the process is, as it reports on SIGALRM; native code reports nothing."""
        os.kill(self._pid, signal.SIGALRM)
        place = self._ours.recv() if self._ours.poll(2) else "outside of Python"
        return Outcome("hung", "hang", place.splitlines()[0], f"{why}\n{place}")


def _serve(target: str, home: Path, pipe: Connection, limits: Limits) -> None:
    """Run inputs until the pipe closes; never returns."""
    try:
        module = importlib.import_module(module_of(target))
        if not os.environ.get("FUZZ_NOISE"):
            _be_quiet()
        signal.signal(signal.SIGALRM, lambda _, frame: _tell_place(pipe, frame))
        state = module.begin(home)
        _limit_memory(limits)
        pipe.send(None)
        while True:
            pipe.send(_outcome(module, pipe.recv(), state, home, limits))
    except EOFError:
        os._exit(0)
    except BaseException:  # noqa: BLE001  a process that was forked must not go on in what forked it
        traceback.print_exc()
        os._exit(70)


def _be_quiet() -> None:
    """Discard what libraries write past Python."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _outcome(module: Any, given: object, state: object, home: Path, limits: Limits) -> Outcome:
    began = time.monotonic()
    _forget_peak()
    with TemporaryDirectory(dir=home) as folder:  # goes with it if this process is killed
        os.chdir(folder)
        try:
            outcome = Outcome(module.run(given, state))
        except Fault as fault:
            outcome = of_fault(fault)
        except BaseException as error:  # noqa: BLE001  whatever an input leads to is told
            outcome = of_fault(of_exception(error))
        finally:
            os.chdir("/")
    peak = _peak_bytes()
    if peak > limits.most_bytes and not outcome.is_fault:
        outcome = of_fault(
            Fault("memory", f"over {limits.most_bytes >> 20} MB", f"{peak:,} bytes at the peak")
        )
    return replace(outcome, seconds=time.monotonic() - began, megabytes=peak >> 20)


def _tell_place(pipe: Connection, frame: FrameType | None) -> None:
    """Report where the process is, and end it."""
    frames = traceback.extract_stack(frame)
    pipe.send(f"{innermost(frames)}\n{''.join(traceback.format_list(frames))}")
    os._exit(1)


def _limit_memory(limits: Limits) -> None:
    """An allocation far over the limit fails at once, instead of taking the machine's memory."""
    most = (
        int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        + limits.most_bytes * 3 // 2
    )
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """Answers what is asked over a socket; one process at a time runs inputs."""

    def __init__(self, home: Path, limits: Limits) -> None:
        self._home, self._limits = home, limits
        self._child: _Child | None = None

    def answer(self, target: str, given: object) -> Outcome:
        """Return the target's outcome for that input."""
        child = self._child
        if child is None or child.target != target or child.inputs >= INPUTS:
            self.end()
            child = self._child = _Child(target, self._home, self._limits)
        outcome = child.run(given)
        if outcome.kind in DEADLY or any(word in outcome.where for word in ("Panic", "process")):
            self.end()
        return outcome

    def end(self) -> None:
        """End the process that runs inputs."""
        if self._child is not None:
            self._child.end()
            self._child = None


def main() -> None:
    """Serve until the other side closes."""
    requests = Connection(int(sys.argv[1]))
    for name in HEAVY:
        importlib.import_module(name)
    with TemporaryDirectory(prefix="fuzz-home-") as home:
        server = Server(Path(home), Limits(float(sys.argv[2]), int(sys.argv[3])))
        with suppress(EOFError):
            while True:
                requests.send(server.answer(*requests.recv()))
        server.end()


if __name__ == "__main__":
    main()
