"""Benchmarks that are seldom run still fit to what is shipped today."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "benchmarks"
FILLED = """
import sys
from pathlib import Path
from stored_trials import fill, make_workplace
fill(make_workplace(Path(sys.argv[1])), range(3))
"""


def test_the_study_of_stored_trials_draws_what_its_benchmarks_expect(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILLED, str(tmp_path)]
    run = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_every_part_of_a_run_of_benchmarks_can_be_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "run.py"), "--help"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for part in ("training", "memory", "restart", "platform"):
        assert part in run.stdout
