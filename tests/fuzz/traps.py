"""A target whose inputs are faults of different kinds, to test the harness."""

import os
import subprocess
from pathlib import Path

import click
from hypothesis import strategies as st

from hinet_search.cli.commands import status
from hinet_search.common.errors import ConfigurationError
from tests.fuzz.commands import temporary_files_here, typed

SEEDS: dict[str, str] = {}


def inputs() -> st.SearchStrategy[str]:
    """Numbers as texts; those over 1,000 are a fault."""
    return st.integers(0, 100_000).map(str)


def begin(_home: Path) -> None:
    """Nothing is made ready."""


def run(what: str, _state: None) -> str:
    """Do it."""
    if what.isdigit() and int(what) > 1000:
        raise ValueError(what)
    if what in _DEEDS:
        _DEEDS[what]()
    with temporary_files_here():
        typed("status", "--storage", "none.db")
    return "refused"


def _compute() -> None:
    while True:
        pass


def _take_memory() -> None:
    held = b"x" * (300 * 2**20)
    del held


def _leave_a_process() -> None:
    subprocess.Popen(["sleep", "60"])


def _refuse() -> None:
    raise ConfigurationError("a refusal that no command shows")


def _print_what_steers_a_terminal() -> None:
    status.command.callback = lambda **_: click.echo("\x07")


_DEEDS = {
    "compute": _compute,
    "die": lambda: os.kill(os.getpid(), 11),
    "take memory": _take_memory,
    "leave a process": _leave_a_process,
    "refuse": _refuse,
    "print raw": _print_what_steers_a_terminal,
}
