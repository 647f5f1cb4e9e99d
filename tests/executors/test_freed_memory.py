"""A slot gives memory back that a job freed, if it is much; little it keeps for the next job."""

import os
import subprocess
import sys

import pytest

from hinet_search.executors.processes.environment import SLOT_ENVIRONMENT

# Two large pieces with a small one that lives on after them, as a job may leave it in a slot.
PROGRAM = """
import numpy as np
from pathlib import Path
from hinet_search.executors.processes.slots import give_back_freed_memory

def anonymous() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))

large = [np.ones({size}, np.uint8), np.ones({size}, np.uint8)]
kept = np.ones(2**20, np.uint8)
before = anonymous()
del large
give_back_freed_memory()
print(before - anonymous())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other allocators decide by themselves")
@pytest.mark.parametrize(("size", "is_given_back"), [(2**29, True), (2**24, False)])
def test_much_freed_memory_is_given_back(size: int, is_given_back: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(size=size)],
        env={**os.environ, **SLOT_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (int(done.stdout) > 1.8 * size) == is_given_back
