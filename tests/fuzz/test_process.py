"""A fault of any kind fails the test of its input, and the next input runs as if nothing had been."""

import os
import subprocess
import time
from pathlib import Path

import click
import pytest

from hinet_search.cli.commands import status
from hinet_search.common.errors import ConfigurationError
from tests.fuzz.commands import typed
from tests.fuzz.process import InputProcess

FAULTS = {
    "die": "ended with code -11",
    "hang": "in run",
    "take memory": "MemoryError",
    "leave a process": "left a process",
    "refuse": "a refusal that no command shows",
    "print raw": "control character U\\+0007",
}


def run(what: str, _home: Path) -> None:
    """Do it, as the input of a target."""
    if what == "die":
        os.kill(os.getpid(), 11)
    if what == "hang":
        time.sleep(1_000)
    if what == "take memory":
        bytearray(2**30)
    if what == "leave a process":
        subprocess.Popen(["sleep", "60"])
    if what == "refuse":
        raise ConfigurationError("a refusal that no command shows")
    if what == "print raw":
        status.command.callback = lambda **_: click.echo("\x07")
    typed("status", "--storage", "none.db")


def test_every_fault_is_reported_and_the_next_input_runs(tmp_path: Path) -> None:
    process = InputProcess(tmp_path, seconds=2, most_bytes=2**29)
    for what, reported in FAULTS.items():
        with pytest.raises(pytest.fail.Exception, match=reported):
            process.run(__name__, what)
        process.run(__name__, "nothing")
    process.end()
