"""A study whose terminal is closed stops as after Ctrl-C, although it can print nothing."""

import os
import subprocess
import sys
from pathlib import Path

from tests.executors.processes import children_of, is_alive
from tests.search.test_kill import OFTEN, TEXT, launch, loaded, wait_for_checkpoint
from tests.small import write_study
from tests.waiting import LIMIT_SECONDS, wait_until

COMMAND = [
    sys.executable,
    "-c",
    "from hinet_search.cli import main; main()",
    "launch",
    "small.yaml",
]
IN_A_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, and a study then heeds that
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_study_whose_terminal_is_closed_stops_and_resumes_later(tmp_path: Path) -> None:
    write_study(tmp_path, TEXT)
    window, terminal = os.openpty()
    command = [sys.executable, "-c", IN_A_TERMINAL, *COMMAND]
    on_a_terminal = (
        {name: value for name, value in os.environ.items() if name != "CI"}
        | OFTEN
        | {"TERM": "xterm"}
    )
    with subprocess.Popen(
        command, cwd=tmp_path, env=on_a_terminal, stdin=terminal, stdout=terminal, stderr=terminal
    ) as launched:
        os.close(terminal)
        wait_for_checkpoint(tmp_path, launched)
        slots = children_of(launched.pid)
        assert b"Ctrl-C stops safely" in os.read(window, 100_000), "the block is drawn"
        os.close(window)
        assert launched.wait(timeout=LIMIT_SECONDS) == 129
    wait_until(lambda: not any(is_alive(slot) for slot in slots))
    assert loaded(tmp_path).state == "stopped"
    assert launch(tmp_path).wait(timeout=LIMIT_SECONDS) == 0
    assert [trial.state for trial in loaded(tmp_path).arms[0].trials] == ["complete"] * 2
