"""Environments of other libraries, made by pip, and processes that run in them."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

INSTALL_SECONDS = 1_800


@dataclass(frozen=True)
class Environment:
    """The interpreter of a peer; not to be used where there is a `failure`."""

    python: Path
    failure: str = ""


@cache
def make_environment(
    folder: Path, requirements: tuple[str, ...], alone: tuple[str, ...] = ()
) -> Environment:
    """Return the environment; make it if missing, or if Python or the requirements changed.

    Those `alone` are installed without what they require.
    """
    python, done = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "\n".join((f"# Python {platform.python_version()}", *requirements, *alone)) + "\n"
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return Environment(python)
    _, failure = run([sys.executable, "-m", "venv", "--clear", str(folder)], INSTALL_SECONDS)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    commands = [[*install, *requirements]]
    if alone:
        commands.append([*install, "--no-deps", *alone])
    for command in commands:
        if not failure:
            _, failure = run(command, INSTALL_SECONDS)
    if failure:
        return Environment(python, f"not installed: {failure}")
    done.write_text(wanted, encoding="utf-8")
    return Environment(python)


def run(command: Sequence[str], seconds: int, folder: Path | None = None) -> tuple[str, str]:
    """Return the output of a process on one thread, and its last line of error, or nothing."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **threads}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=environment,
            cwd=folder,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {seconds} s"
    except OSError as error:
        return "", str(error)
    if done.returncode == 0:
        return done.stdout, ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    by_pip = [line for line in lines if line.startswith("ERROR:")]  # pip ends with hints
    return done.stdout, (by_pip or lines or [f"exit status {done.returncode}"])[-1]
